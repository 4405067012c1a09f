"""Two models of this car, compared on validation pictures that neither was trained on."""

import os
import tempfile
from typing import List, NamedTuple, Sequence

from ..car.archive import ModelFile
from ..car.car import Car
from ..car.comparison import Difference, NotCompared, drive
from ..car.driving_process import DrivingProcess
from ..car.job import KEPT_ASIDE
from ..car.model_files import model_name
from ..car.model_history import Model
from ..car.runtime import bare_type
from ..car.validation_pictures import find_validation
from ..contract import FORMATS
from ..errors import BadInput
from ..quality import Comparison
from .judge import choose_drivable

MOST_DIFFERENCES = 12


class NoSuchModel(BadInput):
    def __init__(self, name: str, models: Sequence[Model]) -> None:
        known = ", ".join(dict.fromkeys(model.name for model in models if model.paths))
        super().__init__(
            f"This car has no model {name}.", f"Name two of these: {known}." if known else "Train one first."
        )


class CannotCompare(BadInput):
    def __init__(self, first: Model, second: Model, reason: str) -> None:
        super().__init__(
            f"{first.name} and {second.name} cannot be compared: {reason}.",
            "Train one of them again, or drive both and see.",
        )


class Compared(NamedTuple):
    """How two models steer; the errors of `new` are those that its trainer measured."""

    new: Model
    previous: Model
    comparison: Comparison
    differences: List[Difference]


def find_model(car: Car, models: Sequence[Model], name: str) -> Model:
    """The model that the user means by its name in the list, by its path, or by its job.

    Raises:
        NoSuchModel
    """
    folder, last = os.path.split(car.resolve(name))
    base = os.path.join(folder, model_name(last))
    for model in models:
        bases = (car.resolve(model.name), os.path.join(os.path.abspath(car.models_path), model.name))
        if model.paths and (name == model.job or model.state != KEPT_ASIDE and base in bases):
            return model
    raise NoSuchModel(name, models)


def compare_models(car: Car, first: Model, second: Model) -> Compared:
    """Drives the one whose validation pictures were not kept; of two, the older one.

    Raises:
        CannotCompare
    """
    newest_first = sorted((first, second), key=lambda model: -model.trained)
    found = [
        (new, previous, find_validation(car, new.job))
        for new, previous in (newest_first, newest_first[::-1])
        if new.job and previous.model_type
    ]
    kept = [(new, previous, path) for new, previous, path in found if path]
    if not kept:
        raise CannotCompare(first, second, "the validation pictures of neither were kept")
    new, previous, pictures_path = kept[0]
    files = model_files(previous)
    if not files:
        raise CannotCompare(first, second, f"{previous.name} has no file that can be driven")
    try:
        with tempfile.TemporaryDirectory() as folder, DrivingProcess(car.path) as driving:
            comparison, differences = drive(
                choose_drivable(car, files),
                car,
                model_type=bare_type(previous.model_type),
                pictures_path=pictures_path,
                folder=folder,
                driving=driving,
                most_differences=MOST_DIFFERENCES,
            )
    except NotCompared as error:
        raise CannotCompare(first, second, str(error)) from error
    return Compared(new, previous, comparison, differences)


def model_files(model: Model) -> List[ModelFile]:
    """Those of its files that can be driven, with their formats: as planned, otherwise by their endings."""
    plan = model.plan
    planned = {plan.name + ending: form for ending, form in plan.models} if plan else {}
    files = []
    for path in model.paths:
        name = os.path.basename(path)
        form = planned.get(name, os.path.splitext(name)[1][1:])
        if form in FORMATS:
            files.append(ModelFile(form, path))
    return files
