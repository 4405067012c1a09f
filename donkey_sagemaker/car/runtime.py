"""What a car can load: its versions, found without importing any of them, or named by its owner."""

import os
import platform
import re
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..contract import NO_LITE_TYPES, TYPES, generation_of
from ..errors import BadInput
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
PREFIXES = ("tflite_", "tensorrt_")
MAX_NAME_CHARS = 200  # of a model; what an archive may tell


class NoDonkeycar(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"The Python that runs this ({sys.executable}) has no donkeycar.",
            "Run it in the environment that drives the car, e.g. `conda activate donkey`.",
        )


class BadCar(BadInput):
    """SAGEMAKER_CAR does not say what the car runs."""

    def __init__(self, named: str, why: str) -> None:
        super().__init__(
            f"SAGEMAKER_CAR = {named!r}: {why}.",
            'Set it to words such as "donkeycar 5.3, tflite-runtime 2.14", or to the path of the file that '
            "`donkey-sagemaker doctor --car` writes on the car.",
        )


class NoLiteModel(BadInput):
    def __init__(self, model_type: str) -> None:
        super().__init__(
            f"A {model_type} model cannot be a .tflite: light runtimes lack what it needs.",
            "Choose another --type, or end --model with .h5 where the car has TensorFlow.",
        )


class NeedsTensorflow(BadInput):
    def __init__(self, model_type: str, version: str) -> None:
        super().__init__(
            f"donkeycar {version} drives no {model_type} model without TensorFlow, which its pilot calls.",
            "Choose another --type, or install TensorFlow on the car.",
        )


# Endings of models that donkeycar may drive, but no job makes
_MADE_ELSEWHERE = {
    "trt": "TensorRT makes such a file, on the machine that drives it",
    "uff": "TensorRT makes such a file, on the machine that drives it",
    "pth": "that is PyTorch's, and jobs train with TensorFlow",
}
_KERAS_ENDINGS = ("h5", "hdf5", "keras", "savedmodel", "json")


class FormatUnknown(BadInput):
    def __init__(self, path: str, ending: str, version: str, known: List[str]) -> None:
        super().__init__(
            "No job makes {}: {}.".format(
                os.path.basename(path),
                _MADE_ELSEWHERE.get(ending, f"donkeycar {version} would not drive it"),
            ),
            "End --model with one of {}, or leave the ending out.".format(", ".join(known)),
        )


class NoModelName(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(f"--model {path} names no model.", "Give it a name, such as models/pilot.")


class UnknownType(BadInput):
    def __init__(self, model_type: str, version: str, known: Sequence[str]) -> None:
        super().__init__(
            f"donkeycar {version} trains no models of type {model_type!r}.",
            "Choose one of {} with --type or DEFAULT_MODEL_TYPE.".format(", ".join(known)),
        )


class Runtime(NamedTuple):
    """Versions by distribution name; absent ones are not installed."""

    python: str
    machine: str
    versions: Dict[str, str]

    @property
    def donkeycar(self) -> Tuple[int, int]:
        """Major and minor version."""
        parts = self.versions["donkeycar"].split(".")
        return int(parts[0]), int(parts[1])

    @property
    def generation(self) -> str:
        """The training image that is made for this donkeycar."""
        return generation_of(self.versions["donkeycar"])

    @property
    def tensorflow(self) -> Optional[str]:
        return next((self.versions[name] for name in TENSORFLOW_NAMES if name in self.versions), None)

    def loads(self, form: str) -> bool:
        """True if this car's donkeycar, on what is beside it, drives a model in that format.

        Each of them is written so that every version of its reader takes it: the versions decide no more.
        """
        has_tensorflow_2 = self.tensorflow is not None and not self.tensorflow.startswith("1.")
        if form == "tflite":
            has_light = any(name in self.versions for name in LITE_NAMES)
            return self.donkeycar >= (3, 0) and (has_light or has_tensorflow_2)
        if form == "savedmodel":
            return has_tensorflow_2 and (5, 0) <= self.donkeycar < (5, 4)
        if form == "keras":
            return has_tensorflow_2 and self.donkeycar >= (5, 4)
        return self.tensorflow is not None

    def describe(self) -> Dict[str, Any]:
        """As JSON: for the job, and for the file that tells another machine of this car."""
        return {"python": self.python, "machine": self.machine, "versions": dict(self.versions)}


def find_runtime() -> Runtime:
    """The runtime of the Python that runs this.

    Raises:
        NoDonkeycar: it is not a car's Python.
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


def named_runtime(named: str, *, car_path: str) -> Runtime:
    """The runtime of another car than this one.

    Args:
        named: e.g. "donkeycar 5.3, tflite-runtime 2.14, python 3.11, machine aarch64"; or, where it ends
            with .json, the path of a file with `Runtime.describe()`, from the car's folder.
    Raises:
        BadCar
    """
    if named.endswith(".json"):
        told = _read_description(named, os.path.join(car_path, os.path.expanduser(named)))
    else:
        told = _parse_names(named)
    versions = told["versions"]
    for name, version in versions.items():
        if not re.fullmatch(r"\d+|\d+\.\d+[\w.+-]*", version):
            raise BadCar(named, f"{name} {version} is no version")
    if "." not in versions.get("donkeycar", ""):
        raise BadCar(named, "it names no version of donkeycar, such as donkeycar 5.3")
    runtime = Runtime(told["python"], told["machine"], versions)
    if not any(runtime.loads(form) for form in ("hdf5", "tflite")):
        raise BadCar(named, "it names nothing that loads a model, such as tflite-runtime 2.14")
    return runtime


def _read_description(named: str, path: str) -> Dict[str, Any]:
    try:
        with open(path, "rb") as file:
            told = parse_json(file.read())
        texts = [told["python"], told["machine"], *told["versions"], *told["versions"].values()]
    except OSError as error:
        raise BadCar(named, f"the file cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCar(named, "the file does not describe a car") from error
    if not all(isinstance(text, str) for text in texts):
        raise BadCar(named, "the file does not describe a car")
    return told


def _parse_names(named: str) -> Dict[str, Any]:
    known = ("python", "machine") + TENSORFLOW_NAMES + LITE_NAMES + OTHER_NAMES
    words = {"python": "", "machine": ""}
    for part in named.split(","):
        told = re.fullmatch(r"([\w-]+)(?: *== *| +)([\w.+-]+)", part.strip())
        name = told.group(1).lower().replace("_", "-") if told else ""
        if not told or name not in known:
            raise BadCar(
                named, "{!r} is not one of {} and its version".format(part.strip(), ", ".join(known))
            )
        words[name] = told.group(2)
    return {"python": words.pop("python"), "machine": words.pop("machine"), "versions": words}


def why_not_driven(form: str, *, car: Runtime, here: Optional[Runtime]) -> Optional[str]:
    """Why a model in that format cannot be tried on this machine for that car; None where it can.

    Args:
        here: what runs this; None where it has no donkeycar.
    """
    if here is None:
        return "this Python has no donkeycar"
    if here.generation != car.generation:
        return "this machine has donkeycar {}, the car {}".format(
            here.versions["donkeycar"], car.versions["donkeycar"]
        )
    return None if here.loads(form) else "this Python has nothing that loads it"


def runtime_here() -> Optional[Runtime]:
    """The runtime of the Python that runs this; None where it is not a car's."""
    try:
        return find_runtime()
    except NoDonkeycar:
        return None


def bare_type(model_type: str) -> str:
    """linear of tflite_linear: what is trained, whatever drives it."""
    for prefix in PREFIXES:
        if model_type.startswith(prefix):
            return model_type[len(prefix) :]
    return model_type


class ModelPlan(NamedTuple):
    """The files that a training is to leave, for a base path such as models/pilot."""

    base: str  # path without an ending
    models: List[Tuple[str, str]]  # (ending, format); the first is the one asked for


def plan_models(asked: str, *, model_type: str, runtime: Runtime, config: Dict[str, Any]) -> ModelPlan:
    """What donkeycar itself would leave for `--model asked`, in this generation.

    A car without TensorFlow gets its .tflite first, and beside it what a later training can start from.

    Raises:
        FormatUnknown, UnknownType, NoLiteModel, NeedsTensorflow: this car cannot drive what is asked for.
        NoModelName
    """
    plan = _plan_files(asked, model_type=model_type, runtime=runtime, config=config)
    name = os.path.basename(plan.base)
    is_folder = any(form != "savedmodel" and os.path.isdir(plan.base + end) for end, form in plan.models)
    if is_folder or name.startswith(".") or not (name.isprintable() and 0 < len(name) <= MAX_NAME_CHARS):
        raise NoModelName(asked)
    return plan


def _plan_files(asked: str, *, model_type: str, runtime: Runtime, config: Dict[str, Any]) -> ModelPlan:
    donkeycar, version = runtime.donkeycar, runtime.versions["donkeycar"]
    if donkeycar < (3, 0):
        known = TYPES[:2] if donkeycar < (2, 5) else TYPES[:1]
        if model_type not in known:  # with no prefix: donkeycar 2 has no light runtime
            raise UnknownType(model_type, version, known)
        return ModelPlan(asked, [("", "hdf5")])
    if bare_type(model_type) not in TYPES:
        raise UnknownType(model_type, version, TYPES)
    native = _native_formats(donkeycar)
    if config.get("SAVE_MODEL_AS_H5") or runtime.tensorflow is None:
        native = ["h5"] + [form for form in native if form != "h5"]
    for form in native + ["tflite"]:
        if asked.endswith("." + form):
            base = asked[: -len(form) - 1]
            break
    else:
        ending = os.path.splitext(asked)[1][1:]
        if ending in _MADE_ELSEWHERE or ending in _KERAS_ENDINGS:
            raise FormatUnknown(asked, ending, version, ["." + form for form in native + ["tflite"]])
        base, form = asked, native[0]
    lite_first = model_type.startswith("tflite_") or form == "tflite" or runtime.tensorflow is None
    if lite_first and bare_type(model_type) in NO_LITE_TYPES:
        raise NoLiteModel(bare_type(model_type))
    if bare_type(model_type) == "memory" and runtime.tensorflow is None and donkeycar < (5, 4):
        raise NeedsTensorflow("memory", version)
    main = native[0] if form == "tflite" else form
    models = [("." + main, main)]
    if config.get("CREATE_TF_LITE", donkeycar >= (4, 0)) or lite_first:
        models.append((".tflite", "tflite"))
    return ModelPlan(base, models[::-1] if lite_first else models)


def _native_formats(donkeycar: Tuple[int, int]) -> List[str]:
    """Formats that this generation's Keras drives, the one it saves by default first."""
    if donkeycar >= (5, 4):
        return ["keras", "h5"]
    if donkeycar >= (5, 0):
        return ["savedmodel", "h5"]
    return ["h5"]
