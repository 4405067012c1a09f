"""sagemaker-jobs: the rows of its table, on AWS and on this machine, and the sum of the bills."""

import time

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import FAILED, INSTALLED, Bill, Outcome
from donkey_sagemaker.cloud.job import JobState
from donkey_sagemaker.commands.jobs import describe_job, list_jobs, show_jobs, show_sum
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job

NOVEMBER, DECEMBER = 1794268800.0, 1796860800.0  # 2026-11-10 and 2026-12-10
INSTALLED_OUTCOME = Outcome(
    INSTALLED,
    Bill(billed_s=240.0, took_s=300.0, cost_usd=0.0153),
    val_loss=0.1234,
    epochs=12,
    trained_s=200.0,
)


class ListedCloud:
    """A cloud that only lists jobs, as DescribeTrainingJob's summaries or this machine's files give them."""

    def __init__(self, states, *, bills):
        self._states = states
        self.bills = bills

    def list_jobs(self):
        return self._states


@pytest.fixture
def car(tmp_path):
    (tmp_path / "config.py").write_text("")
    return open_car(str(tmp_path), flags={})


def list_rows(car, capsys, *states, bills):
    show_jobs(car, PlainUi(), list_jobs(car, ListedCloud(list(states), bills=bills)))
    return capsys.readouterr().out.splitlines()


def write_job(car, name, outcome=None, **changes):
    car.ledger.write(make_job(name=name, base=f"{car.path}/models/pilot", **changes), outcome)


def test_jobs_on_aws(car, capsys):
    """A row for each job of this car, and for each running job of others; their ended jobs are left out."""
    write_job(car, "donkey-pilot-1", INSTALLED_OUTCOME)
    write_job(car, "donkey-pilot-2", Outcome(FAILED))
    write_job(car, "donkey-pilot-3")
    assert list_rows(
        car,
        capsys,
        JobState("donkey-other-5", "Stopping", created=1000.0, training_ended=1500.0),
        JobState("donkey-other-4", "Completed", created=1000.0, training_ended=1500.0),
        JobState("donkey-pilot-3", "Completed", created=1000.0, training_ended=1500.0),
        JobState("donkey-pilot-2", "Failed"),
        JobState("donkey-pilot-1", "Completed", created=1000.0, training_ended=1042.0),
        bills=True,
    ) == [
        "job             state      took   cost       model",
        "donkey-other-5  stopping   8 min  -          not of this car",
        "donkey-pilot-3  ended      8 min  -          models/pilot",
        "donkey-pilot-2  failed     -      -          models/pilot",
        "donkey-pilot-1  installed  42 s   0.015 USD  models/pilot, validation loss 0.1234",
        "The model of a job that has ended is not installed yet. Install it with:",
        "  python manage.py sagemaker-train --attach=donkey-pilot-3",
    ]


def test_jobs_as_json(car):
    """For programs: what the table shows, and AWS's own word for the state."""
    write_job(car, "donkey-pilot-1", INSTALLED_OUTCOME)
    state = JobState("donkey-pilot-1", "Completed", created=1000.0, training_ended=1042.0)
    (job,) = list_jobs(car, ListedCloud([state], bills=True))
    assert describe_job(car, job) == {
        "job": "donkey-pilot-1",
        "state": "installed",
        "sagemaker_state": "Completed",
        "created": 1000.0,
        "took_s": 42.0,
        "model": "models/pilot",
        "epochs": 12,
        "val_loss": 0.1234,
        "billed_s": 240.0,
        "cost_usd": 0.0153,
    }


def test_jobs_on_this_machine(car, capsys):
    """All of them are listed, even those that the ledger does not have; nothing is billed."""
    write_job(car, "donkey-pilot-1", Outcome(INSTALLED, val_loss=0.5), backend="local")
    assert list_rows(
        car,
        capsys,
        JobState("donkey-lost-2", "Failed", created=1000.0, training_ended=1002.0),
        JobState("donkey-pilot-1", "Completed", created=1000.0, training_ended=1042.0),
        bills=False,
    ) == [
        "job             state      took  model",
        "donkey-lost-2   failed     2 s   not of this car",
        "donkey-pilot-1  installed  42 s  models/pilot, validation loss 0.5000",
    ]


def test_a_running_job_has_taken_the_time_since_it_was_created(car, capsys):
    """It has no end yet."""
    write_job(car, "donkey-pilot-1")
    _head, row = list_rows(
        car, capsys, JobState("donkey-pilot-1", "InProgress", created=time.time() - 7200), bills=True
    )
    assert row.split() == ["donkey-pilot-1", "running", "2.0", "h", "models/pilot"]


def test_without_jobs_it_shows_how_to_start_one(car, capsys):
    """The ended jobs of other cars do not count."""
    assert list_rows(car, capsys, JobState("donkey-other-1", "Completed"), bills=True) == [
        "This car has no jobs yet. Start one with `python manage.py sagemaker-train`."
    ]


def test_bills_are_summed_by_month(car, capsys):
    """The newest month first; jobs on this machine cost nothing, and unknown bills are counted."""
    show_sum(car, PlainUi())
    assert capsys.readouterr().out == "This car has had no jobs on AWS.\n"
    for name, started, outcome in (
        ("one", NOVEMBER, Outcome(INSTALLED, Bill(500.0, 500.0, 0.5))),
        ("two", NOVEMBER, Outcome(FAILED, Bill(500.0, 500.0, 0.75))),
        ("three", DECEMBER, Outcome(INSTALLED, Bill(500.0, 500.0, 0.0357))),
        ("four", DECEMBER, None),
    ):
        write_job(car, name, outcome, started=started)
    write_job(car, "local", Outcome(INSTALLED), started=NOVEMBER, backend="local")
    show_sum(car, PlainUi())
    assert capsys.readouterr().out == (
        "month    jobs  billed  cost       bill not known\n"
        "2026-12  2     8 min   0.036 USD  1\n"
        "2026-11  2     17 min  1.25 USD   0\n"
        "The bill of a job is known once it has been watched to its end: "
        "`python manage.py sagemaker-train --attach=JOB`.\n"
    )
