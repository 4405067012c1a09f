"""The ledger: what the car remembers about its jobs."""

import json
import os

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import FAILED, INSTALLED, Bill, Job, Outcome, Plan
from donkey_sagemaker.car.ledger import Entry, NoPendingJob
from donkey_sagemaker.verdict import GOOD, Verdict
from job_factory import make_job

OUTCOME = Outcome(
    INSTALLED,
    Bill(billed_s=240.0, took_s=300.0, cost_usd=0.0153),
    val_loss=0.1,
    epochs=12,
    trained_s=200.5,
    steering_error=0.05,
    ms=8.0,
    form="tflite",
    verdict=Verdict(GOOD, "It steers.", "Drive it."),
    digests=["0" * 64],
    times_off_per_100_m=2.5,
    mean_distance_m=0.06,
)

# As version 0.1.0 of November 2026 wrote it: one flat object
OLD_ENTRY = {
    "job": "donkey-pilot-1",
    "state": "launched",
    "backend": "aws",
    "bucket": "bucket",
    "prefix": "donkeycar",
    "started": 1600000000.25,
    "model_type": "linear",
    "base": "/car/models/pilot",
    "models": [[".keras", "keras"], [".tflite", "tflite"]],
    "tubs": ["/car/data"],
    "transfer": None,
    "comment": "wet",
    "val_loss": None,
    "fingerprint": "f",
    "requests": [{"TrainingJobName": "donkey-pilot-1", "ResourceConfig": {"InstanceType": "ml.m5.xlarge"}}],
    "billed_s": None,
    "cost_usd": None,
    "records": 1000,
    "max_epochs": 100,
    "epochs": None,
    "trained_s": None,
    "took_s": None,
    "set_aside": {"picture empty": 2},
}
NEW_FIELDS = {
    "times_off_per_100_m": None,
    "mean_distance_m": None,
    "steering_error": None,
    "ms": None,
    "form": None,
    "verdict": None,
    "digests": [],
}


@pytest.fixture
def ledger(tmp_path):
    (tmp_path / "config.py").write_text("")
    return open_car(str(tmp_path), flags={}).ledger


@pytest.mark.parametrize("outcome", [None, OUTCOME, Outcome(FAILED)])
def test_a_job_and_its_outcome_are_read_as_they_were_written(ledger, outcome):
    """Every field comes back from the disk."""
    ledger.write(make_job(), outcome)
    assert ledger.read("donkey-pilot-1") == Entry(make_job(), outcome)


def test_an_entry_of_the_first_version_is_read_and_written_alike(ledger):
    """Both versions understand each other's files."""
    os.makedirs(ledger.folder)
    path = os.path.join(ledger.folder, "donkey-pilot-1.json")
    with open(path, "w") as file:
        json.dump(OLD_ENTRY, file)
    entry = ledger.read("donkey-pilot-1")
    plan = Plan(
        model_type="linear",
        base="/car/models/pilot",
        models=[(".keras", "keras"), (".tflite", "tflite")],
        tubs=["/car/data"],
        transfer=None,
        comment="wet",
        records=1000,
        max_epochs=100,
    )
    assert entry == Entry(
        Job(
            name="donkey-pilot-1",
            backend="aws",
            bucket="bucket",
            prefix="donkeycar",
            started=1600000000.25,
            plan=plan,
            requests=OLD_ENTRY["requests"],
            fingerprint="f",
            set_aside={"picture empty": 2},
        ),
        None,
    )
    ledger.write(*entry)
    with open(path) as file:
        assert json.load(file) == dict(OLD_ENTRY, **NEW_FIELDS)


def test_fields_that_an_older_version_lacked_have_defaults(ledger):
    """It knew no fingerprint, request or cost."""
    ledger.write(make_job())
    path = os.path.join(ledger.folder, "donkey-pilot-1.json")
    with open(path) as file:
        fields = json.load(file)
    for name in ("fingerprint", "requests", "billed_s", "cost_usd", "set_aside"):
        del fields[name]
    with open(path, "w") as file:
        json.dump(fields, file)
    expected = make_job(fingerprint="", requests=[], set_aside={})
    assert ledger.read("donkey-pilot-1") == Entry(expected, None)


def test_pending_jobs_come_newest_first(ledger):
    """A job whose end was watched is not pending."""
    ledger.write(make_job(name="old", started=1.0))
    ledger.write(make_job(name="new", started=2.0))
    ledger.write(make_job(name="done", started=3.0), OUTCOME)
    assert [job.name for job in ledger.pending()] == ["new", "old"]


def test_a_job_that_is_not_in_the_ledger(ledger):
    """The message names it and says what lists the others."""
    with pytest.raises(NoPendingJob) as error:
        ledger.read("none")
    assert (error.value.what, error.value.fix) == (
        "This car has launched no job named none.",
        "`python manage.py sagemaker-jobs` lists its jobs.",
    )


DAMAGE = [
    b"",
    b"\0" * 100,
    b"[]",
    b"null",
    b"{}",
    b"[" * 5000,
    b'{"job": 1' + b"0" * 5000 + b"}",
    {"job": None},
    {"started": "now"},
    {"started": 1e400},
    {"started": 10**400},
    {"state": "flying"},
    {"models": 3},
    {"models": [["x"]]},
    {"tubs": [1]},
    {"requests": [{}]},
    {"requests": 7},
    {"set_aside": {"a": "b"}},
    {"records": "many"},
    {"base": 5},
    {"base": "models/pilot"},
    {"base": "/"},
    {"base": "/car/models/.."},
    {"base": "/car/models/pi\0lot"},
    {"base": "/car/models/\ud800"},
    {"job": "other"},
    {"job": "/"},
    {"job": "../../../outside"},
    {"backend": "elsewhere"},
    {"started": float("nan")},
    {"started": -1},
    {"tubs": "/car/data"},
    {"transfer": []},
    {"comment": False},
    {"models": []},
    {"models": [["/../../x", "keras"]]},
    {"models": [["", "keras"], ["", "tflite"]]},
    {"models": [["", "keras"], [".keras", "keras"]]},
    {"requests": [{"ResourceConfig": {"InstanceType": "ml.m5.large"}, "EnableManagedSpotTraining": 3}]},
    {"set_aside": {"a": -1}},
    {"state": "installed", "billed_s": "much"},
    {"state": "installed", "val_loss": 10**400},
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: str(damage)[:40])
def test_a_damaged_or_foreign_file_is_reported_and_skipped(ledger, damage):
    """No command is blocked by it, and nobody deletes it."""
    ledger.write(make_job(name="good"))
    path = os.path.join(ledger.folder, "bad.json")
    text = damage if isinstance(damage, bytes) else json.dumps(dict(OLD_ENTRY, **damage)).encode()
    with open(path, "wb") as file:
        file.write(text)
    for name in ("._x.json.swp", "notes.txt"):
        with open(os.path.join(ledger.folder, name), "w"):
            pass
    assert [entry.job.name for entry in ledger.entries()] == ["good"]
    assert [job.name for job in ledger.pending()] == ["good"]
    assert ledger.damaged() == [path]
