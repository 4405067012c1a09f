"""The trained net in the formats that the car reads."""

import os
from typing import Any, List, NamedTuple, Tuple

from donkey_sagemaker.contract import FORMATS
from donkey_sagemaker.errors import JobFailed


class FormatImpossible(JobFailed):
    def __init__(self, form: str, why: str) -> None:
        super().__init__(
            "The model cannot be written as {}: {}.".format(form, why), "Ask for another format."
        )


class Exported(NamedTuple):
    models: List[Tuple[str, str]]  # (file or folder name, format)
    notes: List[str]  # what could not be had, and why


def export(pilot: Any, wanted: List[Tuple[str, str]], folder: str) -> Exported:
    """Writes the net as each (file name, format) into `folder`.

    Raises:
        FormatImpossible: for the first one, which the car is to drive. The others are left out with a note.
    """
    models: List[Tuple[str, str]] = []
    notes: List[str] = []
    for name, form in wanted:
        try:
            write_model(pilot, form, os.path.join(folder, name))
        except FormatImpossible as error:
            if not models:
                raise
            notes.append(error.what)
        else:
            models.append((name, form))
    return Exported(models, notes)


def write_model(pilot: Any, form: str, path: str) -> None:
    if form not in FORMATS:
        raise FormatImpossible(form, "this trainer knows {} only".format(", ".join(FORMATS)))
    if form == "tflite":
        _write_tflite(pilot, path)
        return
    # Keras goes by the ending, while a car of 2018 may call its model anything.
    suffix = ".h5" if form == "hdf5" else "." + form
    part = path + ".part" + suffix
    # donkeycar 2 goes on training from a file with its optimizer; later ones never read it, and it
    # trebles the size.
    keep_optimizer = form == "hdf5"
    if form == "savedmodel":
        pilot.net.save(part, include_optimizer=keep_optimizer, save_format="tf")
    else:
        pilot.net.save(part, include_optimizer=keep_optimizer)
    os.rename(part, path)


def _write_tflite(pilot: Any, path: str) -> None:
    """By donkeycar's own converter, which gives the signature that this generation's cars look for."""
    from donkeycar.parts.interpreter import keras_to_tflite

    try:
        keras_to_tflite(pilot.net, path)
    except Exception as error:  # the converter raises whatever the compiler below it found
        raise FormatImpossible(
            "tflite", "{}: {}".format(type(error).__name__, str(error).splitlines()[0])
        ) from error
    with open(path, "rb") as file:
        needs_tensorflow = b"Flex" in file.read()
    if needs_tensorflow:
        os.remove(path)
        raise FormatImpossible(
            "tflite", "it has operations that only a whole TensorFlow runs, no light runtime"
        )
