"""Checks a new model on the car: the car's own donkeycar loads it and drives it over the sample pictures.

This runs in a child process (check_child.py), because TensorFlow is large, may crash, and must not stay in
memory while the model is installed.
"""

import errno
import json
import os
import subprocess
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..child_process import module_command
from ..disk_errors import has_no_room
from ..errors import JobFailed
from .archive import ModelFile

TIME_LIMIT_S = 900  # a Pi 3 needs minutes to import TensorFlow and load a model from its SD card
_LAST_LINE_CHARS = 500  # of the last line that a crashed child printed


class ModelRejected(JobFailed):
    def __init__(self, why: str, archive_path: str) -> None:
        super().__init__(
            f"The new model was not installed: {why.rstrip('.')}. Nothing in the car has changed.",
            f"The archive was kept so that you can inspect it: {archive_path}",
        )


class ChildFailed(Exception):
    """A child process ended without a result, in words."""


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
) -> List[Checked]:
    """Loads and drives each model in a child process with this car's Python.

    Args:
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
    try:
        result = run_child("check_child", task, folder=os.path.dirname(os.path.abspath(archive_path)))
    except ChildFailed as error:
        raise ModelRejected(str(error), archive_path) from error
    if result["rejection"]:
        raise ModelRejected(result["rejection"], archive_path)
    return [Checked(*checked) for checked in result["checked"]]


def run_child(module: str, task: Dict[str, Any], *, folder: str) -> Dict[str, Any]:
    """Runs a module of this package with this Python, in the car's folder.

    Args:
        task: what it has to do, with the car's folder as "car".
        folder: for its files; next to the archive, so that the next run removes them after a power cut.
    Returns:
        what it has written to the path in the task's "result", as JSON.
    Raises:
        ChildFailed
    """
    with tempfile.TemporaryDirectory(dir=folder) as own:
        task_path, result_path = os.path.join(own, "task.json"), os.path.join(own, "result.json")
        with open(task_path, "w", encoding="utf-8") as file:
            json.dump(dict(task, result=result_path), file)
        exit_code, last_line = _run(module, task_path, task["car"])
        try:
            with open(result_path, encoding="utf-8") as file:
                result: Dict[str, Any] = json.load(file)
        except (FileNotFoundError, ValueError) as error:
            if has_no_room(own):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
            how = "killed, probably because memory ran out" if exit_code == -9 else f"exit code {exit_code}"
            raise ChildFailed(
                f"the check crashed on this car ({how}). The last line it printed: {last_line or 'none'}"
            ) from error
    return result


def _run(module: str, task_path: str, car_path: str) -> Tuple[int, str]:
    """(exit code, the last line that it printed)."""
    # A model file is not trusted: what loads it has none of the owner's keys.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.update(TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1")
    child = subprocess.Popen(
        module_command(f"{__package__}.{module}", task_path),
        cwd=car_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = child.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"the check took more than {TIME_LIMIT_S // 60} minutes on this car") from error
    finally:
        child.kill()
        child.wait()
    lines = output.decode("utf-8", "replace").split("\n")
    last_line = next((line.strip() for line in lines[::-1] if line.strip()), "")
    return child.returncode, last_line[:_LAST_LINE_CHARS]
