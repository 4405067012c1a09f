"""The car's own part of a report."""

import json
import re
import time
from pathlib import Path

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.check import Checked
from donkey_sagemaker.car.job import Bill
from donkey_sagemaker.car.runtime import Runtime
from donkey_sagemaker.contract import REPORT_CAR_MARK
from donkey_sagemaker.paired_errors import Paired
from donkey_sagemaker.quality import Comparison
from donkey_sagemaker.training.report import (
    MAX_BYTES,
    compare_with_previous,
    complete_report,
    describe_car,
    describe_check,
)
from job_factory import artifact_of, make_job

RUNTIME = Runtime("3.11.7", "aarch64", {"donkeycar": "5.3.0"})
JOB = make_job(
    started=1700000000.0,
    transfer="models/before.h5",
    comment="<b>rain</b>",
    set_aside={"picture empty": 1, "record damaged": 3},
)
BILL = Bill(billed_s=240.0, cost_usd=0.0153)
TRAINED = time.strftime("%Y-%m-%d %H:%M", time.localtime(1700000000))
CHECKED = [Checked("h5", 1e-7, 31.4), Checked("tflite", None, 4.0)]


def test_a_model_that_would_stand_still():
    """The throttle of donkeycar 2.2's categorical net may die in training."""
    text = (
        "it steers, but gives no throttle: give it yourself (mode local_angle), or train with another "
        "SAGEMAKER_SEED"
    )
    exact = "as in training, 31 ms a picture"
    assert describe_check(Checked("hdf5", 0.0, 31.4, 0.0)) == f"{exact}; {text}"
    assert describe_check(Checked("hdf5", 0.0, 31.4, 0.2)) == exact
    assert describe_check(Checked("hdf5", None, 31.4)) == "runs, 31 ms a picture"
    other = "differs from training by at most 1.2e-04, 31 ms a picture"
    assert describe_check(Checked("tflite", 1.24e-4, 31.4)) == other


def test_what_the_car_adds():
    """How it drives the model, where the model comes from and what it cost."""
    assert describe_car(JOB, RUNTIME, CHECKED, bill=BILL) == [
        ("car", "donkeycar 5.3.0, Python 3.11.7, aarch64"),
        ("driven here as h5", "as in training, 31 ms a picture"),
        ("driven here as tflite", "runs, 4 ms a picture"),
        ("set aside", "3 x record damaged, 1 x picture empty"),
        ("comment", "<b>rain</b>"),
        ("started from", "before.h5"),
        ("trained", TRAINED),
        ("job", "donkey-pilot-1"),
        ("instance type", "ml.m5.xlarge"),
        ("billed", "4 min"),
        ("cost", "0.015 USD"),
    ]
    local = make_job(started=1700000000.0, backend="local", set_aside={}, comment=None)
    assert describe_car(local, RUNTIME, [], bill=Bill()) == [
        ("car", "donkeycar 5.3.0, Python 3.11.7, aarch64"),
        ("driven here", "no, because this Python has no package that can load the model"),
        ("trained", TRAINED),
        ("job", "donkey-pilot-1"),
    ]


def test_it_replaces_the_mark(tmp_path: Path):
    """Escaped, once, and nothing else of the page changes."""
    page = tmp_path / "report.html"
    page.write_bytes(f"<p>ä</p>{REPORT_CAR_MARK}{REPORT_CAR_MARK}".encode())
    complete_report(str(page), JOB, RUNTIME, CHECKED, bill=BILL)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<p>ä</p><section><h2>On this car</h2>") and text.endswith(REPORT_CAR_MARK)
    assert "Drive it" not in text and "Beside the model before" not in text
    assert "&lt;b&gt;rain&lt;/b&gt;" in text and "<b>" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("content", [b"\xff no mark", REPORT_CAR_MARK.encode() + b" " * MAX_BYTES])
def test_a_page_of_another_kind_stays_as_it_is(tmp_path: Path, content: bytes):
    """One without the mark, or of a size that our trainer never makes."""
    page = tmp_path / "report.html"
    page.write_bytes(content)
    complete_report(str(page), JOB, RUNTIME, CHECKED, bill=BILL)
    assert page.read_bytes() == content


def test_how_to_drive_comes_first(tmp_path: Path):
    """The command to type, then the model before, then this car."""
    page = tmp_path / "report.html"
    page.write_text(REPORT_CAR_MARK)
    rows = [("validation loss", "0.0061", "0.0123")]
    complete_report(str(page), JOB, RUNTIME, CHECKED, bill=BILL, drive="python a.py 'x & y'", beside=rows)
    text = page.read_text(encoding="utf-8")
    assert re.findall("<h2>([^<]*)</h2>", text) == ["Drive it", "Beside the model before", "On this car"]
    assert "<pre>python a.py &#x27;x &amp; y&#x27;</pre>" in text
    assert '<td data-label="the model before">0.0123</td>' in text


def test_the_model_before(tmp_path: Path):
    """The errors on the same pictures, and what both trainings left; nothing for a first model."""
    for name in ("config.py", "manage.py"):
        (tmp_path / name).write_text("")
    models = tmp_path / "models"
    models.mkdir()
    car = open_car(str(tmp_path), flags={"backend": "local"}, myconfig="myconfig.py")
    plan = make_job(base=str(models / "pilot")).plan
    new = artifact_of("keras", history={"loss": [0.5, 0.3], "val_loss": [0.4, 0.2]})
    comparison = Comparison(178, 0.072, 0.096, Paired(-0.024, 0.004), is_fair=True)
    assert compare_with_previous(car, plan, new, None) == []
    (models / "pilot.history.json").write_text(json.dumps({"val_loss": [0.4, 0.3, 0.31]}))
    assert compare_with_previous(car, plan, new, comparison) == []  # only the history of a deleted model
    (models / "pilot.keras").write_text("")
    losses = [("validation loss", "0.2000", "0.3000"), ("epochs", "2", "3")]
    errors = ("steering error, on the same 178 pictures", "0.072", "0.096")
    assert compare_with_previous(car, plan, new, None) == losses
    assert compare_with_previous(car, plan, new, comparison) == [errors, *losses]
