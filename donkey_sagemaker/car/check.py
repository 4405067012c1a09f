"""Checks a new model on the car: the car's own donkeycar loads it and drives it over the sample pictures.

This runs in another process (check_child.py).
"""

import contextlib
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import JobFailed
from .archive import ModelFile
from .driving_process import ChildFailed, DrivingProcess


class ModelRejected(JobFailed):
    def __init__(self, why: str, archive_path: str) -> None:
        super().__init__(
            f"The new model was not installed: {why.rstrip('.')}. Nothing in the car has changed.",
            f"The archive was kept so that you can inspect it: {archive_path}",
        )


# The settings that a pilot is built from. They must have the same values in the car's config as in training.
_PICTURE = ("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH")
_BUILT_FROM: Dict[str, Tuple[str, ...]] = {
    "categorical": ("MODEL_CATEGORICAL_MAX_THROTTLE_RANGE",),
    "behavior": ("MODEL_CATEGORICAL_MAX_THROTTLE_RANGE", "BEHAVIOR_LIST"),
    "memory": ("SEQUENCE_LENGTH", "MEM_DEPTH"),
    "rnn": ("SEQUENCE_LENGTH",),
    "3d": ("SEQUENCE_LENGTH",),
    "localizer": ("NUM_LOCATIONS",),
}
NAMES_OF_PILOTS = frozenset(_PICTURE).union(*_BUILT_FROM.values())


class Checked(NamedTuple):
    """The result of the check for one format."""

    format: str
    largest_difference: Optional[float]  # between the outputs in training and here; None without samples
    ms: float  # median time of one drive step on this machine
    largest_throttle: Optional[float] = None  # in either direction, over all samples; None without samples


def check_settings(
    trained: Dict[str, Any], config: Dict[str, Any], *, model_type: str, archive_path: str
) -> None:
    """Compares the settings that the pilot is built from. This does not need to load a model.

    Args:
        trained: the car's config during training, as read from JSON; names may be missing.
        config: the current config.
    Raises:
        ModelRejected: a value has changed since the training.
    """
    for name in _PICTURE + _BUILT_FROM.get(model_type, ()):
        if name in trained and name in config and not _is_same(trained[name], config[name]):
            raise ModelRejected(
                f"it was trained with {name} = {trained[name]!r}, but this car's config has {name} ="
                f" {config[name]!r}",
                archive_path,
            )


def _is_same(trained: Any, value: Any) -> bool:
    return bool(trained == (list(value) if isinstance(value, tuple) else value))


def check_models(
    models: Sequence[ModelFile],
    *,
    model_type: str,
    samples_path: Optional[str],
    archive_path: str,
    car_path: str,
    myconfig: str,
    driving: Optional[DrivingProcess] = None,
) -> List[Checked]:
    """Loads and drives each model with this car's Python.

    Args:
        driving: the process for it; None starts one.
        samples_path: samples.npz of the archive; without it a model only has to return finite numbers.
    Raises:
        ModelRejected: one of them does not load, or its outputs are not those of the training.
    """
    task = {
        "models": [[model.format, os.path.abspath(model.path)] for model in models],
        "type": model_type,
        "samples": samples_path and os.path.abspath(samples_path),
        "car": os.path.abspath(car_path),
        "myconfig": myconfig,
    }
    with contextlib.ExitStack() as context:
        driving = driving or context.enter_context(DrivingProcess(car_path))
        try:
            result = driving.run("check_child", task, folder=os.path.dirname(os.path.abspath(archive_path)))
        except ChildFailed as error:
            raise ModelRejected(str(error), archive_path) from error
    if result["rejection"]:
        raise ModelRejected(result["rejection"], archive_path)
    return [Checked(*checked) for checked in result["checked"]]
