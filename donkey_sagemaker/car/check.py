"""The new model on trial: loaded by the car's own donkeycar, driven over the sample pictures.

It runs in a child process (trial.py), for TensorFlow is large, may crash, and must not stay in the process
that goes on to install the model.
"""

import json
import os
import subprocess
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..child_process import module_command
from ..errors import JobFailed
from .archive import ModelFile

TIME_LIMIT_S = 900  # a Pi 3 needs minutes to import TensorFlow and load a model from its SD card
_LAST_WORDS = 500  # characters of the last line that a dying child printed


class ModelRefused(JobFailed):
    def __init__(self, why: str, archive_path: str) -> None:
        super().__init__(
            "The new model is not installed: {}. The car keeps its old one.".format(why.rstrip(".")),
            f"The archive is kept for you to look at: {archive_path}",
        )


# What a pilot of a type is built from, beside its model: the car's config must say what it said in training.
_PICTURE = ("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH")
_BUILT_FROM: Dict[str, Tuple[str, ...]] = {
    "categorical": ("MODEL_CATEGORICAL_MAX_THROTTLE_RANGE",),
    "behavior": ("MODEL_CATEGORICAL_MAX_THROTTLE_RANGE", "BEHAVIOR_LIST"),
    "memory": ("SEQUENCE_LENGTH", "MEM_DEPTH"),
    "rnn": ("SEQUENCE_LENGTH",),
    "3d": ("SEQUENCE_LENGTH",),
    "localizer": ("NUM_LOCATIONS",),
}


class Checked(NamedTuple):
    """How one format fared."""

    form: str
    largest_difference: Optional[float]  # between the trainer's outputs and the car's; None without samples
    ms: float  # of one drive step on this machine, the median
    largest_throttle: Optional[float] = None  # either way, over all samples; None without any


def check_settings(
    trained: Dict[str, Any], config: Dict[str, Any], *, model_type: str, archive_path: str
) -> None:
    """Compares what the pilot is built from: a check that needs nothing that loads a model.

    Args:
        trained: the car's config as it was in training, as JSON has it; a name may be missing.
        config: as it is now.
    Raises:
        ModelRefused: a value has changed since.
    """
    for name in _PICTURE + _BUILT_FROM.get(model_type, ()):
        if name in trained and name in config and not _is_same(trained[name], config[name]):
            raise ModelRefused(
                f"it was trained with {name} = {trained[name]!r}, and this car's config says {name} ="
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
        samples_path: samples.npz of the archive; without it a model must only load and give finite numbers.
    Raises:
        ModelRefused: one of them does not load, or does not say what the trainer expects.
    """
    # Beside the archive, where the next run clears away what a power cut leaves.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(archive_path))) as folder:
        task_path, result_path = os.path.join(folder, "task.json"), os.path.join(folder, "result.json")
        with open(task_path, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "models": [[model.format, os.path.abspath(model.path)] for model in models],
                    "type": model_type,
                    "samples": samples_path and os.path.abspath(samples_path),
                    "car": os.path.abspath(car_path),
                    "myconfig": myconfig,
                    "result": result_path,
                },
                file,
            )
        exit_code, last_words = _run_child(task_path, car_path, archive_path)
        try:
            with open(result_path, encoding="utf-8") as file:
                result = json.load(file)
        except FileNotFoundError as error:
            how = "killed, as where memory runs out" if exit_code == -9 else f"exit code {exit_code}"
            why = "the check died on this car ({}). Its last words: {}".format(how, last_words or "none")
            raise ModelRefused(why, archive_path) from error
    if result["refusal"]:
        raise ModelRefused(result["refusal"], archive_path)
    return [Checked(*checked) for checked in result["checked"]]


def _run_child(task_path: str, car_path: str, archive_path: str) -> Tuple[int, str]:
    """Exit code, and the last line that it printed."""
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1")
    child = subprocess.Popen(
        module_command(__package__ + ".check_child", task_path),
        cwd=car_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = child.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        why = f"the check took over {TIME_LIMIT_S // 60} minutes on this car"
        raise ModelRefused(why, archive_path) from error
    finally:
        child.kill()
        child.wait()
    lines = output.decode("utf-8", "replace").split("\n")
    return child.returncode, next((line.strip() for line in lines[::-1] if line.strip()), "")[:_LAST_WORDS]
