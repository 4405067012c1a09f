"""The form of a training, and the words of the command that it becomes."""

import os
import re
from typing import Dict, List, NamedTuple, Sequence

from ..car.car import Car
from ..car.job import INSTALLED, Plan
from ..car.model_history import find_models
from ..contract import TYPES
from ..errors import BadInput
from ..page import paragraph
from ..training.plan import default_type, max_epochs
from ..ui import format_usd
from .car_reader import FoundTub
from .layout import Forms, choice, heading, number, select

HERE, SSH, AWS = "local", "ssh", "aws"
_OLD_TYPES = ("linear", "categorical")  # of donkeycar 2
_MOST_COMMENT = 200


class BadForm(BadInput):
    def __init__(self, what: str) -> None:
        super().__init__(f"{what}.", "Go back, and choose again.")


class Place(NamedTuple):
    """Where a job can run."""

    name: str  # a backend
    label: str
    note: str


def find_places(car: Car) -> List[Place]:
    """The best one first: where the owner has set up AWS or a host, that one."""
    settings = car.settings
    here = Place(HERE, "This machine", "costs nothing")
    host = [Place(SSH, str(settings.host), "over ssh, costs nothing")] if settings.host else []
    limit = settings.max_cost_usd
    most = f", at most {format_usd(limit)} a job" if limit is not None else ""
    aws = [Place(AWS, "AWS", f"costs money{most}; the next page shows how much")] if settings.bucket else []
    by_name = {place.name: place for place in [*host, *aws, here]}
    first = by_name.get(settings.backend, here)
    return [first] + [place for place in by_name.values() if place != first]


def show_train(car: Car, forms: Forms, tubs: Sequence[FoundTub]) -> List[str]:
    places = find_places(car)
    where = "".join(
        choice("place", place.name, place.label, kind="radio", is_chosen=place is places[0], note=place.note)
        for place in places
    )
    boxes = "".join(
        choice(
            "tub",
            found.key,
            car.display(found.path),
            kind="checkbox",
            is_chosen=True,
            note=f"{found.records} records",
        )
        for found in tubs
    )
    installed = [model.name for model in find_models(car) if model.state == INSTALLED and model.plan]
    bases = [("", "scratch"), *zip(installed, installed)]
    names = [("", "a new name"), *((name, f"the place of {name}") for name in installed)]
    fields = [
        f"<fieldset><legend>Where</legend>{where}</fieldset>",
        f"<fieldset><legend>From these tubs</legend>{boxes}</fieldset>",
        '<button class="main">Start the training</button>',
        "<details><summary>More choices</summary>",
        select("type", "Type of model", [(each, each) for each in _types(car)], chosen=_type(car)),
        select("model", "The new model takes", names, chosen=""),
        number("epochs", f"At most so many epochs (empty: {max_epochs(car)})"),
        select("transfer", "Start from", bases, chosen=""),
        f'<label>Note<input name="comment" maxlength="{_MOST_COMMENT}" autocomplete="off"></label>',
        "</details>",
    ]
    return [
        heading("Train"),
        forms.form("/train", "\n".join(fields)),
        paragraph(
            "A model that has not learned to steer is not installed, and the old one can be brought back."
        ),
    ]


def _type(car: Car) -> str:
    try:
        return default_type(car)
    except BadInput:  # this Python has no donkeycar; the training says so
        return TYPES[0]


def _types(car: Car) -> List[str]:
    try:
        types = _OLD_TYPES if car.runtime.donkeycar < (3, 0) else TYPES
    except BadInput:
        types = TYPES
    return list(dict.fromkeys([_type(car), *types]))


def read_words(car: Car, form: Dict[str, List[str]], tubs: Sequence[FoundTub]) -> List[str]:
    """The command that a filled form asks for; a dry run where it costs money.

    Raises:
        BadForm
    """

    def one(name: str) -> str:
        return (form.get(name) or [""])[0].strip()

    place = one("place")
    if place not in [each.name for each in find_places(car)]:
        raise BadForm("This car cannot train there")
    chosen = [found for found in tubs if found.key in form.get("tub", [])]
    if not chosen:
        raise BadForm("No tub is chosen")
    words = ["train", "--json", "--no-bell", *(f"--tub={found.path}" for found in chosen)]
    words += ["--local"] if place == HERE else ["--set", f"SAGEMAKER_BACKEND={place}"]
    if one("type"):
        if one("type") not in _types(car):
            raise BadForm("There is no such type of model")
        words.append(f"--type={one('type')}")
    if one("epochs"):
        if not re.fullmatch("[1-9][0-9]{0,8}", one("epochs")):
            raise BadForm("The number of epochs is not a number")
        words.append(f"--epochs={one('epochs')}")
    if one("model"):
        words.append(f"--model={_find_installed(car, one('model')).base}")
    if one("transfer"):
        words.append(f"--transfer={_find_keras_file(car, one('transfer'))}")
    if one("comment"):
        words.append(f"--comment={one('comment')[:_MOST_COMMENT]}")
    return words + ["--dry-run"] * (place == AWS)


def _find_installed(car: Car, name: str) -> Plan:
    """
    Raises:
        BadForm
    """
    for model in find_models(car):
        if (model.name, model.state) == (name, INSTALLED) and model.plan:
            return model.plan
    raise BadForm(f"There is no model {name}")


def _find_keras_file(car: Car, name: str) -> str:
    """The path of the model that can be trained further; a .tflite can only drive.

    Raises:
        BadForm
    """
    plan = _find_installed(car, name)
    paths = [plan.base + ending for ending, form in plan.models if form != "tflite"]
    for path in filter(os.path.exists, paths):
        return path
    raise BadForm(f"{name} cannot be trained further")
