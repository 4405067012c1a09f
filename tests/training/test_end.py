"""The end of a training: the bell, SAGEMAKER_ON_END, and the line of JSON."""

import json
import os
import sys

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.check import ModelRejected
from donkey_sagemaker.car.job import FAILED, INSTALLED, Bill, Outcome
from donkey_sagemaker.errors import JobFailed
from donkey_sagemaker.training import end
from donkey_sagemaker.training.detach import Detaching
from donkey_sagemaker.training.end import Announce, announced_end
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job

JOB = "donkey-pilot-1"
NOTE = (
    "import json, os; "
    "json.dump({name: os.environ[name] for name in os.environ if name[:7] == 'DONKEY_'}, open('note', 'w'))"
)
AS_JSON = Announce(as_json=True)


class RingingUi(PlainUi):
    rings = 0

    def bell(self):
        self.rings += 1


@pytest.fixture
def ui():
    return RingingUi()


@pytest.fixture
def car_with(tmp_path):
    """A function that makes a car with this SAGEMAKER_ON_END."""

    def make(command=None):
        (tmp_path / "config.py").write_text(f"SAGEMAKER_ON_END = {command!r}\n")
        return open_car(str(tmp_path), flags={})

    return make


def run_python(code):
    return f'"{sys.executable}" -c "{code}"'


def finish(car, ui, outcome, error=None, *, announce=AS_JSON, job=JOB):
    """Ends a job of this outcome, with the error that ends the command."""
    if outcome is not None or job:
        car.ledger.write(make_job(name=JOB, base=os.path.join(car.path, "models", "pi;lot")), outcome)
    with announced_end(car, ui, Detaching(job), announce):
        if error:
            raise error


def test_an_installed_model_is_announced(car_with, ui, capsys, tmp_path):
    """The command runs in the car's folder; names reach it only through its environment."""
    car = car_with(run_python(NOTE))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pi;lot.tflite").write_text("a model")
    finish(car, ui, Outcome(INSTALLED, Bill(60.0, 60.0, 0.0125), val_loss=0.1, epochs=2))
    assert ui.rings == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "job": JOB,
        "state": "installed",
        "model": "models/pi;lot",
        "files": ["models/pi;lot.tflite"],
        "type": "linear",
        "epochs": 2,
        "val_loss": 0.1,
        "billed_s": 60.0,
        "cost_usd": 0.0125,
        "error": None,
    }
    assert json.loads((tmp_path / "note").read_text()) == {
        "DONKEY_JOB": JOB,
        "DONKEY_STATE": "installed",
        "DONKEY_MODEL": "models/pi;lot",
        "DONKEY_COST_USD": "0.0125",
    }


def test_a_loss_that_diverged_is_no_number(car_with, ui, capsys):
    """JSON has no NaN, and most programs do not read it."""
    finish(car_with(), ui, Outcome(INSTALLED, val_loss=float("nan"), epochs=2))
    assert '"epochs": 2, "val_loss": null,' in capsys.readouterr().out


REJECTED = ModelRejected("its net gives something else", "/car/.sagemaker/incoming/model.tar.gz")


@pytest.mark.parametrize(
    "outcome, error, job, state, rings",
    [
        (Outcome(FAILED), JobFailed("It failed.", "Try again."), JOB, "failed", 1),
        (None, REJECTED, JOB, "rejected", 1),
        (None, KeyboardInterrupt(), JOB, "running", 0),
        (None, None, JOB, "running", 0),
        (None, JobFailed("No tub.", "Record one."), None, "not started", 0),
        (None, None, None, "not started", 0),
    ],
)
def test_other_ends(outcome, error, job, state, rings, car_with, ui, capsys):
    """A job that continues has not ended, so neither the bell nor the command is for it."""
    car = car_with("touch ended")
    if error:
        with pytest.raises(type(error)):
            finish(car, ui, outcome, error, job=job)
    else:
        finish(car, ui, outcome, job=job)
    result = json.loads(capsys.readouterr().out)
    assert (result["state"], bool(result["error"]), ui.rings) == (state, bool(error), rings)
    assert os.path.exists(os.path.join(car.path, "ended")) is bool(rings)


def test_without_options_nothing_is_printed(car_with, ui, capsys):
    """The JSON is for programs; the bell can be turned off."""
    finish(car_with(), ui, Outcome(INSTALLED), announce=Announce(bell=False))
    assert capsys.readouterr().out == "" and ui.rings == 0


@pytest.mark.parametrize(
    "command, warning",
    [
        ("exit 3", "SAGEMAKER_ON_END ended with exit code 3: exit 3"),
        ("sleep 60", "SAGEMAKER_ON_END was ended after 0.2 s: sleep 60"),
    ],
)
def test_a_command_that_fails_is_a_warning(command, warning, car_with, ui, capsys, monkeypatch):
    """The model is installed, whatever the owner's command does."""
    monkeypatch.setattr(end, "COMMAND_LIMIT_S", 0.2)
    finish(car_with(command), ui, Outcome(INSTALLED), announce=Announce())
    assert capsys.readouterr().out == f"Warning: {warning}\n"


def test_what_the_command_prints_is_not_standard_output(car_with, ui, capfd):
    """Whose last line is the JSON."""
    finish(car_with("echo hello"), ui, Outcome(INSTALLED))
    out, err = capfd.readouterr()
    assert err == "hello\n" and len(out.splitlines()) == 1
