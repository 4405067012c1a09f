"""sagemaker-tune on AWS: SageMaker's own tuning, which goes on without this program."""

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from test_tune import table_of

from aws_owner import push_own_image
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.commands import _tuning
from donkey_sagemaker.resources import container_path
from donkey_sagemaker.tuning import METRIC
from small_donkeycar import install_small_donkeycar

pytestmark = pytest.mark.minutes
TRAINER = str(Path(__file__).parent.parent / "pretended_trainer.py")
NAME = r"donkey-tune--\d{6}-\d{6}-\d{3}"


@pytest.fixture
def tuner(owner, aws, small_model):
    """An owner whose image has a trainer that pretends, and whose account may run three jobs at a time."""
    install_small_donkeycar(owner.path)
    push_own_image(aws, [sys.executable, TRAINER, str(small_model)])
    aws.set(quotas={"ml.m5.xlarge for training job usage": 3})
    owner.configures('SAGEMAKER_TUNE = {"LEARNING_RATE": (0.0003, 0.03)}')
    return owner


def ledgers(owner):
    """The states of the tunings, and of the jobs."""
    car = open_car(str(owner.path), flags={})
    return (
        {entry.job.name: entry.state for entry in car.tunings.entries()},
        {entry.job.name: entry.state for entry in car.ledger.entries()},
    )


def started(aws):
    return [
        each for each in aws.requests("sagemaker", "CreateHyperParameterTuningJob") if each["status"] == 200
    ]


def test_the_best_of_a_tuning(tuner, aws):
    """What it can cost is shown first; the best model is installed, the others are kept aside."""
    assert tuner.types("tune", "--full", "--trials=4", "--parallel=3", "--max-cost-usd=2.5") == 0, tuner.err
    plan = tuner.out.splitlines()[1:]  # after the review of the tub
    assert plan[0] == "4 trials, 3 at a time, on AWS in eu-west-1, as one tuning of SageMaker"
    assert re.search(r"^All of them together: likely \S+ USD, at most 2\.50 USD$", tuner.out, re.MULTILINE)
    assert "SageMaker ends the tuning after 3.2 h, to stay within that" in tuner.out
    (name,) = re.findall(f"^The tuning ({NAME}) is running on AWS in eu-west-1$", tuner.out, re.MULTILINE)
    rows = table_of(tuner.out[tuner.out.rindex("Billed ") :])
    losses = [float(row["val. loss"]) for row in rows if row["val. loss"] != "-"]
    assert losses == sorted(losses) and len(rows) == 4
    assert all(re.fullmatch(r"0\.\d+ USD", row["cost"]) for row in rows)
    assert {row["job"][: len(name) + 4] for row in rows} == {f"{name}-00{number}" for number in "1234"}
    assert f"The best is trial {rows[0]['trial']}: {rows[0]['settings']}" in tuner.out.splitlines()
    assert "Installed models/" in tuner.out
    tunings, jobs = ledgers(tuner)
    assert tunings == {name: "installed"}
    assert jobs.pop(rows[0]["job"]) == "installed" and set(jobs.values()) == {"kept aside"}
    assert sorted(os.listdir(str(tuner.path / "kept_aside"))) == sorted(jobs)
    sagemaker = aws.client("sagemaker")
    best = sagemaker.describe_training_job(TrainingJobName=rows[0]["job"])
    assert best["HyperParameters"]["_tuning_objective_metric"] == METRIC
    assert len(started(aws)) == 1 and not aws.requests("sagemaker", "CreateTrainingJob")


def test_trials_of_the_real_trainer(owner, aws):
    """Models of two types drive along the tub; SageMaker and the table agree on the best one."""
    push_own_image(aws, [sys.executable, os.path.join(container_path(), "train")])
    aws.set(quotas={"ml.m5.xlarge for training job usage": 2})
    owner.configures('SAGEMAKER_TUNE = {"DEFAULT_MODEL_TYPE": ["linear", "categorical"]}')
    owner.configures("SAGEMAKER_DRIVING_PROOF = True")
    owner.configures("SAGEMAKER_SEED = 4")  # with which the stand-in chooses one trial of each type
    words = ["--trials=2", "--parallel=2", "--model=models/best", "--set", "SAGEMAKER_INSTALL=always"]
    assert owner.types("tune", "--full", *words) == 0, owner.err
    rows = table_of(owner.out[owner.out.rindex("Billed ") :])
    assert sorted(row["settings"] for row in rows) == [
        "DEFAULT_MODEL_TYPE=categorical",
        "DEFAULT_MODEL_TYPE=linear",
    ]
    drove = [float(row["off/100 m"]) for row in rows]
    assert drove == sorted(drove) and "Installed models/best" in owner.out
    ((name, _state),) = ledgers(owner)[0].items()
    trials = aws.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    objectives = {
        trial["TrainingJobName"]: trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for trial in trials
    }
    assert min(objectives, key=objectives.get) == rows[0]["job"]
    assert all(0 <= value < 10 for value in objectives.values())  # they drove: others come from 20 on


def test_another_process_continues(tuner, aws, monkeypatch):
    """Ctrl-C leaves the tuning running; --attach installs its best model, once, whatever was collected."""

    def interrupt(watch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_tuning.TuningWatch, "_watch", interrupt)
        assert tuner.types("tune", "--full", "--trials=2", "--parallel=2", "--model=models/best") == 130
    (name,) = ledgers(tuner)[0]
    assert tuner.err == (
        f"Detached. The tuning {name} continues and is billed until it ends, at most 2.06 USD.\n"
        "Come back with `python manage.py sagemaker-tune --attach`, or end it with `python manage.py"
        f" sagemaker-stop {name}`.\n"
    )
    # The same command does not start, and pay for, another one
    assert tuner.types("tune", "--full", "--trials=2", "--parallel=2", "--model=models/best", "--detach") == 0
    assert f"The tuning {name} already tries exactly this: attaching to it" in tuner.out
    assert len(started(aws)) == 1
    assert tuner.types("jobs") == 0 and "models/best" in tuner.out, tuner.out
    with monkeypatch.context() as patched:  # a crash before the best one is installed
        patched.setattr(_tuning, "install_the_best", interrupt_of(OSError("no space")))
        with pytest.raises(OSError, match="no space"):
            tuner.types("tune", "--attach", "--debug")
    assert ledgers(tuner)[0] == {name: "launched"} and set(ledgers(tuner)[1].values()) == {"kept aside"}
    assert tuner.types("tune", "--attach") == 0, tuner.err
    assert f"Tuning {name}\n" in tuner.out and "Installed models/best" in tuner.out
    assert len(table_of(tuner.out[tuner.out.rindex("Billed ") :])) == 2
    assert tuner.types("tune", f"--attach={name}") == 0 and "Its model is installed already." in tuner.out
    assert tuner.types("tune", "--attach") == 2 and "This car has no pending job." in tuner.err


def interrupt_of(error):
    def fail(*_arguments, **_named):
        raise error

    return fail


def test_a_tuning_whose_trials_all_fail(tuner):
    """The reason of the first one is shown, and nothing is installed."""
    tuner.configures("MAX_EPOCHS = 1\nSAGEMAKER_TUNE = {'LEARNING_RATE': (0.0003, 0.03)}")
    tuner.configures("SAGEMAKER_HYPERPARAMETERS = {'MAX_EPOCHS': 1}")
    assert tuner.types("tune", "--full", "--trials=2", "--parallel=2") == 1
    assert tuner.err.startswith(
        "None of 2 trials has left a model. The first one that failed: One epoch is not enough\n"
    ), tuner.err
    assert set(ledgers(tuner)[0].values()) == set(ledgers(tuner)[1].values()) == {"failed"}


def test_a_tuning_is_stopped(tuner, aws):
    """By sagemaker-stop, from anywhere; what its trials have learned can still be compared."""
    aws.set(phase_s={"Downloading": 3600})
    assert tuner.types("tune", "--full", "--trials=3", "--detach") == 0, tuner.err
    (name,) = ledgers(tuner)[0]
    assert tuner.types("stop") == 0
    assert tuner.out == (
        f"The tuning {name} and its trials were asked to stop.\n"
        "To compare their models so far, and install the best one:\n"
        f"  python manage.py sagemaker-tune --attach={name}\n"
    )
    assert tuner.types("tune", f"--attach={name}") == 1
    assert "None of 1 trials has left a model." in tuner.err, tuner.err
    assert tuner.types("stop", name) == 0  # it has ended: nothing changes


def test_aws_does_not_know_it(tuner, aws):
    """A trial that somebody has deleted is left out; a tuning that was never started is forgotten."""
    unknown = {"status": 400, "code": "ResourceNotFound", "message": "Requested resource not found."}
    assert tuner.types("tune", "--full", "--trials=2", "--parallel=2", "--detach") == 0, tuner.err
    (name,) = ledgers(tuner)[0]
    aws.fault("error", operation="DescribeHyperParameterTuningJob", **unknown)
    assert tuner.types("tune", "--attach") == 3
    assert (
        tuner.err.startswith(f"There is no job named {name} on AWS in eu-west-1.") and not ledgers(tuner)[0]
    )
    aws.fault("error", operation="DescribeTrainingJob", **unknown)
    assert tuner.types("tune", f"--attach={name}") == 0, tuner.err  # as from another machine
    rows = table_of(tuner.out[tuner.out.rindex("\ntrial ") :])
    assert len(rows) == 2 and [row["val. loss"] == "-" for row in rows] == [False, True]


def test_a_login_that_expires(tuner, aws):
    """The message says that the tuning continues, and how to come back."""
    assert tuner.types("tune", "--full", "--trials=1", "--detach") == 0, tuner.err
    (name,) = ledgers(tuner)[0]
    expired = {"status": 400, "code": "ExpiredTokenException", "message": "The security token is expired"}
    aws.fault("error", operation="DescribeHyperParameterTuningJob", **expired)
    assert tuner.types("tune", "--attach") == 3
    assert (
        f"The tuning {name} continues and is billed until it ends. Come back with `python manage.py"
        " sagemaker-tune --attach`.\n"
    ) in tuner.err


def test_what_it_may_cost(tuner, aws):
    """A limit that no tuning could keep is refused before anything is uploaded or billed."""
    assert tuner.types("tune", "--full", "--trials=2", "--max-cost-usd=0.02") == 2
    assert tuner.err == (
        "1 trial at a time on ml.m5.xlarge could cost more than --max-cost-usd 0.02 before SageMaker has"
        " ended them.\nLower --parallel, choose another --instance-type, or raise --max-cost-usd.\n"
    )
    assert tuner.types("tune", "--full", "--trials=2", "--max-cost-usd=0.1", "--dry-run") == 0
    assert "All of them together: likely" in tuner.out and "at most 0.100 USD" in tuner.out
    assert not aws.requests("s3", "PutObject") and not started(aws)
    assert (
        tuner.types("tune", "--full", "--trials=4", "--parallel=4") == 2
        or "but this job needs 4" in tuner.err
    )


def test_what_sagemaker_cannot_try(tuner, aws):
    """Settings that a trial could not have are refused before anything is sent."""
    for space, words in (
        ({"SAGEMAKER_INSTANCE_TYPE": ["ml.m5.large", "ml.m5.xlarge"]}, "SAGEMAKER_INSTANCE_TYPE"),
        ({"SAGEMAKER_SLIDE": [0, 1000]}, "1000 is not"),
        ({"AUGMENTATIONS": [[], ["BLURR"]]}, "there is no 'BLURR'"),
        ({"LEARNING_RATE": (-0.1, 0.1)}, "LEARNING_RATE = -0.1"),
        ({"IMAGE_W": [80, 160]}, "IMAGE_W"),
        ({"DEFAULT_MODEL_TYPE": ["linear", "categorical"]}, "there is only one value of each"),
        ({"BATCH_SIZE": [64]}, "there is only one value of each"),
        ({"BATCH_SIZE": list(range(1, 40))}, "has 39 values; the maximum is 30"),
    ):
        tuner.configures(f"SAGEMAKER_TUNE = {space!r}")
        assert tuner.types("tune", "--full", "--trials=2") == 2 and words in tuner.err, (space, tuner.err)
    tuner.configures(
        'SAGEMAKER_TUNE = {"DEFAULT_MODEL_TYPE": ["linear", "categorical"], "BATCH_SIZE": [32, 64]}'
    )
    assert tuner.types("tune", "--full", "--dry-run") == 0
    assert (
        "DEFAULT_MODEL_TYPE stays linear: without SAGEMAKER_DRIVING_PROOF, models of different types cannot"
        " be compared\n"
    ) in tuner.out
    assert "Trying BATCH_SIZE: 32, 64\n" in tuner.out
    assert not started(aws)
