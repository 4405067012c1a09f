"""sagemaker-models: the list of trainings on terminals of every width, as JSON and as a page."""

import io
import json
import pathlib
from typing import Any, List

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.job import INSTALLED, KEPT_ASIDE, Bill, Outcome
from donkey_sagemaker.car.model_history import find_models
from donkey_sagemaker.car.trained_pictures import digest_model
from donkey_sagemaker.commands.models import show_models
from donkey_sagemaker.rich_ui import RichUi
from donkey_sagemaker.training.compare_models import NoSuchModel, find_model
from donkey_sagemaker.ui import PlainUi, format_time
from donkey_sagemaker.verdict import BAD, GOOD, Verdict
from job_factory import make_job

TFLITE_CAR = "donkeycar 5.3, tflite-runtime 2.14"
GOOD_ONE = Verdict(GOOD, "It steers much like the driver.", "Drive it.")
BAD_ONE = Verdict(BAD, "Its steering hardly varies.", "Train longer: `--epochs=20`.")
OLD, NEW = format_time(1700000000.0), format_time(1700000900.0)
DRIVE = "python manage.py drive --model models/pilot.tflite --type tflite_linear"


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    """With a model that was installed, and a later one that was kept aside."""
    (tmp_path / "config.py").write_text("")
    (tmp_path / "manage.py").write_text("")
    (tmp_path / "myconfig.py").write_text(f"SAGEMAKER_CAR = {TFLITE_CAR!r}\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pilot.tflite").write_text("lite")
    car = open_car(str(tmp_path), flags={})
    known = {"base": car.models_path + "/pilot", "models": [(".tflite", "tflite"), (".h5", "h5")]}
    digest = digest_model(str(tmp_path / "models" / "pilot.tflite"))
    job = make_job(name="job-1", started=1700000000.0, records=3000, tubs=[car.path + "/data"], **known)
    outcome = Outcome(
        INSTALLED,
        Bill(cost_usd=0.0153),
        val_loss=0.02134,
        epochs=12,
        steering_error=0.0721,
        times_off_per_100_m=1.62,
        ms=8.4,
        form="tflite",
        verdict=GOOD_ONE,
        digests=[digest],
    )
    car.ledger.write(job, outcome)
    kept = make_job(name="job-2", started=1700000900.0, **known)
    car.ledger.write(kept, Outcome(KEPT_ASIDE, val_loss=0.1, epochs=1, verdict=BAD_ONE))
    return car


def shown(car: Car, *, width: int) -> List[str]:
    """The lines on a terminal of that width."""
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=width)
    show_models(car, RichUi(console), find_models(car))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


END = [
    "The newest: Its steering hardly varies.",
    "Next: Train longer: `--epochs=20`.",
    "Drive pilot:",
    f"  {DRIVE}",
]


def test_a_wide_terminal(car: Car) -> None:
    """One row for each training."""
    head, newest, older, *end = shown(car, width=140)
    assert head.split("  ")[:2] == ["model", "trained"] and end == END
    assert newest.split() == [
        "pilot",
        *NEW.split(),
        "linear",
        "-",
        "1",
        "0.1000",
        "-",
        "-",
        "-",
        "-",
        "bad",
        "kept",
        "aside",
    ]
    assert older.split() == [
        *[
            "pilot",
            *OLD.split(),
            "linear",
            "3,000",
            "12",
            "0.0213",
            "0.072",
            "1.6",
            "8",
            "0.015",
            "USD",
            "good",
            "installed",
        ]
    ]
    assert newest.index("bad") == older.index("good") == head.index("verdict")


LINES = [
    f"pilot  {NEW}  bad  kept aside",
    "  linear, 1 epoch, validation loss 0.1000",
    f"pilot  {OLD}  good  installed",
    "  linear, 3,000 records, 12 epochs, validation loss 0.0213, steering off by",
    "  0.072, off the line 1.6 times in 100 m, 8 ms a picture, 0.015 USD",
]


def test_a_terminal_of_80_letters(car: Car) -> None:
    """It is too narrow for the table: each training has a few lines."""
    assert shown(car, width=80) == LINES + END


def test_a_pipe(car: Car, capsys: pytest.CaptureFixture) -> None:
    """The same lines, whatever the other end is."""
    assert cli.main(["models"], car_path=car.path) == 0
    assert capsys.readouterr().out.splitlines() == LINES + END


def test_a_terminal_of_40_letters(car: Car) -> None:
    """No line of the list is longer."""
    lines = shown(car, width=40)
    assert lines[:8] == [
        f"pilot  {NEW}  bad  kept aside",
        "  linear, 1 epoch, validation loss",
        "  0.1000",
        f"pilot  {OLD}  good  installed",
        "  linear, 3,000 records, 12 epochs,",
        "  validation loss 0.0213, steering off",
        "  by 0.072, off the line 1.6 times in",
        "  100 m, 8 ms a picture, 0.015 USD",
    ]


def test_json(car: Car, capsys: pytest.CaptureFixture) -> None:
    """Everything that is known; what is not is null."""
    assert cli.main(["models", "--json"], car_path=car.path) == 0
    newest, older = json.loads(capsys.readouterr().out)
    assert older == {
        "model": "pilot",
        "state": "installed",
        "job": "job-1",
        "trained": 1700000000.0,
        "type": "linear",
        "records": 3000,
        "epochs": 12,
        "val_loss": 0.02134,
        "steering_error": 0.0721,
        "times_off_per_100_m": 1.62,
        "ms": 8.4,
        "cost_usd": 0.0153,
        "verdict": GOOD_ONE._asdict(),
        "tubs": ["data"],
        "comment": "wet",
        "transfer": None,
        "drive": DRIVE,
    }
    assert (newest["state"], newest["records"], newest["ms"], newest["drive"]) == (
        "kept aside",
        None,
        None,
        None,
    )


def test_the_page_is_written_and_its_place_printed(car: Car, capsys: pytest.CaptureFixture) -> None:
    """Without asking AWS. `jobs --report` is the old spelling."""
    for words in (["models", "--report"], ["jobs", "--report"], ["jobs", "--report", "--local"]):
        assert cli.main(words, car_path=car.path) == 0
        assert capsys.readouterr().out == "2 trainings: models/index.html\n"
    page = pathlib.Path(car.models_path, "index.html").read_text(encoding="utf-8")
    assert "It steers much like the driver." in page and car.path not in page


@pytest.fixture
def new_car(tmp_path: pathlib.Path) -> Car:
    (tmp_path / "config.py").write_text("")
    (tmp_path / "manage.py").write_text("")
    return open_car(str(tmp_path), flags={})


def test_a_car_without_models(new_car: Car, capsys: pytest.CaptureFixture) -> None:
    """The error says how to get one; no empty page is written."""
    for words in (["models"], ["models", "--report"]):
        assert cli.main(words, car_path=new_car.path) == 2
        assert capsys.readouterr().err == (
            "There is no model with a history in models.\nTrain one: `python manage.py sagemaker-train`.\n"
        )
    assert cli.main(["models", "--json"], car_path=new_car.path) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_name_that_has_no_letters(car: Car, capsys: pytest.CaptureFixture) -> None:
    """It comes from a database that anybody may have written."""
    entry = {"Name": "\ud800\x1b[2J", "Comment": "\udcff", "History": {"val_loss": [0.5]}}
    pathlib.Path(car.database_path).write_text(json.dumps([entry]))
    for words in (["models"], ["models", "--json"], ["models", "--report"]):
        assert cli.main(words, car_path=car.path) == 0
        assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["pilot"],
            "One model cannot be compared.\n"
            "Name two of those that `python manage.py sagemaker-models` lists.\n",
        ),
        (["pilot", "none"], "This car has no model none.\nName two of these: pilot.\n"),
        (
            ["pilot", "job-1"],
            "pilot and pilot cannot be compared: the validation pictures of neither were kept.\n"
            "Train one of them again, or drive both and see.\n",
        ),
    ],
)
def test_what_cannot_be_compared(
    car: Car, capsys: pytest.CaptureFixture, words: List[str], message: str
) -> None:
    """Each message says what can be."""
    assert cli.main(["models", *words], car_path=car.path) == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "name", ["pilot", "models/pilot", "models/pilot.tflite", "./models/pilot.h5", "job-1"]
)
def test_a_model_is_found_by_name_path_or_job(car: Car, name: str) -> None:
    """A model that was kept aside has the same name, and is found by its job."""
    assert find_model(car, find_models(car), name).job == "job-1"
    folder = pathlib.Path(car.path, "kept_aside", "job-2", "unpacked")
    folder.mkdir(parents=True)
    (folder / "pilot.tflite").write_text("kept")
    assert find_model(car, find_models(car), name).job == "job-1"
    assert find_model(car, find_models(car), "job-2").job == "job-2"


@pytest.mark.parametrize("name", ["", ".", "/", "models", "pilot~1", "../pilot", "job-2"])
def test_what_is_no_model(car: Car, name: str) -> None:
    """Nor is one whose files are gone."""
    with pytest.raises(NoSuchModel):
        find_model(car, find_models(car), name)


class ListUi(PlainUi):
    def __init__(self) -> None:
        self.printed: List[str] = []

    def print(self, text: str, **_: Any) -> None:
        self.printed.append(text)
