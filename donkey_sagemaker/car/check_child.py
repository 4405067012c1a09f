"""The part of `check` in the driving process: one model after the other, with the car's own donkeycar."""

import importlib
import importlib.util
import time
from types import SimpleNamespace
from typing import Any, Dict, List, Sequence

import numpy as np

from .config import read_config

TOLERANCE = 1e-3


def run(task: Dict[str, Any]) -> Dict[str, Any]:
    """
    Returns:
        "checked": the values of `check.Checked` for each model; "rejection": why one of them is no good.
    """
    result: Dict[str, Any] = {"rejection": "", "checked": []}
    for model_format, path in task["models"]:
        try:
            result["checked"].append(drive_samples(model_format, path, task))
        except DifferentOutput as error:
            result["rejection"] = f"the {model_format} model {error}"
            break
        except Exception as error:  # noqa: BLE001  (whatever the runtime raises is the reason)
            result["rejection"] = (
                f"this car's donkeycar cannot load or drive the {model_format} model"
                f" ({type(error).__name__}: {error})"
            )
            break
    return result


class DifferentOutput(Exception):
    """The model runs, but its outputs are not those of the training."""


def drive_samples(model_format: str, path: str, task: Dict[str, Any]) -> List[Any]:
    """Loads one model, drives it over the samples in order (some pilots have a memory), and compares.

    Returns:
        the values of `check.Checked`.
    Raises:
        DifferentOutput
    """
    pilot, picture_shape, prepare = make_pilot(model_format, task)
    pilot.load(path)
    if task["samples"]:
        with np.load(task["samples"], allow_pickle=False) as file:
            samples = dict(file)
    else:
        samples = {"pictures": np.full((2,) + picture_shape, 127, np.uint8)}
    _check_samples(samples)
    shape = tuple(samples["pictures"].shape[1:])
    if shape != tuple(picture_shape):
        raise DifferentOutput(
            f"expects pictures of {shape} (height, width, depth), but this car's IMAGE_H, IMAGE_W and"
            f" IMAGE_DEPTH are {tuple(picture_shape)}"
        )
    other_inputs = [samples[name] for name in sorted(samples) if name.startswith("other_")]
    raw = record_outputs(pilot)
    seconds, differences, throttles = [], [], []
    for step, picture in enumerate(samples["pictures"]):
        del raw[:]
        started = time.perf_counter()
        commands = _flatten(pilot.run(prepare(picture), *[other[step] for other in other_inputs]))
        seconds.append(time.perf_counter() - started)
        if not np.all(np.isfinite(commands)):
            raise DifferentOutput(f"returns {commands.tolist()} for a picture")
        if "outputs" not in samples:
            continue
        difference = _difference(_flatten(raw), samples["raw"][step])
        if samples["decided"][step]:
            difference = max(difference, _difference(commands, samples["outputs"][step]))
        differences.append(difference)
        throttles.extend(np.abs(commands[1:2]).tolist())
        if not difference <= TOLERANCE:  # NaN, too
            raise DifferentOutput(
                f"returns {_round(commands)} on this car for a picture for which it returned"
                f" {_round(samples['outputs'][step])} in training"
            )
    return [
        model_format,
        max(differences) if differences else None,
        float(np.median(seconds)) * 1000,
        max(throttles) if throttles else None,
    ]


def _check_samples(samples: Dict[str, Any]) -> None:
    """
    Raises:
        DifferentOutput: there is nothing to compare with, or it is not finite.
    """
    if not len(samples["pictures"]):
        raise DifferentOutput("comes without sample pictures")
    for name in ("raw", "outputs") if "outputs" in samples else ():
        if len(samples[name]) != len(samples["pictures"]) or not np.all(np.isfinite(samples[name])):
            raise DifferentOutput("comes with samples whose outputs in training are not numbers")


def record_outputs(pilot: Any) -> List[Any]:
    """A list that contains the raw outputs of the net after each step, before the pilot converts them."""
    raw: List[Any] = []
    if hasattr(pilot, "interpreter_to_output"):
        to_commands = pilot.interpreter_to_output

        def record_and_convert(outputs: Any) -> Any:
            raw.extend(outputs if isinstance(outputs, list) else [outputs])
            return to_commands(outputs)

        pilot.interpreter_to_output = record_and_convert
    else:  # donkeycar 2 and 3
        predict = pilot.model.predict

        def predict_and_record(pictures: Any) -> Any:
            outputs = predict(pictures)
            raw.extend(outputs)
            return outputs

        pilot.model.predict = predict_and_record
    return raw


def _flatten(values: Sequence[Any]) -> Any:
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)


def _difference(got: Any, expected: Any) -> float:
    if got.shape != expected.shape:
        raise DifferentOutput(f"has {got.size} outputs on this car, but had {expected.size} in training")
    return float(np.abs(got - expected).max())


def _round(commands: Any) -> str:
    return f"({', '.join(f'{command:.4f}' for command in commands)})"


def make_pilot(model_format: str, task: Dict[str, Any]) -> Any:
    """(the pilot that `manage.py drive` would create, the camera's (height, width, depth), a function that
    prepares a picture for the pilot).
    """
    values = read_config(task["car"], myconfig=task["myconfig"]).values
    has_utils = importlib.util.find_spec("donkeycar.utils")  # named util in 2.5
    utils: Any = importlib.import_module("donkeycar.utils") if has_utils else None
    if not hasattr(utils, "get_model_by_type"):  # donkeycar 2
        from donkeycar.parts import keras as pilots

        pilot = {"categorical": "KerasCategorical", "linear": "KerasLinear"}[task["type"]]
        return getattr(pilots, pilot)(), (120, 160, 3), lambda picture: picture
    from donkeycar.config import Config

    config = Config()
    config.from_object(SimpleNamespace(**values))
    pilot = utils.get_model_by_type(("tflite_" if model_format == "tflite" else "") + task["type"], config)
    shape = (values["IMAGE_H"], values["IMAGE_W"], values["IMAGE_DEPTH"])
    if importlib.util.find_spec("donkeycar.pipeline"):
        return pilot, shape, lambda picture: picture
    return pilot, shape, lambda picture: utils.normalize_and_crop(picture, config)  # donkeycar 3
