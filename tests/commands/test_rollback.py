"""rollback: the previous files of a model, and its entry in the pilot database."""

import contextlib
import json
import pathlib
from typing import Any, Dict, Iterator, List

import pytest

from donkey_sagemaker.car.backups import backup_folder
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.job import INSTALLED, Outcome
from donkey_sagemaker.car.model_swap import NothingToRollBack, install_files
from donkey_sagemaker.car.trained_pictures import digest_model
from donkey_sagemaker.commands.rollback import roll_model_back
from donkey_sagemaker.ui import PlainUi, format_time
from donkey_sagemaker.verdict import Verdict
from job_factory import make_job


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    (tmp_path / "mycar" / "models").mkdir(parents=True)
    (tmp_path / "mycar" / "config.py").write_text("")
    return open_car(str(tmp_path / "mycar"), flags={}, myconfig="myconfig.py")


def install(car: Car, name: str, **files: str) -> None:
    """Puts the files in place, by their endings."""
    source = pathlib.Path(car.state_path("unpacked"))
    source.mkdir(exist_ok=True, parents=True)
    pairs = []
    for ending, content in files.items():
        path = source / (name + "." + ending)
        path.write_text(content)
        pairs.append((str(path), str(pathlib.Path(car.models_path) / path.name)))
    install_files(pairs, backup_folder=car.state_path("previous", name), keep=5)


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
        super().__init__()
        self.printed: List[str] = []

    def print(self, text: str, **style: Any) -> None:
        self.printed.append(text)


def roll_back(car: Car, model: Any = None, *, forward: bool = False) -> List[str]:
    ui = ListUi()
    roll_model_back(car, ui, model=model, forward=forward)
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


@pytest.mark.parametrize(
    "model, what",
    [
        ("pilot", "There is no previous version of pilot to restore."),
        (None, "This car has no previous version of any model to restore."),
    ],
)
def test_nothing_to_roll_back_to(car: Car, model: Any, what: str) -> None:
    """A model that was trained once, and a car that has none."""
    install(car, "pilot", h5="first")
    with pytest.raises(NothingToRollBack) as caught:
        roll_back(car, model)
    assert caught.value.what == what
    assert files(car) == {"pilot.h5": "first"}


def tree(path: str) -> Dict[str, bytes]:
    return {
        str(each.relative_to(path)): each.read_bytes()
        for each in pathlib.Path(path).rglob("*")
        if each.is_file()
    }


@pytest.mark.parametrize(
    "model",
    ["models/", "models", ".", "..", "/", ".h5", "models/.h5", "../..", "models/../..", "~", "a/../.."],
)
def test_a_path_that_is_no_model_changes_nothing(car: Car, model: str) -> None:
    """Neither the backups of all models, nor the ledger, nor anything else."""
    for name in ("a", "b"):
        for content in ("old", "new"):
            install(car, name, h5=content)
    ledger = pathlib.Path(car.state_path("jobs"))
    ledger.mkdir()
    (ledger / "job.json").write_text("{}")
    before = tree(car.path)
    with pytest.raises(NothingToRollBack):
        roll_back(car, model)
    assert tree(car.path) == before


@pytest.mark.parametrize(
    "model", ["models/pilot.savedmodel/", "pilot.savedmodel/", "./models//pilot.savedmodel"]
)
def test_the_slash_that_tab_adds_means_nothing(car: Car, model: str) -> None:
    """The backups of other models stay."""
    for name in ("other", "pilot"):
        for content in ("old", "new"):
            install(car, name, savedmodel=content)
    roll_back(car, model)
    assert files(car) == {"other.savedmodel": "new", "pilot.savedmodel": "old"}
    roll_back(car, "other")
    assert files(car) == {"other.savedmodel": "old", "pilot.savedmodel": "old"}


def test_each_rollback_goes_one_version_further(car: Car) -> None:
    """And forward is the way back; the number of versions that are kept is printed."""
    for number in range(4):
        install(car, "pilot", h5=f"number {number}")
    lines = roll_back(car, "pilot")
    assert lines[-1] == (
        "3 other versions are kept. Undo this with --forward, or go further back with the same command."
    )
    assert files(car) == {"pilot.h5": "number 2"}
    roll_back(car, "pilot")
    assert files(car) == {"pilot.h5": "number 1"}
    roll_back(car, "pilot", forward=True)
    assert files(car) == {"pilot.h5": "number 2"}


TFLITE_CAR = "donkeycar 5.3, tflite-runtime 2.14"


def test_what_comes_back_is_described(car: Car) -> None:
    """When it was trained, how good it is, and how to drive it, in the format that drives fastest."""
    car.settings = car.settings._replace(car=TFLITE_CAR)
    for number in (1, 2):
        install(car, "pilot", h5=f"number {number}", tflite=f"lite {number}")
        job = make_job(
            name=f"job-{number}",
            started=1700000000.0 + number,
            base=car.models_path + "/pilot",
            models=[(".h5", "h5"), (".tflite", "tflite")],
        )
        outcome = Outcome(
            INSTALLED,
            val_loss=number / 100,
            steering_error=number / 10,
            form="tflite",
            verdict=Verdict("good", "It steers.", "Drive it."),
            digests=[digest_model(car.models_path + "/pilot.tflite")],
        )
        car.ledger.write(job, outcome)
    write_database(
        car,
        [
            {"Name": "pilot", "Comment": "new", "Time": 1700000002.0},
            {"Name": "pilot", "Comment": "of donkey train", "Time": 1600000000.0},
            {"Name": "pilot", "Comment": "old", "Time": 1700000001.0},
        ],
    )
    assert roll_back(car) == [
        f"Restored models/pilot: the linear model that was trained on {format_time(1700000001.0)},"
        " validation loss 0.0100, steering off by 0.100, verdict good",
        "Drive it, once it is copied to the car:",
        "  python manage.py drive --model models/pilot.tflite --type tflite_linear",
        "Run the same command again to undo this.",
    ]
    assert read_comments(car) == ["old", "new", "of donkey train"]
    roll_back(car)
    assert read_comments(car) == ["new", "old", "of donkey train"]


def train_in(car: Car, folder: str, content: str, *, backup: Any = None) -> pathlib.Path:
    source = pathlib.Path(car.path, "new.h5")
    source.write_text(content)
    target = pathlib.Path(car.path, folder, "pilot.h5")
    kept = backup or backup_folder(car, str(target))
    install_files([(str(source), str(target))], backup_folder=kept, keep=5)
    return target


def test_models_of_one_name_in_two_folders_have_a_backup_each(car: Car) -> None:
    """Rolling one back does not touch the other."""
    for content in ("old", "new"):
        first, second = (train_in(car, folder, content + folder) for folder in ("models/a", "models/b"))
    third = [train_in(car, "models", content) for content in ("old", "new")][0]
    roll_back(car, "models/a/pilot.h5")
    texts = [path.read_text() for path in (first, second, third)]
    assert texts == ["oldmodels/a", "newmodels/b", "new"]
    roll_back(car, "pilot")
    assert third.read_text() == "old" and second.read_text() == "newmodels/b"


def test_a_backup_of_an_earlier_version_belongs_to_one_folder(car: Car) -> None:
    """It was kept by the model's name alone."""
    backup = car.state_path("previous", "pilot")
    for content in ("old", "new"):
        target = train_in(car, "models/b", content, backup=backup)
    with pytest.raises(NothingToRollBack):
        roll_back(car, "models/a/pilot.h5")
    assert target.read_text() == "new"
    roll_back(car, "models/b/pilot.h5")
    assert target.read_text() == "old"


def test_what_a_swap_did_not_make_is_not_removed(car: Car) -> None:
    """Somebody may keep notes in the backup folder."""
    install(car, "pilot", h5="old")
    install(car, "pilot", h5="new")
    notes = pathlib.Path(car.state_path("previous", "pilot"), "notes.txt")
    notes.write_text("mine")
    roll_back(car, "pilot")
    assert notes.read_text() == "mine"


def test_the_last_changed_model_is_chosen_after_the_wait(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that was waited for may have installed another model meanwhile."""
    for content in ("old", "new"):
        install(car, "first", h5=content)
    lock = car.lock

    @contextlib.contextmanager
    def wait_for_an_install(purpose: str, *, on_wait: Any) -> Iterator[None]:
        for content in ("old", "new"):
            install(car, "second", h5=content)
        with lock(purpose, on_wait=on_wait):
            yield

    monkeypatch.setattr(car, "lock", wait_for_an_install)
    roll_model_back(car, PlainUi(), model=None)
    assert files(car) == {"first.h5": "new", "second.h5": "old"}
