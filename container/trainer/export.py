"""The trained net in the formats that the car reads."""

import gc
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import tensorflow

from donkey_sagemaker.contract import FORMATS, NO_LITE_TYPES
from donkey_sagemaker.errors import JobFailed

from .atomic import written_whole
from .keras_files import make_hdf5, make_keras
from .lite_file import make_tflite, needed_runtime
from .net import UnknownLayer, describe_net
from .saved_model import keras_2, write_saved_model

CONVERTER_CHARS = 200  # of what the converter says: a line of it may name every operation around


class FormatImpossible(JobFailed):
    def __init__(self, form: str, why: str) -> None:
        super().__init__(
            f"The model cannot be written as {form}: {why}.",
            "Train in another environment (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON), or end --model with .h5, "
            "which every environment writes, where the car has TensorFlow.",
        )


class Exported(NamedTuple):
    models: List[Tuple[str, str]]  # (file or folder name, format)
    notes: List[str]  # what could not be had, and why


def check_format(form: str, *, model_type: str) -> None:
    """Finds before the training what could only fail after it.

    Raises:
        FormatImpossible
    """
    why = _find_obstacle(form, model_type)
    if why:
        raise FormatImpossible(form, why)


def _find_obstacle(form: str, model_type: str) -> Optional[str]:
    if form not in FORMATS:
        return "this trainer knows {} only".format(", ".join(FORMATS))
    if form == "tflite" and model_type in NO_LITE_TYPES:
        return f"light runtimes have no operation for what a {model_type} net does"
    if form in ("tflite", "savedmodel"):
        if tensorflow.__version__.startswith("1."):
            return f"the training environment has TensorFlow {tensorflow.__version__}, too old for that"
        if form == "savedmodel" and keras_2() is None:
            return "the training environment has Keras 3 alone, and tf-keras would write that"
    return None


def export(
    pilot: Any,
    wanted: List[Tuple[str, str]],
    folder: str,
    *,
    model_type: str,
    car_versions: Dict[str, str],
) -> Exported:
    """Writes the net as each (file name, format) into `folder`.

    Args:
        car_versions: what the car runs, by distribution name.
    Raises:
        FormatImpossible: for the first one, which the car is to drive. The others are left out with a note.
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
            gc.collect()  # TensorFlow's graphs hang in cycles, with all that the converters took
    return Exported(models, notes)


def write_model(pilot: Any, form: str, path: str, *, car_versions: Dict[str, str]) -> None:
    """Writes the file or folder whole or not at all."""
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
        else:  # donkeycar 2 goes on training from the file that it drives
            content = make_hdf5(net, training=pilot.training_config if form == "hdf5" else None)
    with written_whole(path) as file:
        file.write(content)


def _make_tflite(model: Any, car_versions: Dict[str, str]) -> bytes:
    try:
        content = make_tflite(model)
    except Exception as error:  # the converter raises whatever the compiler below it found
        why = str(error).split("\n")[0][:CONVERTER_CHARS]
        raise FormatImpossible("tflite", f"{type(error).__name__}: {why}") from error
    needs = needed_runtime(content)
    for name in ("tflite-runtime", "tensorflow"):  # ai-edge-litert is younger than all operations that we use
        has = car_versions.get(name)
        if has and needs[:2] > tuple(int(part) for part in has.split(".")[:2]):
            needed = ".".join(map(str, needs))
            raise FormatImpossible("tflite", f"it needs {name} {needed}, and the car has {has}")
    return content


def _leave_to_keras(model: Any, form: str, path: str) -> None:
    """An owner's own net: its donkeycar trains here, so the car's Keras is ours. It goes by the ending."""
    part = path + ".part." + ("keras" if form == "keras" else "h5")
    model.save(part, include_optimizer=form == "hdf5")
    os.replace(part, path)
