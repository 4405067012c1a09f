"""Compares a new model with the one that it would replace: both steer on the same validation pictures.

The trainer has driven the new model; the previous one is driven here, by the car's own donkeycar in a child
process (compare_child.py). Whatever goes wrong there says nothing about the new model.
"""

import os

from .archive import Artifact, ModelFile
from .car import Car
from .check import ChildFailed, run_child
from .quality import Comparison, read_comparison
from .trained_pictures import find_trained


class NotCompared(Exception):
    """Why the two models cannot be compared."""


def compare_with(
    previous: ModelFile, car: Car, artifact: Artifact, *, model_type: str, archive_path: str
) -> Comparison:
    """
    Raises:
        NotCompared
    """
    if artifact.name is None or not artifact.validation:
        raise NotCompared("the image that trained the new one leaves no validation pictures")
    pictures_path, samples_path = artifact.path_of("validation"), artifact.path_of("samples")
    if pictures_path is None or samples_path is None:
        raise NotCompared(
            f"a {model_type} model also sees its own last commands, which no validation picture has"
            if model_type == "memory"
            else "the archive contains no validation pictures"
        )
    try:
        trained_path = find_trained(car, previous.path)
    except OSError as error:
        raise NotCompared(f"it cannot be read: {error.strerror}") from error
    task = {
        "format": previous.format,
        "path": os.path.abspath(previous.path),
        "type": model_type,
        "validation": os.path.abspath(pictures_path),
        "samples": os.path.abspath(samples_path),
        "trained": trained_path,
        "car": os.path.abspath(car.path),
        "myconfig": car.myconfig,
    }
    try:
        result = run_child("compare_child", task, folder=os.path.dirname(os.path.abspath(archive_path)))
    except ChildFailed as error:
        raise NotCompared(str(error)) from error
    if "reason" in result:
        raise NotCompared(result["reason"])
    return read_comparison(result, is_fair=trained_path is not None)
