"""The names of a model's files: what a training creates for a car, and which files belong to one pilot."""

import datetime
import difflib
import os
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..contract import NO_LITE_TYPES, TYPES
from ..errors import BadInput
from .runtime import Runtime, bare_type

# The first bytes of a model file by its format: offset, bytes
_MAGIC = {"h5": (0, b"\x89HDF\r\n\x1a\n"), "keras": (0, b"PK\x03\x04"), "tflite": (4, b"TFL3")}
MAX_NAME_CHARS = 200  # of a model; the limit for the name in an archive

# The extensions of a pilot's files, for any generation of donkeycar, and those that this package adds
_EXTENSIONS = (
    ".h5 .hdf5 .keras .savedmodel .tflite .trt .uff .pth .ckpt .pkl .history.json .json .weights .png .html"
).split()

# Extensions of models that donkeycar may drive, but that a job does not create
_NOT_FROM_A_JOB = {
    "trt": "TensorRT creates such a file on the machine that drives it",
    "uff": "TensorRT creates such a file on the machine that drives it",
    "pth": "it is a PyTorch model, and jobs train with TensorFlow",
}
_KERAS_EXTENSIONS = ("h5", "hdf5", "keras", "savedmodel", "json")


class UnsupportedType(BadInput):
    """The car cannot drive, or donkeycar cannot train, a model of the requested type."""


class BadModelPath(BadInput):
    """The path given with --model is not the path of a model that a job can create."""


class ModelPlan(NamedTuple):
    """The files that a training is to create, for a base path such as models/pilot."""

    base: str  # path without an extension
    models: List[Tuple[str, str]]  # (extension, format); the requested one comes first


def model_format(path: str) -> Optional[str]:
    """The format of a model file by its first bytes, whatever its name; None if it is none that is known."""
    with open(path, "rb") as file:
        start = file.read(16)
    return next((name for name, (at, magic) in _MAGIC.items() if start.startswith(magic, at)), None)


def is_keras_model(path: str) -> bool:
    """Whether it is an HDF5 or .keras file, or a SavedModel folder without links in it."""
    if not os.path.isdir(path):
        return model_format(path) in ("h5", "keras")
    if not os.path.isfile(os.path.join(path, "saved_model.pb")):
        return False
    return not any(
        os.path.islink(os.path.join(folder, name))
        for folder, folders, files in os.walk(path)
        for name in folders + files
    )


def model_name(path: str) -> str:
    """The base name that the files of one pilot share: pilot_21-01-01_3 for models/pilot_21-01-01_3.h5."""
    name = os.path.basename(path)
    for extension in _EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)]
    return name


def default_model_path(
    models_path: str,
    *,
    today: datetime.date,
    extension: str,
    database_numbers: Iterable[int],
    existing_names: Iterable[str],
) -> str:
    """models_path/pilot_YY-MM-DD_N with donkeycar's next N, and never the base name of an existing file.

    Args:
        extension: with its dot, or "".
        database_numbers: `database.read_numbers`.
        existing_names: the names in the models folder.
    """
    taken = list(existing_names)
    number = max(database_numbers, default=-1) + 1
    while True:
        name = f"pilot_{today:%y-%m-%d}_{number}"
        if not any(other == name or other.startswith(name + ".") for other in taken):
            return os.path.join(models_path, name + extension)
        number += 1


def plan_models(path: str, *, model_type: str, runtime: Runtime, config: Dict[str, Any]) -> ModelPlan:
    """The files that donkeycar itself would create for `--model path`, in this generation.

    A car without TensorFlow gets its .tflite first, and a second file that a later training can start from.

    Raises:
        UnsupportedType: the car cannot use a model of this type.
        BadModelPath: a job does not create such a file.
    """
    plan = _plan_files(path, model_type=model_type, runtime=runtime, config=config)
    name = os.path.basename(plan.base)
    is_folder = any(
        model_format != "savedmodel" and os.path.isdir(plan.base + extension)
        for extension, model_format in plan.models
    )
    if is_folder or name.startswith(".") or not (name.isprintable() and 0 < len(name) <= MAX_NAME_CHARS):
        raise BadModelPath(
            f"--model {path} is not the name of a model.", "Pass a name such as models/pilot to --model."
        )
    return plan


def _plan_files(path: str, *, model_type: str, runtime: Runtime, config: Dict[str, Any]) -> ModelPlan:
    donkeycar, version, bare = runtime.donkeycar, runtime.versions["donkeycar"], bare_type(model_type)
    if donkeycar < (3, 0):
        known = TYPES[:2] if donkeycar < (2, 5) else TYPES[:1]
        if model_type not in known:  # including its prefix: donkeycar 2 has no TFLite
            raise _unknown_type(model_type, known, version)
        return ModelPlan(path, [("", "hdf5")])
    if bare not in TYPES:
        raise _unknown_type(model_type, TYPES, version)
    native = _native_formats(donkeycar)
    if config.get("SAVE_MODEL_AS_H5") or runtime.tensorflow is None:
        native = ["h5"] + [model_format for model_format in native if model_format != "h5"]
    base, requested = _split_path(path, native, version)
    lite_first = model_type.startswith("tflite_") or requested == "tflite" or runtime.tensorflow is None
    if lite_first and bare in NO_LITE_TYPES:
        raise UnsupportedType(
            f"A {bare} model cannot be converted to .tflite: TFLite lacks an operation that it needs.",
            "Choose another --type, or end --model with .h5 if the car has TensorFlow.",
        )
    if bare == "memory" and runtime.tensorflow is None and donkeycar < (5, 4):
        raise UnsupportedType(
            f"donkeycar {version} cannot drive a memory model without TensorFlow.",
            "Choose another --type, or install TensorFlow on the car.",
        )
    main = native[0] if requested == "tflite" else requested
    models = [("." + main, main)]
    if config.get("CREATE_TF_LITE", donkeycar >= (4, 0)) or lite_first:
        models.append((".tflite", "tflite"))
    return ModelPlan(base, models[::-1] if lite_first else models)


def _unknown_type(model_type: str, known: Sequence[str], version: str) -> UnsupportedType:
    nearest = difflib.get_close_matches(model_type, known, n=1)
    suggestion = f" Did you mean {nearest[0]}?" if nearest else ""
    return UnsupportedType(
        f"donkeycar {version} cannot train models of type {model_type!r}.{suggestion}",
        f"Choose one of {', '.join(known)} with --type or DEFAULT_MODEL_TYPE.",
    )


def _split_path(path: str, native: List[str], version: str) -> Tuple[str, str]:
    """(path without the extension of a format, that format or the default one)."""
    formats = native + ["tflite"]
    for model_format in formats:
        if path.endswith("." + model_format):
            return path[: -len(model_format) - 1], model_format
    extension = os.path.splitext(path)[1][1:]
    if extension in _NOT_FROM_A_JOB or extension in _KERAS_EXTENSIONS:
        why = _NOT_FROM_A_JOB.get(extension, f"donkeycar {version} could not drive it")
        raise BadModelPath(
            f"A job cannot create {os.path.basename(path)}: {why}.",
            f"End --model with one of .{', .'.join(formats)}, or leave out the extension.",
        )
    return path, native[0]


def _native_formats(donkeycar: Tuple[int, int]) -> List[str]:
    """The formats that this generation's Keras can drive; the one it saves by default comes first."""
    if donkeycar >= (5, 4):
        return ["keras", "h5"]
    if donkeycar >= (5, 0):
        return ["savedmodel", "h5"]
    return ["h5"]
