"""What CreateTrainingJob accepts, checked before it is sent.

botocore itself checks types, required fields and minimums; the patterns, maxima and choices in its service
model it leaves to AWS, whose answer names no setting of ours. Other rules are in AWS's prose alone.
"""

import itertools
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

from ..cloud.machines import has_fixed_disk
from ..errors import BadInput

# What the user sets to change a part of the request, by the beginning of its path.
_SETTINGS = {
    "TrainingJobName": "--model",
    "AlgorithmSpecification.TrainingImage": "SAGEMAKER_IMAGE",
    "RoleArn": "SAGEMAKER_ROLE_ARN",
    "InputDataConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "OutputDataConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "CheckpointConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "ResourceConfig.InstanceType": "SAGEMAKER_INSTANCE_TYPE",
    "ResourceConfig.InstanceCount": "SAGEMAKER_INSTANCE_COUNT",
    "ResourceConfig.VolumeSizeInGB": "SAGEMAKER_VOLUME_GB",
    "ResourceConfig.KeepAlivePeriodInSeconds": "SAGEMAKER_KEEP_ALIVE_S",
    "StoppingCondition": "SAGEMAKER_MAX_RUNTIME_S",
    "HyperParameters": "SAGEMAKER_HYPERPARAMETERS",
    "EnableManagedSpotTraining": "SAGEMAKER_SPOT",
    "Tags": "SAGEMAKER_TAGS",
}
_NO_SETTING = "no setting, please report it"

_MAX_RUNTIME_S = 28 * 24 * 3600
_MAX_KEEP_ALIVE_S = 3600
_MAX_HYPERPARAMETER_CHARS = 256  # the model says 2,500
# An entry point has these limits in the model too, but the oldest botocore's does not know of any.
_MAX_WORDS = 100
_MAX_WORD_CHARS = 256

# Python's re knows no \p{..}. In AWS's patterns letters and digits come together, and \w is both; Z are the
# separators, which are fewer than \s.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


class Problem(NamedTuple):
    path: str  # in the request, e.g. Tags[2].Value
    text: str  # goes on from the path


class RequestOutOfLimits(BadInput):
    """All that AWS would refuse of a request, each with the setting that changes it."""

    def __init__(self, problems: List[Problem]) -> None:
        lines = [f"{_setting(path)}: {path} {text}" for path, text in problems]
        super().__init__(
            "\n  ".join(["AWS would refuse this training job:"] + lines),
            "Correct each setting that is named, and start again.",
        )


def check_request(request: Dict[str, Any], shape: Any) -> None:
    """Refuses what AWS would refuse, all at once.

    Args:
        request: CreateTrainingJob's arguments, of the right types.
        shape: botocore's input shape of CreateTrainingJob. What an old one does not know is let pass.
    Raises:
        RequestOutOfLimits
    """
    problems: Dict[str, Problem] = {}  # one a path: the prose is often the stricter
    for problem in itertools.chain(_prose_problems(request), _model_problems(request, shape, "")):
        problems.setdefault(problem.path, problem)
    if problems:
        raise RequestOutOfLimits(list(problems.values()))


def _setting(path: str) -> str:
    return next((name for start, name in _SETTINGS.items() if path.startswith(start)), _NO_SETTING)


# From the model


def _model_problems(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    check = _CHECKS.get(shape.type_name)
    if check:
        yield from check(value, shape, path)


def _structure_problems(value: Dict[str, Any], shape: Any, path: str) -> Iterator[Problem]:
    for name in shape.required_members:
        # An old model requires a volume of every machine, even of those that cannot have one.
        if name not in value and name != "VolumeSizeInGB":
            yield Problem(_join(path, name), "is missing")
    for name, member in value.items():
        if name in shape.members:
            yield from _model_problems(member, shape.members[name], _join(path, name))


def _list_problems(value: List[Any], shape: Any, path: str) -> Iterator[Problem]:
    yield from _range_problems(len(value), shape, path, "has {} entries")
    for number, member in enumerate(value):
        yield from _model_problems(member, shape.member, f"{path}[{number}]")


def _map_problems(value: Dict[str, Any], shape: Any, path: str) -> Iterator[Problem]:
    yield from _range_problems(len(value), shape, path, "has {} entries")
    for name, member in value.items():
        yield from _model_problems(name, shape.key, f"{path}: the name {name!r}")
        yield from _model_problems(member, shape.value, _join(path, name))


def _string_problems(value: str, shape: Any, path: str) -> Iterator[Problem]:
    yield from _range_problems(len(value), shape, path, "is {} characters long")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_python_pattern(pattern), value):
        yield Problem(path, f"is {value!r}, which does not match {pattern}")
    # The list of machines in an old botocore is old.
    if shape.enum and value not in shape.enum and not path.endswith("InstanceType"):
        yield Problem(path, "is {!r}, not one of {}".format(value, ", ".join(shape.enum)))


def _number_problems(value: int, shape: Any, path: str) -> Iterator[Problem]:
    yield from _range_problems(value, shape, path, "is {}")


def _range_problems(size: int, shape: Any, path: str, text: str) -> Iterator[Problem]:
    if size < shape.metadata.get("min", size):
        yield Problem(path, text.format(size) + "; the least is {}".format(shape.metadata["min"]))
    if size > shape.metadata.get("max", size):
        yield Problem(path, text.format(size) + "; the most is {}".format(shape.metadata["max"]))


def _python_pattern(pattern: str) -> str:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return pattern


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_CHECKS: Dict[str, Callable[[Any, Any, str], Iterator[Problem]]] = {
    "structure": _structure_problems,
    "list": _list_problems,
    "map": _map_problems,
    "string": _string_problems,
    "integer": _number_problems,
    "long": _number_problems,
}


# From the prose


def _prose_problems(request: Dict[str, Any]) -> Iterator[Problem]:
    yield from _time_problems(request)
    yield from _machine_problems(request.get("ResourceConfig", {}))
    yield from _container_problems(request.get("AlgorithmSpecification", {}))
    yield from _name_problems(request)
    yield from _uri_problems(request, "")
    for name, value in request.get("HyperParameters", {}).items():
        yield from _length_problems(value, "HyperParameters." + name, most=_MAX_HYPERPARAMETER_CHARS)


def _time_problems(request: Dict[str, Any]) -> Iterator[Problem]:
    spot = request.get("EnableManagedSpotTraining", False)
    stopping = request.get("StoppingCondition", {})
    runtime_s, wait_s = stopping.get("MaxRuntimeInSeconds", 0), stopping.get("MaxWaitTimeInSeconds")
    path = "StoppingCondition.MaxRuntimeInSeconds"
    if runtime_s > _MAX_RUNTIME_S:
        yield Problem(path, f"is {runtime_s}; the most is {_MAX_RUNTIME_S}")
    path = "StoppingCondition.MaxWaitTimeInSeconds"
    if spot and wait_s is None:
        yield Problem(path, "is missing, and a spot job needs it")
    elif wait_s is not None and not spot:
        yield Problem(path, "is set, but only a spot job may wait")
    elif wait_s is not None and wait_s < runtime_s:
        yield Problem(path, f"is {wait_s}, less than MaxRuntimeInSeconds, {runtime_s}")
    keep_alive_s = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
    path = "ResourceConfig.KeepAlivePeriodInSeconds"
    if keep_alive_s > _MAX_KEEP_ALIVE_S:
        yield Problem(path, f"is {keep_alive_s}; the most is {_MAX_KEEP_ALIVE_S}")
    elif keep_alive_s and spot:
        yield Problem(path, "is set, but AWS keeps no machine of a spot job")


def _machine_problems(resources: Dict[str, Any]) -> Iterator[Problem]:
    instance_type, volume_gb = resources.get("InstanceType", ""), resources.get("VolumeSizeInGB")
    if not instance_type:
        yield Problem("ResourceConfig.InstanceType", "is missing")
    if resources.get("InstanceCount", 0) < 1:
        yield Problem("ResourceConfig.InstanceCount", "is missing or 0, but a job needs a machine")
    path = "ResourceConfig.VolumeSizeInGB"
    if has_fixed_disk(instance_type):
        if volume_gb is not None:
            yield Problem(path, f"is set, but {instance_type} has a disk of its own")
    elif not volume_gb:
        yield Problem(path, f"is missing or 0, but {instance_type} has no disk of its own")


def _container_problems(algorithm: Dict[str, Any]) -> Iterator[Problem]:
    if not algorithm.get("TrainingImage"):
        yield Problem("AlgorithmSpecification.TrainingImage", "is missing")
    for name in ("ContainerEntrypoint", "ContainerArguments"):
        words = algorithm.get(name, [""])
        path = "AlgorithmSpecification." + name
        if not 1 <= len(words) <= _MAX_WORDS:
            yield Problem(path, f"has {len(words)} words; 1 to {_MAX_WORDS} are allowed")
        for number, word in enumerate(words):
            yield from _length_problems(word, f"{path}[{number}]", most=_MAX_WORD_CHARS)


def _name_problems(request: Dict[str, Any]) -> Iterator[Problem]:
    for part, field in (("InputDataConfig", "ChannelName"), ("Tags", "Key")):
        names: List[str] = []
        for number, entry in enumerate(request.get(part, [])):
            path, name = f"{part}[{number}].{field}", entry[field]
            if name in names:
                yield Problem(path, f"is {name!r}, as another is already")
            if part == "Tags" and name.lower().startswith("aws:"):
                yield Problem(path, f"is {name!r}, but AWS keeps names with aws: for itself")
            names.append(name)


def _uri_problems(part: Any, path: str) -> Iterator[Problem]:
    """SageMaker takes no empty part in a key, though S3 does; found wherever an URI stands."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _uri_problems(value, _join(path, name))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _uri_problems(value, f"{path}[{number}]")
    elif isinstance(part, str) and part.startswith("s3://") and "//" in part[len("s3://") :]:
        yield Problem(path, f"is {part!r}, with an empty part between two slashes")


def _length_problems(text: str, path: str, *, most: int) -> Iterator[Problem]:
    if len(text) > most:
        yield Problem(path, f"is {len(text)} characters long; the most is {most}")
