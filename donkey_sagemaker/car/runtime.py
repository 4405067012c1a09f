"""What this car can load: its versions, found without importing any of them."""

import platform
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..contract import TYPES
from ..errors import BadInput

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


class NoDonkeycar(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "The Python that runs this ({}) has no donkeycar.".format(sys.executable),
            "Run it in the environment that drives the car, e.g. `conda activate donkey`.",
        )


class FormatUnknown(BadInput):
    def __init__(self, path: str, version: str, known: List[str]) -> None:
        super().__init__(
            "donkeycar {} does not drive a model named {}.".format(version, path),
            "End --model with one of {}, or leave the ending out.".format(", ".join(known)),
        )


class UnknownType(BadInput):
    def __init__(self, model_type: str, version: str, known: Sequence[str]) -> None:
        super().__init__(
            "donkeycar {} trains no models of type {!r}.".format(version, model_type),
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
        if self.donkeycar < (3, 0):
            return "dk22"
        if self.donkeycar < (5, 1):
            return "dk50"
        return "dk53" if self.donkeycar < (5, 4) else "dk54"

    @property
    def tensorflow(self) -> Optional[str]:
        return next((self.versions[name] for name in TENSORFLOW_NAMES if name in self.versions), None)

    @property
    def lite(self) -> bool:
        """True if a .tflite can be driven: by a light runtime, or by a whole TensorFlow 2."""
        return any(name in self.versions for name in LITE_NAMES) or (
            self.tensorflow is not None and not self.tensorflow.startswith("1.")
        )

    def loads(self, form: str) -> bool:
        return self.lite if form == "tflite" else self.tensorflow is not None

    def describe(self) -> Dict[str, Any]:
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


def plan_models(
    asked: str, *, model_type: str, donkeycar: Tuple[int, int], config: Dict[str, Any], version: str
) -> ModelPlan:
    """What donkeycar itself would leave for `--model asked`, in this generation.

    Raises:
        FormatUnknown, UnknownType: this donkeycar cannot drive what is asked for.
    """
    if donkeycar < (3, 0):
        known = TYPES[:2] if donkeycar < (2, 5) else TYPES[:1]
        if model_type not in known:  # with no prefix: donkeycar 2 has no light runtime
            raise UnknownType(model_type, version, known)
        return ModelPlan(asked, [("", "hdf5")])
    if bare_type(model_type) not in TYPES:
        raise UnknownType(model_type, version, TYPES)
    lite_first = model_type.startswith("tflite_")
    native = _native_formats(donkeycar)
    if config.get("SAVE_MODEL_AS_H5"):
        native = ["h5"] + [form for form in native if form != "h5"]
    for form in native + ["tflite"]:
        if asked.endswith("." + form):
            base = asked[: -len(form) - 1]
            break
    else:
        ending = asked.rpartition("/")[2].rpartition(".")[2]
        if ending in ("h5", "keras", "savedmodel", "hdf5", "trt", "pth", "json", "uff"):
            raise FormatUnknown(asked, version, ["." + form for form in native + ["tflite"]])
        base, form = asked, native[0]
    lite_first = lite_first or form == "tflite"
    main = native[0] if form == "tflite" else form
    models = [("." + main, main)]
    if config.get("CREATE_TF_LITE", True) or lite_first:
        models.append((".tflite", "tflite"))
    return ModelPlan(base, models[::-1] if lite_first else models)


def _native_formats(donkeycar: Tuple[int, int]) -> List[str]:
    """Formats that this generation's Keras drives, the one it saves by default first."""
    if donkeycar >= (5, 4):
        return ["keras", "h5"]
    if donkeycar >= (5, 0):
        return ["savedmodel", "h5"]
    return ["h5"]
