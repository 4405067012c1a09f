"""rollback: the previous files of a model, and its entry in the pilot database."""

import json
import pathlib
from typing import Any, Dict, List

import pytest

from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.model_swap import NothingToRollBack, install_files
from donkey_sagemaker.commands.rollback import roll_model_back
from donkey_sagemaker.ui import PlainUi


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    (tmp_path / "mycar" / "models").mkdir(parents=True)
    (tmp_path / "mycar" / "config.py").write_text("")
    return open_car(str(tmp_path / "mycar"), flags={}, myconfig="myconfig.py")


def install(car: Car, name: str, **files: str) -> None:
    """Puts the files in place, by their endings."""
    source = pathlib.Path(car.state_path("unpacked"))
    source.mkdir(exist_ok=True)
    pairs = []
    for ending, content in files.items():
        path = source / (name + "." + ending)
        path.write_text(content)
        pairs.append((str(path), str(pathlib.Path(car.models_path) / path.name)))
    install_files(pairs, backup_folder=car.state_path("previous", name))


def files(car: Car) -> Dict[str, str]:
    paths = pathlib.Path(car.models_path).iterdir()
    return {path.name: path.read_text() for path in paths if path.suffix != ".json"}


def write_database(car: Car, entries: List[Dict[str, Any]]) -> None:
    with open(car.database_path, "w") as file:
        json.dump(entries, file)


def read_comments(car: Car) -> List[str]:
    with open(car.database_path) as file:
        return [entry["Comment"] for entry in json.load(file)]


class ListUi(PlainUi):
    def __init__(self) -> None:
        self.printed: List[str] = []

    def print(self, text: str) -> None:
        self.printed.append(text)


def roll_back(car: Car, model: Any = None) -> List[str]:
    ui = ListUi()
    roll_model_back(car, ui, model=model)
    return ui.printed


@pytest.mark.parametrize("model", ["models/pilot.h5", "pilot", "pilot.tflite", None])
def test_the_previous_model_is_restored_and_that_is_undone(car: Car, model: Any) -> None:
    """Every file of the set, and the database's order with it; the second call undoes the first."""
    old = {"h5": "old", "tflite": "old lite", "png": "old plot"}
    install(car, "pilot", **old)
    install(car, "pilot", h5="new", png="new plot")
    write_database(
        car,
        [
            {"Name": "other", "Comment": "other"},
            {"Name": "pilot", "Comment": "new"},
            {"Name": "pilot", "Comment": "old"},
        ],
    )
    assert roll_back(car, model) == [
        "Restored models/pilot.h5, models/pilot.png, models/pilot.tflite",
        "Run the same command again to undo this.",
    ]
    assert files(car) == {"pilot." + ending: content for ending, content in old.items()}
    assert read_comments(car) == ["other", "old", "new"]
    roll_back(car, model)
    assert files(car) == {"pilot.h5": "new", "pilot.png": "new plot"}
    assert read_comments(car) == ["other", "new", "old"]


def test_without_a_name_it_is_the_model_that_changed_last(car: Car) -> None:
    """Two models were trained twice: the later one is rolled back."""
    for name in ("a", "b"):
        for content in ("old", "new"):
            install(car, name, h5=content)
    roll_back(car)
    assert files(car) == {"a.h5": "new", "b.h5": "old"}
    roll_back(car, "a")
    roll_back(car)
    assert files(car) == {"a.h5": "new", "b.h5": "old"}


def test_a_database_with_an_entry_for_one_of_the_two(car: Car) -> None:
    """The existing entry stays, with a warning that it belongs to the other model."""
    install(car, "pilot", h5="old")
    install(car, "pilot", h5="new")
    write_database(car, [{"Name": "pilot", "Comment": "new"}])
    assert roll_back(car)[1] == (
        "Warning: models/database.json has an entry only for the other model of that name"
    )
    assert read_comments(car) == ["new"]


@pytest.mark.parametrize("model, folder", [("pilot", "previous/pilot"), (None, "previous")])
def test_nothing_to_roll_back_to(car: Car, model: Any, folder: str) -> None:
    """A model that was trained once, and a car that has none."""
    install(car, "pilot", h5="first")
    with pytest.raises(NothingToRollBack) as caught:
        roll_back(car, model)
    assert caught.value.what == "There is no previous model in {}.".format(car.state_path(*folder.split("/")))
    assert files(car) == {"pilot.h5": "first"}
