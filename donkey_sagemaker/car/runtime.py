"""What a car can load: the versions of its packages, read without importing them or given by its owner."""

import os
import platform
import re
import sys
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ..contract import generation_of
from ..errors import BadInput
from ..untrusted_file import read_file
from ..untrusted_json import parse_json

if sys.version_info >= (3, 8):
    from importlib import metadata
else:
    import importlib_metadata as metadata

TENSORFLOW_NAMES = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-macos",
    "tensorflow-aarch64",
)
LITE_NAMES = ("ai-edge-litert", "tflite-runtime")
OTHER_NAMES = ("donkeycar", "keras", "tf-keras", "h5py", "numpy")
_MOST_VERSION = 50  # characters
PREFIXES = ("tflite_", "tensorrt_")


class NoDonkeycar(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"donkeycar is not installed in {sys.executable}.",
            "Activate the environment that drives the car, for example with `conda activate donkey`, "
            "and run the command again.",
        )


class BadCarSetting(BadInput):
    """SAGEMAKER_CAR does not describe what a car runs."""

    def __init__(self, description: str, why: str) -> None:
        super().__init__(
            f"SAGEMAKER_CAR = {description!r} is invalid: {why}.",
            'Set it to names and versions such as "donkeycar 5.3, tflite-runtime 2.14", or to the path of '
            "the file that `donkey-sagemaker doctor --car` writes on the car.",
        )


class Runtime(NamedTuple):
    """The Python, the machine and the package versions of a car."""

    python: str
    machine: str
    versions: Dict[str, str]  # by distribution name; packages that are not installed are missing

    @property
    def donkeycar(self) -> Tuple[int, int]:
        """Major and minor version."""
        parts = self.versions["donkeycar"].split(".")
        return int(parts[0]), int(parts[1])

    @property
    def generation(self) -> str:
        """The training image for this version of donkeycar."""
        return generation_of(self.versions["donkeycar"])

    @property
    def tensorflow(self) -> Optional[str]:
        return next((self.versions[name] for name in TENSORFLOW_NAMES if name in self.versions), None)

    def loads(self, model_format: str) -> bool:
        """Whether donkeycar and the packages next to it on this car can drive a model in that format.

        The trainer writes each format so that every version of its reader can load it, so more does not
        depend on the versions.
        """
        has_tensorflow_2 = self.tensorflow is not None and not self.tensorflow.startswith("1.")
        if model_format == "tflite":
            has_lite = any(name in self.versions for name in LITE_NAMES)
            return self.donkeycar >= (3, 0) and (has_lite or has_tensorflow_2)
        if model_format == "savedmodel":
            return has_tensorflow_2 and (5, 0) <= self.donkeycar < (5, 4)
        if model_format == "keras":
            return has_tensorflow_2 and self.donkeycar >= (5, 4)
        return self.tensorflow is not None

    def describe(self) -> Dict[str, Any]:
        """As JSON, for the job and for the file that describes this car to another machine."""
        return {"python": self.python, "machine": self.machine, "versions": dict(self.versions)}


def find_runtime() -> Runtime:
    """The runtime of this Python.

    Raises:
        NoDonkeycar: this is not the Python of a car.
    """
    versions = {}
    for name in TENSORFLOW_NAMES + LITE_NAMES + OTHER_NAMES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "donkeycar" not in versions:
        raise NoDonkeycar()
    return Runtime(platform.python_version(), platform.machine(), versions)


def find_runtime_or_none() -> Optional[Runtime]:
    """The runtime of this Python; None if it is not the Python of a car."""
    try:
        return find_runtime()
    except NoDonkeycar:
        return None


def parse_runtime(description: str, *, car_path: str) -> Runtime:
    """The runtime of a car that is not this machine.

    Args:
        description: e.g. "donkeycar 5.3, tflite-runtime 2.14, python 3.11, machine aarch64"; or, if it ends
            with .json, the path of a file with `Runtime.describe()`, relative to the car's folder.
    Raises:
        BadCarSetting
    """
    if description.endswith(".json"):
        values = _read_description(description, os.path.join(car_path, os.path.expanduser(description)))
    else:
        values = _parse_names(description)
    versions = values["versions"]
    for name, version in versions.items():
        if len(version) > _MOST_VERSION or not re.fullmatch(r"\d+|\d+\.\d+[\w.+-]*", version, re.ASCII):
            raise BadCarSetting(description, f"{version!r} is not a version of {name}")
    if "." not in versions.get("donkeycar", ""):
        raise BadCarSetting(description, "the version of donkeycar is missing, such as donkeycar 5.3")
    runtime = Runtime(values["python"], values["machine"], versions)
    if not any(runtime.loads(model_format) for model_format in ("hdf5", "tflite")):
        raise BadCarSetting(description, "a package that loads models is missing, such as tensorflow 2.15")
    return runtime


def _read_description(description: str, path: str) -> Dict[str, Any]:
    try:
        values = parse_json(read_file(path))
        texts = [values["python"], values["machine"], *values["versions"], *values["versions"].values()]
    except OSError as error:
        raise BadCarSetting(description, f"the file cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCarSetting(description, "the file does not describe a car") from error
    if not all(isinstance(text, str) for text in texts):
        raise BadCarSetting(description, "the file does not describe a car")
    return values


def _parse_names(description: str) -> Dict[str, Any]:
    known = ("python", "machine") + TENSORFLOW_NAMES + LITE_NAMES + OTHER_NAMES
    values = {"python": "", "machine": ""}
    for part in description.split(","):
        match = re.fullmatch(r"([\w-]+)(?: *== *| +)([\w.+-]+)", part.strip())
        name = match.group(1).lower().replace("_", "-") if match else ""
        if not match or name not in known:
            raise BadCarSetting(
                description,
                f"{part.strip()!r} is not one of these names followed by a version: {', '.join(known)}",
            )
        values[name] = match.group(2)
    return {"python": values.pop("python"), "machine": values.pop("machine"), "versions": values}


def why_not_checked(model_format: str, *, car: Runtime, here: Optional[Runtime]) -> Optional[str]:
    """Why a model in that format cannot be checked on this machine for that car; None if it can.

    Args:
        here: the runtime of this Python; None if it has no donkeycar.
    """
    if here is None:
        return "donkeycar is not installed in this Python"
    if here.generation != car.generation:
        return f"this machine has donkeycar {here.versions['donkeycar']}, the car {car.versions['donkeycar']}"
    return None if here.loads(model_format) else "this Python has no package that loads it"


def bare_type(model_type: str) -> str:
    """The type of model that is trained, without the prefix of what drives it: linear for tflite_linear."""
    for prefix in PREFIXES:
        if model_type.startswith(prefix):
            return model_type[len(prefix) :]
    return model_type
