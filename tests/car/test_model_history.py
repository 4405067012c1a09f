"""The trainings of a car, and what has become of their models."""

import json
import math
from pathlib import Path
from typing import Any, Dict, List

import pytest

from donkey_sagemaker.car.backups import backup_folder
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.job import FAILED, INSTALLED, KEPT_ASIDE, Bill, Outcome
from donkey_sagemaker.car.model_history import KEPT, REPLACED, find_job_of, find_models
from donkey_sagemaker.car.model_swap import install_files, roll_back
from donkey_sagemaker.car.trained_pictures import digest_model
from donkey_sagemaker.verdict import GOOD, Verdict
from job_factory import make_job

EVIL = "<script>x</script>"
GOOD_VERDICT = Verdict(GOOD, "It steers.", "Drive it.")


@pytest.fixture
def car(tmp_path: Path) -> Car:
    (tmp_path / "config.py").write_text("")
    (tmp_path / "models").mkdir()
    return open_car(str(tmp_path), flags={}, myconfig="myconfig.py")


def write(car: Car, name: str, value: Any) -> None:
    path = Path(car.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def train(car: Car, number: int, *, name: str = "pilot", keep: int = 5, folder: str = "") -> None:
    """A training whose model is installed; its content is its number."""
    target = Path(folder or car.models_path, name + ".h5")
    source = Path(car.state_path("source"))
    source.mkdir(parents=True, exist_ok=True)
    contents = {
        ".h5": f"model {number} of {name}",
        ".history.json": json.dumps({"val_loss": [0.5, number / 100]}),
    }
    pairs = []
    for ending, content in contents.items():
        (source / (name + ending)).write_text(content)
        pairs.append((str(source / (name + ending)), str(target.parent / (name + ending))))
    install_files(pairs, backup_folder=backup_folder(car, str(target)), keep=keep)
    job = make_job(
        name=f"job-{name}-{number}",
        base=str(target.parent / name),
        models=[(".h5", "h5")],
        started=1700000000.0 + number,
        records=1000 * number,
        tubs=[car.path + "/data", "/elsewhere/tub"],
    )
    outcome = Outcome(
        INSTALLED,
        Bill(cost_usd=0.015),
        val_loss=number / 100,
        epochs=2,
        steering_error=number / 10,
        ms=8.0,
        form="h5",
        verdict=GOOD_VERDICT,
        digests=[digest_model(str(target))],
    )
    car.ledger.write(job, outcome)


def states(car: Car) -> List[Any]:
    return [(model.job, model.name, model.state) for model in find_models(car)]


def test_a_model_that_is_trained_again_keeps_its_rows(car: Car) -> None:
    """One row for each: the installed one, one that a rollback brings back, and one that is gone."""
    for number in (1, 2, 3):
        train(car, number, keep=1)
    assert states(car) == [
        ("job-pilot-3", "pilot", INSTALLED),
        ("job-pilot-2", "pilot~1", KEPT),
        ("job-pilot-1", "pilot", REPLACED),
    ]


def test_what_is_known_about_a_training(car: Car) -> None:
    """From the ledger, and the losses from the history beside the model, also of one that was replaced."""
    for number in (1, 2):
        train(car, number)
    newest, older = find_models(car)
    assert (newest.trained, newest.model_type, newest.records, newest.epochs) == (
        1700000002.0,
        "linear",
        2000,
        2,
    )
    assert (newest.best, newest.steering_error, newest.ms, newest.cost_usd) == (0.02, 0.2, 8.0, 0.015)
    assert newest.verdict == GOOD_VERDICT and newest.form == "h5"
    assert newest.tubs == ["data", "/elsewhere/tub"] and newest.comment == "wet"
    assert (newest.val_loss, older.val_loss) == ([0.5, 0.02], [0.5, 0.01])


def test_after_a_rollback_the_rows_follow(car: Car) -> None:
    """A model is recognized by its content."""
    for number in (1, 2, 3):
        train(car, number)
    roll_back(backup_folder(car, car.models_path + "/pilot"))
    assert states(car) == [
        ("job-pilot-3", "pilot~2", KEPT),
        ("job-pilot-2", "pilot", INSTALLED),
        ("job-pilot-1", "pilot~1", KEPT),
    ]
    entry = find_job_of(car, [car.models_path + "/pilot.h5", car.models_path + "/missing.h5"])
    assert entry and entry.job.name == "job-pilot-2"


def test_a_model_that_somebody_else_has_written(car: Car) -> None:
    """No training of this car has made it."""
    train(car, 1)
    Path(car.models_path, "pilot.h5").write_text("trained by its owner")
    assert states(car) == [("job-pilot-1", "pilot", REPLACED)]
    assert find_job_of(car, [car.models_path + "/pilot.h5"]) is None


def test_models_of_one_name_in_two_folders(car: Car) -> None:
    """Each has its folder in its name."""
    train(car, 1)
    train(car, 2, folder=car.path + "/models/wet")
    assert states(car) == [
        ("job-pilot-2", "models/wet/pilot", INSTALLED),
        ("job-pilot-1", "pilot", INSTALLED),
    ]


def test_other_ends_of_a_training(car: Car) -> None:
    """A model that was kept aside has a row, a job without a model has none."""
    train(car, 1)
    base = car.models_path + "/pilot"
    car.ledger.write(make_job(name="job-2", base=base, started=1.8e9), Outcome(KEPT_ASIDE, val_loss=0.5))
    car.ledger.write(make_job(name="job-3", base=base, started=1.8e9), Outcome(FAILED))
    car.ledger.write(make_job(name="job-4", base=base, started=1.8e9))
    write(car, "kept_aside/job-2/unpacked/history.json", {"val_loss": [0.6, 0.5]})
    assert states(car) == [("job-2", "pilot", KEPT_ASIDE), ("job-pilot-1", "pilot", INSTALLED)]
    kept = find_models(car)[0]
    assert kept.best == 0.5 and [Path(path).name for path in kept.paths] == ["history.json"]


def test_a_ledger_of_an_earlier_version(car: Car) -> None:
    """It has no digests: the newest training is taken for the installed one."""
    for number in (1, 2):
        train(car, number)
        entry = car.ledger.read(f"job-pilot-{number}")
        assert entry.outcome
        car.ledger.write(entry.job, entry.outcome._replace(digests=[], steering_error=None, verdict=None))
    assert states(car) == [("job-pilot-2", "pilot", INSTALLED), ("job-pilot-1", "pilot", REPLACED)]
    assert math.isnan(find_models(car)[0].steering_error)


def entry(name: Any, **more: Any) -> Any:
    known: Dict[str, Any] = {
        "Name": name,
        "Type": "linear",
        "Tubs": "data",
        "Time": 1600000000.0,
        "Comment": None,
    }
    known.update({"History": {"val_loss": [0.4, 0.2]}, "Transfer": None})
    return dict(known, **more)


def test_models_come_from_every_source(car: Car) -> None:
    """The ledger, the pilot database, and the history of a model that neither knows."""
    train(car, 1)
    older = entry("a", Type="older", Time=1500000000.0)
    ours = entry("pilot", Time=1700000001.0, History={"val_loss": [0.9, 0.8]})
    write(
        car, "models/database.json", [entry("a", Comment="dry"), older, entry("no history", History={}), ours]
    )
    write(car, "models/a.h5", "")
    write(car, "models/b.history.json", {"val_loss": [0.3, 0.1]})
    b, pilot, a, before = find_models(car)
    assert (b.name, b.val_loss, b.state) == ("b", [0.3, 0.1], INSTALLED)
    assert (pilot.job, pilot.val_loss) == ("job-pilot-1", [0.9, 0.8])
    assert (a.name, a.state, a.best, a.epochs, a.tubs, a.comment) == ("a", INSTALLED, 0.2, 2, ["data"], "dry")
    assert (before.name, before.state, before.model_type) == ("a", REPLACED, "older")


@pytest.mark.parametrize(
    "odd",
    [
        {"Name": None, "History": None},
        {"Name": ["x"], "History": {"val_loss": "abc"}},
        {"Name": "../../x", "History": {"val_loss": [None, {}, "1"]}},
        {"Name": "x", "History": {"val_loss": [True, 1e999]}, "Time": "yesterday"},
        {"Name": "x", "History": {"val_loss": [math.nan, 0.5]}, "Time": 1e300, "Tubs": 7, "Comment": EVIL},
        {"Name": ["x"], "History": {"val_loss": [0.5]}, "Time": [1]},
    ],
)
def test_what_others_wrote_is_used_as_far_as_possible(car: Car, odd: Any) -> None:
    """The database is read by donkeycar and by people; nothing in it stops the list."""
    write(car, "models/database.json", [entry("a"), odd])
    write(car, "models/x.history.json", ["nothing"])
    train(car, 1)
    assert {"a", "pilot"} <= {model.name for model in find_models(car)}


def test_a_damaged_backup(car: Car) -> None:
    """Rolling back reports it; the list does without."""
    for number in (1, 2):
        train(car, number)
    Path(backup_folder(car, car.models_path + "/pilot"), "previous.json").write_text("{}")
    assert states(car) == [("job-pilot-2", "pilot", INSTALLED), ("job-pilot-1", "pilot", REPLACED)]
