"""Compares a new model with another one, on the same validation pictures.

The trainer has driven the new model; the previous one is driven here, by the car's own donkeycar in another
process (compare_child.py). Whatever goes wrong there says nothing about the new model.
"""

import base64
import os
from typing import List, NamedTuple, Optional, Tuple

from ..quality import Comparison, read_comparison
from .archive import Artifact, ModelFile
from .car import Car
from .driving_process import ChildFailed, DrivingProcess
from .trained_pictures import find_trained


class NotCompared(Exception):
    """Why the two models cannot be compared."""


class Difference(NamedTuple):
    """A picture with what the driver and both models steer on it."""

    number: int  # among the validation pictures, in the order they were driven
    driven: float
    new: float
    previous: float
    jpeg: bytes


def compare_with(
    previous: ModelFile,
    car: Car,
    artifact: Artifact,
    *,
    model_type: str,
    archive_path: str,
    driving: DrivingProcess,
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
    comparison, _differences = drive(
        previous,
        car,
        model_type=model_type,
        pictures_path=pictures_path,
        samples_path=samples_path,
        folder=os.path.dirname(os.path.abspath(archive_path)),
        driving=driving,
    )
    return comparison


def drive(
    previous: ModelFile,
    car: Car,
    *,
    model_type: str,
    pictures_path: str,
    samples_path: Optional[str] = None,
    folder: str,
    driving: DrivingProcess,
    most_differences: int = 0,
) -> Tuple[Comparison, List[Difference]]:
    """Drives a model on the validation pictures of another one, which is called the new one.

    Args:
        model_type: of the model that is driven.
        samples_path: of the new model, which must have as many outputs; None if that does not matter.
        folder: for the files of the task.
        most_differences: how many pictures to return, those where the two differ most.
    Raises:
        NotCompared
    """
    try:
        trained_path = find_trained(car, previous.path)
    except OSError as error:
        raise NotCompared(f"it cannot be read: {error.strerror}") from error
    task = {
        "format": previous.format,
        "path": os.path.abspath(previous.path),
        "type": model_type,
        "validation": os.path.abspath(pictures_path),
        "samples": samples_path and os.path.abspath(samples_path),
        "trained": trained_path,
        "most_differences": most_differences,
        "car": os.path.abspath(car.path),
        "myconfig": car.myconfig,
    }
    try:
        result = driving.run("compare_child", task, folder=folder)
    except ChildFailed as error:
        raise NotCompared(str(error)) from error
    if "reason" in result:
        raise NotCompared(result["reason"])
    differences = [
        Difference(**dict(each, jpeg=base64.b64decode(each["jpeg"]))) for each in result["differences"]
    ]
    return read_comparison(result, is_fair=trained_path is not None), differences
