"""Several cars on one account: what they do and cost, their teams' budgets, and waiting for the quota."""

import json
import re
import shutil
import time

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow check the model")

from aws_owner import TRAIN, canned_container, push_own_image
from donkey_sagemaker import cli
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.cloud import open_account
from donkey_sagemaker.commands.train import train
from donkey_sagemaker.training.plan import TrainOptions
from donkey_sagemaker.ui import PlainUi

LINES = (
    "[donkey] epoch=2/2 loss=0.5 val_loss=0.25 best_val_loss=0.25 images=128 seconds=0.1",
    "times_off_per_100_m=3.5 driving_loss=3.55",
)


@pytest.fixture
def cars(owner, aws, image):
    """The owner's own car, of the team red, and two more, of which one has no team."""
    image()
    aws.set(quotas={"ml.m5.xlarge for training job usage": 10})
    others = []
    for name in ("green", "grey"):
        path = owner.path.parent / name
        shutil.copytree(str(owner.path), str(path))
        others.append(path)
    owner.configures('SAGEMAKER_TEAM = "red"\nSAGEMAKER_FOLDER = "blue"')
    with open(str(others[0] / "myconfig.py"), "a") as file:
        file.write('SAGEMAKER_TEAM = "red"\n')
    return others


def run(path, capsys, *words):
    code = cli.main(list(words), car_path=str(path))
    return (code, *capsys.readouterr())


def name_of_job(out):
    return re.search(r"^Job (\S+) is running", out, re.MULTILINE).group(1)


def test_the_teacher_sees_all_cars(owner, aws, cars, capsys):
    """Their jobs, what each team and each car has used, and their models."""
    green, grey = cars
    names = []
    for path in (owner.path, green, grey):
        code, out, err = run(path, capsys, *TRAIN, "--detach")
        assert code == 0, err
        names.append(name_of_job(out))
        aws.wait_for_job(names[-1])
    code, out, err = run(grey, capsys, "jobs", "--fleet", "--json")
    assert code == 0, err
    jobs = json.loads(out)
    assert [(job["job"], job["car"], job["team"], job["model"]) for job in jobs[::-1]] == [
        (names[0], "blue", "red", "pilot"),
        (names[1], "green", "red", "pilot"),
        (names[2], "grey", None, "pilot"),
    ]
    assert all(job["billed_s"] > 0 and job["cost_usd"] > 0 for job in jobs)

    code, out, err = run(grey, capsys, "jobs", "--fleet")
    lines = [re.split(r"  +", line) for line in out.splitlines()]
    assert lines[0] == ["job", "car", "team", "state", "billed", "cost"]
    assert lines[3][:4] == [names[0], "blue", "red", "completed"]
    sums = {line[0]: line[1] for line in lines[4:]}
    assert sums == {
        "team": "jobs",
        "-": "1",
        "red": "2",
        "car": "jobs",
        "blue": "1",
        "green": "1",
        "grey": "1",
    }
    code, out, err = run(grey, capsys, "jobs", "--fleet", "--sum")
    assert out.splitlines()[0].split() == ["team", "jobs", "billed", "cost"] and names[0] not in out

    code, out, err = run(grey, capsys, "models", "--fleet")
    assert code == 0, err
    head, newest, *_others = [re.split(r"  +", line) for line in out.splitlines()]
    row = dict(zip(head, newest))
    assert (row["model"], row["car"], row["epochs"], row["val. loss"]) == ("pilot", "grey", "2", "0.2500")
    assert row["job"] == names[2] and row["off/100 m"] == "-"


def test_what_the_trainer_prints_about_the_drive(owner, aws, cars, capsys):
    """Its line becomes a metric of the job."""
    aws.image("*", command=["printf", "\\n".join(LINES) + "\\n"])
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    aws.wait_for_job(name_of_job(owner.out))
    assert owner.types("jobs", "--fleet", "--json") == 0
    (job,) = json.loads(owner.out)
    assert job["metrics"]["times_off_per_100_m"] == 3.5 and job["metrics"]["driving_loss"] == 3.55


def test_an_account_without_jobs(owner, aws):
    """And a backend that has no fleet."""
    assert owner.types("jobs", "--fleet") == 0
    assert owner.out == "No car of this account has started a job in the last 30 days.\n"
    assert owner.types("models", "--fleet") == 0
    assert owner.out == "No car of this account has trained a model in the last 30 days.\n"
    assert owner.types("jobs", "--fleet", "--local") == 2
    assert owner.err == (
        '--fleet lists what all cars of an AWS account do, but SAGEMAKER_BACKEND is "local".\n'
        "Leave out --fleet.\n"
    )


def paste(fix):
    """The options of a command that a message suggests."""
    return re.search(r"`python manage\.py sagemaker-train (.*)`", fix).group(1).split()


def test_a_budget_in_minutes(owner, aws, cars, capsys, small_model):
    """What still fits is suggested, and works, also when the same command is given again."""
    green, _grey = cars
    aws.image("*", command=canned_container(small_model, "waits"))
    owner.configures("SAGEMAKER_TEAM_MINUTES = 60")
    code, out, err = run(green, capsys, *TRAIN, "--detach", "--set", "SAGEMAKER_MAX_RUNTIME_S=1800")
    assert code == 0, err
    for option in ([], ["--dry-run"]):
        assert owner.types(*TRAIN, *option) == 2
        assert owner.err == (
            "The team red may use 60 minutes this month (SAGEMAKER_TEAM_MINUTES). Its ended jobs have used "
            "0.0, those that run may use 30.0 more, and this one could take 240.0.\n"
            "Limit it: `python manage.py sagemaker-train --set SAGEMAKER_MAX_RUNTIME_S=1800`.\n"
        )
    fitting = [*TRAIN, "--detach", *paste(owner.err)]
    assert owner.types(*fitting) == 0, owner.err
    assert owner.types(*fitting) == 0, owner.err  # attaches to it
    assert owner.types("train", "--model", "models/next") == 2
    assert owner.err.splitlines()[1] == "Raise SAGEMAKER_TEAM_MINUTES, or wait for the next month."


def test_a_budget_in_dollars(owner, aws, cars):
    """The most that a job can cost counts, at the price of its instance type."""
    owner.configures("SAGEMAKER_TEAM_USD = 0.10")
    assert owner.types(*TRAIN) == 2
    assert owner.err == (
        "The team red may use 0.100 USD this month (SAGEMAKER_TEAM_USD). Its ended jobs have used 0.000 USD, "
        "those that run may use 0.000 USD more, and this one could take 1.03 USD.\n"
        "Limit it: `python manage.py sagemaker-train --set SAGEMAKER_MAX_RUNTIME_S=1400`.\n"
    )
    assert owner.types(*TRAIN, "--detach", *paste(owner.err)) == 0, owner.err


def test_a_budget_that_cannot_be_enforced(owner, aws, cars):
    """Without a team, without a price, or without the permission, no job starts."""
    owner.configures("SAGEMAKER_TEAM_USD = 0.10")
    aws.set(denied=["pricing:*"], quotas={"ml.p3.2xlarge for training job usage": 1})
    assert owner.types(*TRAIN, "--instance-type", "ml.p3.2xlarge") == 2
    assert owner.err.startswith("The price of 1 of this month's jobs of the team red is not known, so SAGEM")
    aws.set(denied=["sagemaker:Search"])
    assert owner.types(*TRAIN) == 3
    assert "sagemaker:Search" in owner.err
    owner.configures("SAGEMAKER_TEAM = None")
    assert owner.types(*TRAIN) == 2
    assert owner.err.splitlines()[0] == "SAGEMAKER_TEAM_USD is set, but the car has no team."


class Waiting(list):
    """A sleep that only records its seconds, and then lets something happen."""

    def __init__(self, happens):
        self._happens = happens

    def __call__(self, seconds):
        self.append(seconds)
        self._happens()


@pytest.fixture
def first(owner, aws, image, small_model):
    """The name of a job that uses all of the quota until it is stopped. Later jobs train."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 1})
    push_own_image(aws, canned_container(small_model, "waits"))
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    name = name_of_job(owner.out)
    aws.image("*", command=canned_container(small_model, "trains"))
    return name


def test_a_job_waits_until_another_one_has_ended(owner, aws, first, capsys):
    """The quota is in use: it starts as soon as AWS accepts it, and only once."""
    waiting = Waiting(lambda: stop(aws, first))
    car = train_next(owner, waiting)
    out = capsys.readouterr().out
    assert (
        "This account's quota for ml.m5.xlarge for training job usage in eu-west-1 is 1, with 1 in use "
        "[ResourceLimitExceeded]. Waiting up to 60 min for other jobs to end.\n"
    ) in out
    assert len(waiting) == 1 and 30 <= waiting[0] <= 60
    assert name_of_job(out) != first and len(car.ledger.pending()) == 2


def test_the_car_is_free_while_its_job_waits(owner, aws, first, capsys):
    """Whoever types the same command again starts the same job, and the first one attaches to it."""
    others = []

    def train_elsewhere():
        stop(aws, first)
        assert owner.types("train", "--model", "models/next", "--detach") == 0, owner.err
        others.append(name_of_job(owner.out))
        # as another launch does with one that is over an hour old and that AWS does not know
        open_car(str(owner.path), flags={}).ledger.remove(others[0])

    capsys.readouterr()
    car = train_next(owner, Waiting(train_elsewhere))
    assert "Waiting for process" not in capsys.readouterr().out
    assert sorted(job.name for job in car.ledger.pending()) == sorted([first, *others])
    jobs = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert sorted(job["TrainingJobName"] for job in jobs) == sorted([first, *others])


def stop(aws, name):
    aws.client("sagemaker").stop_training_job(TrainingJobName=name)
    aws.wait_for_job(name)


def train_next(owner, sleep):
    """Another training in the same car; returns the car."""
    car = open_car(str(owner.path), flags={})
    options = TrainOptions(model="models/next", detach=True)
    train(car, open_account(car.settings).open_cloud(), PlainUi(), options, sleep=sleep)
    return car


def test_a_wait_has_an_end(owner, aws, image, small_model, capsys):
    """Then the command ends as it does where the quota is too small, and nothing is left behind."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 1}, phase_s={"Starting": 1e6})
    image()
    owner.configures("SAGEMAKER_QUOTA_WAIT_S = 0")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    started = time.monotonic()
    assert owner.types("train", "--model", "models/next") == 3
    assert "is 1, with 1 in use [ResourceLimitExceeded]" in owner.err and time.monotonic() - started < 30
    assert len(open_car(str(owner.path), flags={}).ledger.pending()) == 1
