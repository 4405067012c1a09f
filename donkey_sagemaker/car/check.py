"""The new model on trial: loaded by the car's own donkeycar, driven over the sample pictures.

`check_models` starts this module as a child process, for TensorFlow is large, may crash, and must not stay
in the process that goes on to install the model.
"""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..errors import JobFailed
from .archive import ModelFile

TIME_LIMIT_S = 900  # a Pi 3 needs minutes to import TensorFlow and load a model from its SD card
TOLERANCE = 1e-3
_LAST_WORDS = 2000  # characters of what a dying child printed


class ModelRefused(JobFailed):
    def __init__(self, why: str, archive_path: str) -> None:
        super().__init__(
            "The new model is not installed: {}. The car keeps its old one.".format(why.rstrip(".")),
            "The archive is kept for you to look at: {}".format(archive_path),
        )


class Checked(NamedTuple):
    """How one format fared."""

    form: str
    largest_difference: Optional[float]  # between the trainer's outputs and the car's; None without samples
    ms: float  # of one drive step on this machine, the median


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
    with tempfile.TemporaryDirectory() as folder:
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
        last_words = _run_child(task_path, car_path, archive_path)
        try:
            with open(result_path, encoding="utf-8") as file:
                result = json.load(file)
        except FileNotFoundError as error:
            why = "the check died on this car. Its last words:\n{}\n".format(last_words)
            raise ModelRefused(why, archive_path) from error
    if result["refusal"]:
        raise ModelRefused(result["refusal"], archive_path)
    return [Checked(*checked) for checked in result["checked"]]


def _run_child(task_path: str, car_path: str, archive_path: str) -> str:
    package_parent = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = dict(
        os.environ, PYTHONPATH=package_parent, TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1"
    )
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, task_path],
        cwd=car_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = child.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        why = "the check took over {} minutes on this car".format(TIME_LIMIT_S // 60)
        raise ModelRefused(why, archive_path) from error
    finally:
        child.kill()
        child.wait()
    return output.decode("utf-8", "replace")[-_LAST_WORDS:]


# From here on: the child.


def main(task_path: str) -> None:
    with open(task_path, encoding="utf-8") as file:
        task = json.load(file)
    result: Dict[str, Any] = {"refusal": "", "checked": []}
    for form, path in task["models"]:
        try:
            result["checked"].append(drive_samples(form, path, task))
        except Unlike as error:
            result["refusal"] = "as {} {}".format(form, error)
            break
        except Exception as error:  # noqa: BLE001  (whatever the runtime raises, it is why)
            result["refusal"] = "this car's donkeycar cannot load or drive it as {} ({}: {})".format(
                form, type(error).__name__, error
            )
            break
    with open(task["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)


class Unlike(Exception):
    """The model runs, but not as it was trained."""


def drive_samples(form: str, path: str, task: Dict[str, Any]) -> List[Any]:
    import time

    import numpy as np

    pilot, picture_shape = _make_pilot(form, task)
    pilot.load(path)
    if task["samples"]:
        with np.load(task["samples"], allow_pickle=False) as file:
            samples = dict(file)
    else:
        samples = {"pictures": np.full((2,) + picture_shape, 127, np.uint8)}
    shape = tuple(samples["pictures"].shape[1:])
    if shape != tuple(picture_shape):
        raise Unlike(
            "it takes pictures of {} (height, width, depth), but this car's IMAGE_H, IMAGE_W and IMAGE_DEPTH "
            "make them {}".format(shape, tuple(picture_shape))
        )
    further = [samples[name] for name in sorted(samples) if name.startswith("other_")]
    seconds, differences = [], []
    for step, picture in enumerate(samples["pictures"]):
        started = time.perf_counter()
        commands = pilot.run(picture, *[other[step] for other in further])
        seconds.append(time.perf_counter() - started)
        commands = np.concatenate([np.ravel(command) for command in commands]).astype(np.float64)
        if not np.all(np.isfinite(commands)):
            raise Unlike("it gives {} for a picture".format(commands.tolist()))
        if "outputs" not in samples or not samples["decided"][step]:
            continue
        expected = samples["outputs"][step]
        if commands.shape != expected.shape or np.abs(commands - expected).max() > TOLERANCE:
            raise Unlike(
                "it steers {} on this car for a picture that it steered {} for in training "
                "(does this car's config say the same, e.g. MODEL_CATEGORICAL_MAX_THROTTLE_RANGE "
                "and SEQUENCE_LENGTH?)".format(_round(commands), _round(expected))
            )
        differences.append(float(np.abs(commands - expected).max()))
    return [form, max(differences) if differences else None, float(np.median(seconds)) * 1000]


def _round(commands: Any) -> str:
    return "({})".format(", ".join("{:.4f}".format(command) for command in commands))


def _make_pilot(form: str, task: Dict[str, Any]) -> Any:
    """The pilot that `manage.py drive` would make, and (height, width, depth) of what it is handed."""
    from .config import read_config

    values = read_config(task["car"], myconfig=task["myconfig"]).values
    import importlib.util

    if importlib.util.find_spec("donkeycar.pipeline"):
        from types import SimpleNamespace

        from donkeycar.config import Config
        from donkeycar.utils import get_model_by_type

        config = Config()
        config.from_object(SimpleNamespace(**values))
        pilot = get_model_by_type(("tflite_" if form == "tflite" else "") + task["type"], config)
        return pilot, (values["IMAGE_H"], values["IMAGE_W"], values["IMAGE_DEPTH"])
    from donkeycar.parts import keras as pilots

    pilot = {"categorical": "KerasCategorical", "linear": "KerasLinear"}[task["type"]]
    return getattr(pilots, pilot)(), (120, 160, 3)


if __name__ == "__main__":
    main(sys.argv[1])
