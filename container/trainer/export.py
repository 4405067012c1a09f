"""Writes the trained net in the formats that cars read."""

import gc
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from donkey_sagemaker.atomic import write_bytes
from donkey_sagemaker.contract import FORMATS, NO_LITE_TYPES
from donkey_sagemaker.errors import JobFailed

from .keras_files import make_hdf5, make_keras
from .lite_file import make_tflite, needed_runtime
from .net import UnknownLayer, describe_net
from .pilot import Pilot
from .saved_model import write_saved_model
from .tensorflow_versions import IS_TENSORFLOW_1, VERSION, find_keras_2

CONVERTER_CHARS = 200  # of the converter's message, of which one line may list every operation of the net


class FormatImpossible(JobFailed):
    def __init__(self, form: str, why: str) -> None:
        super().__init__(
            f"The model cannot be written as {form}: {why}.",
            "Train in another environment (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON). If the car has TensorFlow, "
            "--model may also end with .h5, which every environment can write.",
        )


class Exported(NamedTuple):
    models: List[Tuple[str, str]]  # (file or folder name, format)
    notes: List[str]  # which formats are missing, and why


def check_format(form: str, *, model_type: str) -> None:
    """Checks before the training whether this environment can write the format after it.

    Raises:
        FormatImpossible
    """
    why = _find_obstacle(form, model_type)
    if why:
        raise FormatImpossible(form, why)


def _find_obstacle(form: str, model_type: str) -> Optional[str]:
    if form not in FORMATS:
        return f"this trainer can only write {', '.join(FORMATS)}"
    if form == "tflite" and model_type in NO_LITE_TYPES:
        return f"light runtimes lack an operation that {model_type} nets need"
    if form in ("tflite", "savedmodel"):
        if IS_TENSORFLOW_1:
            return f"TensorFlow {VERSION} in the training environment is too old for it"
        if form == "savedmodel" and find_keras_2() is None:
            return "that needs tf-keras, and the training environment has only Keras 3"
    return None


def export(
    pilot: Pilot,
    wanted: List[Tuple[str, str]],
    folder: str,
    *,
    model_type: str,
    car_versions: Dict[str, str],
) -> Exported:
    """Writes the net as each (file name, format) into `folder`.

    Args:
        car_versions: versions of the car's packages, by distribution name.
    Raises:
        FormatImpossible: for the first format, which the car will drive. If another one is impossible, a note
            says so.
    """
    models: List[Tuple[str, str]] = []
    notes: List[str] = []
    for name, form in wanted:
        try:
            check_format(form, model_type=model_type)
            write_model(pilot, form, os.path.join(folder, name), car_versions=car_versions)
        except FormatImpossible as error:
            if not models:
                raise
            notes.append(error.what)
        else:
            models.append((name, form))
        if form in ("tflite", "savedmodel"):
            gc.collect()  # TensorFlow's graphs are cycles that keep the converters' memory
    return Exported(models, notes)


def write_model(pilot: Pilot, form: str, path: str, *, car_versions: Dict[str, str]) -> None:
    """Writes the file or folder completely or not at all."""
    if form == "savedmodel":
        write_saved_model(pilot.net, path)
        return
    if form == "tflite":
        content = _make_tflite(pilot.net, car_versions)
    else:
        try:
            net = describe_net(pilot.net)
        except UnknownLayer:
            _leave_to_keras(pilot.net, form, path)
            return
        if form == "keras":
            content = make_keras(net)
        else:  # donkeycar 2 trains the very file further that it drives
            content = make_hdf5(net, training=pilot.training_config if form == "hdf5" else None)
    write_bytes(path, content, only_writer=True)


def _make_tflite(model: Any, car_versions: Dict[str, str]) -> bytes:
    try:
        content = make_tflite(model)
    except Exception as error:  # the converter passes on any error of its compiler
        why = str(error).split("\n")[0][:CONVERTER_CHARS]
        raise FormatImpossible("tflite", f"{type(error).__name__}: {why}") from error
    needs = needed_runtime(content)
    for name in ("tflite-runtime", "tensorflow"):  # ai-edge-litert is newer than every operation in our nets
        has = car_versions.get(name)
        if has and needs[:2] > tuple(int(part) for part in has.split(".")[:2]):
            needed = ".".join(map(str, needs))
            raise FormatImpossible("tflite", f"it needs {name} {needed}, and the car has {has}")
    return content


def _leave_to_keras(model: Any, form: str, path: str) -> None:
    """Lets Keras write an owner's own net. The car's donkeycar trains here, so the car has the same Keras.

    Keras chooses the format by the name's ending.
    """
    part = path + ".part." + ("keras" if form == "keras" else "h5")
    model.save(part, include_optimizer=form == "hdf5")
    os.replace(part, path)
