"""The limits of CreateTrainingJob, checked before the request is sent.

botocore checks types, required fields and minimums. It leaves the patterns, maximums and enumerations in its
service model to AWS, whose errors do not name the user's settings. Other rules exist only in AWS's
documentation.
"""

import itertools
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

from ..cloud.machines import has_fixed_disk
from ..errors import BadInput

# The setting that changes a part of the request, by the beginning of the part's path.
_SETTINGS = {
    "TrainingJobName": "--model",
    "AlgorithmSpecification.TrainingImage": "SAGEMAKER_IMAGE",
    "RoleArn": "SAGEMAKER_ROLE_ARN",
    "InputDataConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "OutputDataConfig.KmsKeyId": "SAGEMAKER_KMS_KEY",
    "OutputDataConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "CheckpointConfig": "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX",
    "ResourceConfig.InstanceType": "SAGEMAKER_INSTANCE_TYPE",
    "ResourceConfig.InstanceCount": "SAGEMAKER_INSTANCE_COUNT",
    "ResourceConfig.VolumeSizeInGB": "SAGEMAKER_VOLUME_GB",
    "ResourceConfig.VolumeKmsKeyId": "SAGEMAKER_KMS_KEY",
    "ResourceConfig.KeepAlivePeriodInSeconds": "SAGEMAKER_KEEP_ALIVE_S",
    "VpcConfig.SecurityGroupIds": "SAGEMAKER_SECURITY_GROUPS",
    "VpcConfig.Subnets": "SAGEMAKER_SUBNETS",
    "StoppingCondition": "SAGEMAKER_MAX_RUNTIME_S",
    "HyperParameters": "SAGEMAKER_HYPERPARAMETERS",
    "EnableManagedSpotTraining": "SAGEMAKER_SPOT",
    "Tags": "SAGEMAKER_TAGS",
    "HyperParameterTuningJobConfig.ResourceLimits": "--trials, --parallel or --max-cost-usd",
    "HyperParameterTuningJobConfig.ParameterRanges": "SAGEMAKER_TUNE",
    "StaticHyperParameters": "SAGEMAKER_HYPERPARAMETERS",
}
_DEFINITION = "TrainingJobDefinition."  # begins the path of what each trial of a tuning has
_NO_SETTING = "no setting; please report this"

_MAX_RUNTIME_S = 28 * 24 * 3600
_MAX_KEEP_ALIVE_S = 3600
_MAX_HYPERPARAMETER_CHARS = 256  # 2,500 in the service model
# The limits of an entry point are in the service model too, but not in that of the oldest botocore.
_MAX_WORDS = 100
_MAX_WORD_CHARS = 256

# Python's re does not have \p{..}. AWS's patterns always allow letters and digits together, so \w can stand
# for each of them. Z are the separators, which are fewer than \s.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


class Problem(NamedTuple):
    path: str  # in the request, as "Tags[2].Value"
    text: str  # a predicate


class RequestOutOfLimits(BadInput):
    """Everything in a request that AWS would reject, each with the setting that changes it.

    Args:
        what: it would start.
    """

    def __init__(self, problems: List[Problem], *, what: str = "training job") -> None:
        lines = [f"{_setting(path)}: {path} {text}" for path, text in problems]
        super().__init__(
            "\n  ".join([f"AWS would reject this {what}:"] + lines),
            "Correct these settings and run the command again.",
        )


def check_request(request: Dict[str, Any], shape: Any) -> None:
    """Raises one error for everything that AWS would reject.

    Args:
        request: CreateTrainingJob's arguments, of the right types.
        shape: botocore's input shape of CreateTrainingJob. Fields that an old botocore does not know pass.
    Raises:
        RequestOutOfLimits
    """
    problems: Dict[str, Problem] = {}  # one for each path; the documentation is often stricter
    for problem in itertools.chain(_documented_problems(request), _model_problems(request, shape, "")):
        problems.setdefault(problem.path, problem)
    if problems:
        raise RequestOutOfLimits(list(problems.values()))


def model_problems(request: Dict[str, Any], shape: Any) -> Iterator[Problem]:
    """What the service model forbids in a request.

    Args:
        shape: botocore's input shape of the operation.
    """
    return _model_problems(request, shape, "")


def _setting(path: str) -> str:
    path = path[len(_DEFINITION) :] if path.startswith(_DEFINITION) else path
    return next((name for start, name in _SETTINGS.items() if path.startswith(start)), _NO_SETTING)


# In the service model


def _model_problems(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    check = _CHECKS.get(shape.type_name)
    if check:
        yield from check(value, shape, path)


def _structure_problems(value: Dict[str, Any], shape: Any, path: str) -> Iterator[Problem]:
    for name in shape.required_members:
        # An old model requires a volume for every instance, even for those that cannot have one.
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
    # The list of instance types in an old botocore is out of date.
    if shape.enum and value not in shape.enum and not path.endswith("InstanceType"):
        yield Problem(path, f"is {value!r}, which is not one of {', '.join(shape.enum)}")


def _number_problems(value: int, shape: Any, path: str) -> Iterator[Problem]:
    yield from _range_problems(value, shape, path, "is {}")


def _range_problems(size: int, shape: Any, path: str, text: str) -> Iterator[Problem]:
    if size < shape.metadata.get("min", size):
        yield Problem(path, f"{text.format(size)}; the minimum is {shape.metadata['min']}")
    if size > shape.metadata.get("max", size):
        yield Problem(path, f"{text.format(size)}; the maximum is {shape.metadata['max']}")


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


# In the documentation


def _documented_problems(request: Dict[str, Any]) -> Iterator[Problem]:
    yield from _time_problems(request)
    yield from _instance_problems(request.get("ResourceConfig", {}))
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
        yield Problem(path, f"is {runtime_s}; the maximum is {_MAX_RUNTIME_S}")
    path = "StoppingCondition.MaxWaitTimeInSeconds"
    if spot and wait_s is None:
        yield Problem(path, "is missing, but a spot job needs it")
    elif wait_s is not None and not spot:
        yield Problem(path, "is set, but only a spot job can wait for an instance")
    elif wait_s is not None and wait_s < runtime_s:
        yield Problem(path, f"is {wait_s}, which is less than MaxRuntimeInSeconds ({runtime_s})")
    keep_alive_s = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
    path = "ResourceConfig.KeepAlivePeriodInSeconds"
    if keep_alive_s > _MAX_KEEP_ALIVE_S:
        yield Problem(path, f"is {keep_alive_s}; the maximum is {_MAX_KEEP_ALIVE_S}")
    elif keep_alive_s and spot:
        yield Problem(path, "is set, but AWS does not keep the instance of a spot job")


def _instance_problems(resources: Dict[str, Any]) -> Iterator[Problem]:
    instance_type, volume_gb = resources.get("InstanceType", ""), resources.get("VolumeSizeInGB")
    if not instance_type:
        yield Problem("ResourceConfig.InstanceType", "is missing")
    if resources.get("InstanceCount", 0) < 1:
        yield Problem("ResourceConfig.InstanceCount", "is missing or 0, but a job needs an instance")
    path = "ResourceConfig.VolumeSizeInGB"
    if has_fixed_disk(instance_type):
        if volume_gb is not None:
            yield Problem(path, f"is set, but {instance_type} has its own disk")
        if "VolumeKmsKeyId" in resources:
            yield Problem("ResourceConfig.VolumeKmsKeyId", f"is set, but {instance_type} has its own disk")
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
                yield Problem(path, f"is {name!r}, which is already used")
            if part == "Tags" and name.lower().startswith("aws:"):
                yield Problem(path, f"is {name!r}, but AWS reserves names that start with aws:")
            names.append(name)


def _uri_problems(part: Any, path: str) -> Iterator[Problem]:
    """SageMaker does not accept two slashes in a row in a key, though S3 does. All URIs are checked."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _uri_problems(value, _join(path, name))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _uri_problems(value, f"{path}[{number}]")
    elif isinstance(part, str) and part.startswith("s3://") and "//" in part[len("s3://") :]:
        yield Problem(path, f"is {part!r}, which has two slashes in a row")


def _length_problems(text: str, path: str, *, most: int) -> Iterator[Problem]:
    if len(text) > most:
        yield Problem(path, f"is {len(text)} characters long; the maximum is {most}")
