"""The child process of `check`: one model on trial after the other, in the car's own donkeycar."""

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any, Dict, List, Sequence

import numpy as np

from .config import read_config

TOLERANCE = 1e-3


def main(task_path: str) -> None:
    step_back()
    with open(task_path, encoding="utf-8") as file:
        task = json.load(file)
    result: Dict[str, Any] = {"refusal": "", "checked": []}
    for form, path in task["models"]:
        try:
            result["checked"].append(drive_samples(form, path, task))
        except Unlike as error:
            result["refusal"] = f"as {form} {error}"
            break
        except Exception as error:  # noqa: BLE001  (whatever the runtime raises, it is why)
            result["refusal"] = (
                f"this car's donkeycar cannot load or drive it as {form} ({type(error).__name__}: {error})"
            )
            break
    with open(task["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)


class Unlike(Exception):
    """The model runs, but not as it was trained."""


def step_back() -> None:
    """Leaves the machine to whoever drives the car on it: its time, and its memory where that runs out."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(10)
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(ValueError, OSError):  # the owner's own limit is lower, or the system has none
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError):  # not Linux, or a container that may not
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the first that the kernel would end


def drive_samples(form: str, path: str, task: Dict[str, Any]) -> List[Any]:
    """Loads one model, drives it over the samples in their order (some pilots remember), compares."""
    pilot, picture_shape, prepare = _make_pilot(form, task)
    pilot.load(path)
    if task["samples"]:
        with np.load(task["samples"], allow_pickle=False) as file:
            samples = dict(file)
    else:
        samples = {"pictures": np.full((2,) + picture_shape, 127, np.uint8)}
    shape = tuple(samples["pictures"].shape[1:])
    if shape != tuple(picture_shape):
        raise Unlike(
            f"it takes pictures of {shape} (height, width, depth), but this car's IMAGE_H, IMAGE_W and"
            f" IMAGE_DEPTH make them {tuple(picture_shape)}"
        )
    further = [samples[name] for name in sorted(samples) if name.startswith("other_")]
    raw = _listen(pilot)
    seconds, differences, throttles = [], [], []
    for step, picture in enumerate(samples["pictures"]):
        del raw[:]
        started = time.perf_counter()
        commands = _flat(pilot.run(prepare(picture), *[other[step] for other in further]))
        seconds.append(time.perf_counter() - started)
        if not np.all(np.isfinite(commands)):
            raise Unlike(f"it gives {commands.tolist()} for a picture")
        if "outputs" not in samples:
            continue
        difference = _difference(_flat(raw), samples["raw"][step])
        if samples["decided"][step]:
            difference = max(difference, _difference(commands, samples["outputs"][step]))
        differences.append(difference)
        throttles.extend(np.abs(commands[1:2]).tolist())
        if difference > TOLERANCE:
            raise Unlike(
                "it gives {} on this car for a picture that it gave {} for in training".format(
                    _round(commands), _round(samples["outputs"][step])
                )
            )
    return [
        form,
        max(differences) if differences else None,
        float(np.median(seconds)) * 1000,
        max(throttles) if throttles else None,
    ]


def _listen(pilot: Any) -> List[Any]:
    """A list that holds, after each step, what the net itself said: the pilot makes commands of it."""
    raw: List[Any] = []
    if hasattr(pilot, "interpreter_to_output"):
        commands_of = pilot.interpreter_to_output

        def make_commands(outputs: Any) -> Any:
            raw.extend(outputs if isinstance(outputs, list) else [outputs])
            return commands_of(outputs)

        pilot.interpreter_to_output = make_commands
    else:  # donkeycar 2 and 3
        predict_quietly = pilot.model.predict

        def predict(pictures: Any) -> Any:
            outputs = predict_quietly(pictures)
            raw.extend(outputs)
            return outputs

        pilot.model.predict = predict
    return raw


def _flat(values: Sequence[Any]) -> Any:
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)


def _difference(got: Any, expected: Any) -> float:
    if got.shape != expected.shape:
        raise Unlike(f"it has {got.size} outputs on this car, and {expected.size} in training")
    return float(np.abs(got - expected).max())


def _round(commands: Any) -> str:
    return "({})".format(", ".join(f"{command:.4f}" for command in commands))


def _make_pilot(form: str, task: Dict[str, Any]) -> Any:
    """The pilot that `manage.py drive` would make, (height, width, depth) of what the camera gives, and what
    is done to that before the pilot is handed it.
    """
    values = read_config(task["car"], myconfig=task["myconfig"]).values
    has_utils = importlib.util.find_spec("donkeycar.utils")  # 2.5 calls it util
    utils: Any = importlib.import_module("donkeycar.utils") if has_utils else None
    if not hasattr(utils, "get_model_by_type"):  # donkeycar 2
        from donkeycar.parts import keras as pilots

        pilot = {"categorical": "KerasCategorical", "linear": "KerasLinear"}[task["type"]]
        return getattr(pilots, pilot)(), (120, 160, 3), lambda picture: picture
    from donkeycar.config import Config

    config = Config()
    config.from_object(SimpleNamespace(**values))
    pilot = utils.get_model_by_type(("tflite_" if form == "tflite" else "") + task["type"], config)
    shape = (values["IMAGE_H"], values["IMAGE_W"], values["IMAGE_DEPTH"])
    if importlib.util.find_spec("donkeycar.pipeline"):
        return pilot, shape, lambda picture: picture
    return pilot, shape, lambda picture: utils.normalize_and_crop(picture, config)  # donkeycar 3


if __name__ == "__main__":
    main(sys.argv[1])
