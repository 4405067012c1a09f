"""The command that drives a model, in the fastest format that this car has tried."""

import shlex
from typing import Optional, Sequence

from .car import Car
from .check import Checked
from .job import Plan
from .runtime import bare_type


def choose_format(car: Car, forms: Sequence[str], checked: Sequence[Checked]) -> str:
    """The format to drive.

    Args:
        forms: of the model's files, the planned one first.
        checked: what was tried on this machine; it says nothing about another car.
    """
    if checked and not car.settings.car:
        return min(checked, key=lambda each: each.ms).format
    runtime = car.runtime
    # On a Pi the .tflite takes a fifth of the time
    if "tflite" in forms and (runtime.machine.startswith(("arm", "aarch64")) or not runtime.loads(forms[0])):
        return "tflite"
    return forms[0]


def drive_command(car: Car, plan: Plan, form: str) -> str:
    """What to type to drive the model of a training."""
    words = ["python", "manage.py", "drive", "--model", car.display(plan.base + ending_for(form, plan))]
    if car.runtime.donkeycar >= (3, 0):
        words += ["--type", ("tflite_" if form == "tflite" else "") + bare_type(plan.model_type)]
    return " ".join(map(shlex.quote, words))


def ending_for(form: str, plan: Plan) -> str:
    """As planned; the only model of another author's image gets exactly the name that was asked for.

    After an epoch the trainer writes HDF5 in place of a SavedModel: a job that was killed leaves that, and
    such a car can drive it.
    """
    endings = {planned: ending for ending, planned in plan.models}
    if form == "h5" and "savedmodel" in endings:
        return ".h5"
    return endings.get(form, plan.models[0][0])


def ms_of(form: Optional[str], checked: Sequence[Checked]) -> Optional[float]:
    """How long this machine takes for a picture in that format; None if it was not tried."""
    return next((each.ms for each in checked if each.format == form), None)
