"""A command while it runs, and what came of it."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.job import INSTALLED, KEPT_ASIDE, Outcome
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.run_page import find_job_name, show_losses, show_progress, show_run
from donkey_sagemaker.console.runs import Run, Runs
from donkey_sagemaker.verdict import GOOD, Verdict
from job_factory import make_job

TRAIN = ["train", "--json"]
PRINTED = "Training a linear model\nJob donkey-pilot-1 is running on this machine\nState: Training\n"


@pytest.fixture
def car(tmp_path: Path) -> Car:
    (tmp_path / "config.py").write_text('SAGEMAKER_CAR = "donkeycar 5.3, tflite-runtime 2.14"\n')
    return open_car(str(tmp_path), flags={})


def write_run(car: Car, *, code: Optional[int] = 0, printed: str = "", **changes: Any) -> Run:
    """A command that has ended, as its process has left it."""
    runs, run_id = Runs(car), "0123456789abcdef"
    folder = Path(runs.folder) / run_id
    folder.mkdir(parents=True)
    request: Dict[str, Any] = {"words": TRAIN, "title": "Training", "subject": "", "back": ""}
    request.update(changes, started=1e9, process=0)
    (folder / "request.json").write_text(json.dumps(request))
    (folder / "output").write_text(printed)
    if code is not None:
        (folder / "result.json").write_text(json.dumps({"code": code}))
    return runs.read(run_id)


def show(car: Car, run: Run) -> str:
    return "\n".join(show_run(car, Runs(car), Forms("key"), run))


def running(**progress: Any) -> Run:
    return Run("0" * 16, TRAIN, "Training", "", "", 1e9, 0, None, True, progress)


def test_the_job_of_a_training() -> None:
    """It is in what the command prints, however it came to it; the last one counts, which took its place."""
    assert find_job_name("Review: nothing\n") is None
    assert find_job_name(PRINTED) == find_job_name("Job donkey-pilot-1\n") == "donkey-pilot-1"
    assert find_job_name("Job a already trains exactly this: attaching to it\nJob b is running") == "b"


def test_progress() -> None:
    """What it does, how far it is, and what its note says; nothing of a damaged file."""
    text = show_progress(running(doing="Uploading <shards>", note="2 MB/s", done=3, total=7))
    assert "<b>Uploading &lt;shards&gt;: 3 of 7</b>, 2 MB/s" in text and 'max="7" value="3"' in text
    text = show_progress(running(doing=5, done="x", total=-1, epochs=[5, [1], ["a", None]]))
    assert "<b>5</b>" in text and "value=" not in text and "<svg" not in text
    assert "Working" in show_progress(running())


def test_losses() -> None:
    """Both curves of a training."""
    chart = show_losses(running(epochs=[[0.5, 0.4], [0.3, None]], max_epochs=100))
    assert "Loss by epoch: validation, lowest 0.4000; training, lowest 0.3000" in chart


def test_an_installed_model(car: Car) -> None:
    """Its verdict and the command to drive it; the line of JSON is not for a person."""
    models = Path(car.path) / "models"
    models.mkdir()
    (models / "pilot.tflite").write_bytes(b"model")
    (models / "pilot.html").write_text("report")
    job = make_job(base=str(models / "pilot"), models=[(".tflite", "tflite")])
    verdict = Verdict(GOOD, "It steers.", "Drive it.")
    car.ledger.write(job, Outcome(INSTALLED, verdict=verdict, form="tflite"))
    text = show(car, write_run(car, printed=PRINTED + '{"job": "donkey-pilot-1"}\n'))
    assert "pilot is installed." in text and "Verdict: good. It steers." in text
    assert "python manage.py drive --model models/pilot.tflite --type tflite_linear" in text
    assert 'href="/models/donkey-pilot-1/report"' in text and "{&quot;job" not in text


def test_a_model_that_was_kept_aside(car: Car) -> None:
    """The command's exit code is 1 then, but it is no failure."""
    car.ledger.write(make_job(base=str(Path(car.path) / "models" / "pilot")), Outcome(KEPT_ASIDE))
    text = show(car, write_run(car, code=1, printed=PRINTED))
    assert "pilot was kept aside." in text and "did not succeed" not in text


def test_a_plan(car: Car) -> None:
    """It can be started, once it was made without an error."""
    text = show(car, write_run(car, words=[*TRAIN, "--dry-run"], printed="costs  at most 1 USD\n"))
    assert "at most 1 USD" in text and 'action="/runs/0123456789abcdef/start"' in text


@pytest.mark.parametrize(
    "code, note",
    [(2, "It did not succeed."), (130, "Interrupted."), (None, "It ended without a result")],
)
def test_other_ends(car: Car, code: Optional[int], note: str) -> None:
    """What to do is in what was printed."""
    text = show(car, write_run(car, code=code, printed="<b>Give another</b> tub\n", back="/tubs"))
    assert note in text and "&lt;b&gt;Give another&lt;/b&gt; tub" in text and 'href="/tubs"' in text
    assert "data-go" not in text


def test_a_result_on_another_page(car: Car) -> None:
    """The page goes there by itself; without a script, by a tap."""
    text = show(car, write_run(car, words=["tubs"], back="/tubs/x?done=1"))
    assert 'data-go="/tubs/x?done=1"' in text and 'href="/tubs/x?done=1"' in text


def test_a_doctor_that_has_found_something(car: Car) -> None:
    """Its exit code says so, and its page shows what."""
    assert "data-go" in show(car, write_run(car, code=3, words=["doctor"], back="/doctor"))
