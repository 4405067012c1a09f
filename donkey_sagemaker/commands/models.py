"""sagemaker-models: one page of all models of this car."""

import argparse
import os

from .. import atomic
from ..car.car import Car
from ..car.model_history import find_models
from ..car.models_page import PAGE_NAME, make_models_page
from ..errors import BadInput
from ..ui import PlainUi, make_ui
from ._options import add_car_options, open_the_car

HELP = "Writes a page that compares all models of this car, models/index.html."


class NoModels(BadInput):
    def __init__(self, models_path: str) -> None:
        super().__init__(
            f"There is no model with a history in {models_path}.",
            "Train one: `python manage.py sagemaker-train`.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    show_models(open_the_car(arguments, car_path), make_ui())
    return 0


def show_models(car: Car, ui: PlainUi) -> None:
    """Writes the page and prints where it is.

    Raises:
        NoModels
    """
    models = find_models(car)
    if not models:
        raise NoModels(car.display(car.models_path))
    path = os.path.join(car.models_path, PAGE_NAME)
    atomic.write_text(path, make_models_page(car.name, models, files=os.listdir(car.models_path)))
    count = "1 model" if len(models) == 1 else f"{len(models)} models"
    ui.print(f"{count}: {car.display(path)}")
