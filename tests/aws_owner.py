"""What the tests of sagemaker-train and -setup on AWS share: a car's owner, and an image of our own."""

import os
import shutil
import sys
import time

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.stack import Stack
from donkey_sagemaker.car.runtime import find_runtime
from small_donkeycar import install_small_donkeycar

HERE = os.path.dirname(os.path.abspath(__file__))
TRAIN = ["train", "--model", "models/pilot"]
STACK_SETTINGS = ("REGION", "BUCKET", "ROLE_ARN")  # those that setup writes


def canned_container(model, behaviour):
    """The command of a container that delivers a finished model; see canned_container.py."""
    return [sys.executable, os.path.join(HERE, "canned_container.py"), str(model), behaviour]


def push_own_image(aws, command, *, device="cpu"):
    """Pushes an image of our own for the cars of this environment, and returns its URI."""
    uri = aws.push_image("donkey-sagemaker", f"{find_runtime().generation}-{device}")
    aws.image(uri, command=command)
    return uri


@pytest.fixture
def aws_car(create_car, drawn_tub, tmp_path):
    """A car made by `donkey createcar`, with a drawn tub as its data."""
    path = create_car(tmp_path / "mycar")
    os.rmdir(str(path / "data"))
    shutil.copytree(drawn_tub, str(path / "data"))
    with open(str(path / "myconfig.py"), "a") as file:
        file.write("\nMAX_EPOCHS = 1\nSAGEMAKER_DRIVING_PROOF = False\n")
    return path


class Owner:
    """A car's owner at the terminal.

    Attributes:
        out, err: what the last command printed.
    """

    def __init__(self, path, capsys):
        self.path = path
        self._capsys = capsys
        self.out = self.err = ""

    def types(self, *words):
        """Runs a command in the car; returns its exit code."""
        code = cli.main(list(words), car_path=str(self.path))
        self.out, self.err = self._capsys.readouterr()
        return code

    def configures(self, line):
        with open(str(self.path / "myconfig.py"), "a") as file:
            file.write(line + "\n")

    @property
    def settings(self):
        """The lines of myconfig.py."""
        return (self.path / "myconfig.py").read_text().splitlines()

    @property
    def models(self):
        return sorted(name for name in os.listdir(str(self.path / "models")) if name != "database.json")


@pytest.fixture
def owner(aws_car, aws, monkeypatch, capsys):
    """The owner of a car whose myconfig.py has the account."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(AwsCloud, "poll_s", 0.1)
    monkeypatch.setattr(AwsCloud, "log_lag_s", 0.3)
    owner = Owner(aws_car, capsys)
    owner.configures(
        f"SAGEMAKER_REGION = {aws.region!r}\nSAGEMAKER_BUCKET = {aws.bucket!r}\nSAGEMAKER_ROLE_ARN ="
        f" {aws.role_arn!r}\nSAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}"
    )
    return owner


@pytest.fixture
def administrator(tmp_path, aws, monkeypatch, capsys):
    """The owner of a car, which only setup looks at, whose AWS account is still empty."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    car = tmp_path / "mycar"
    car.mkdir()
    (car / "config.py").write_text("MAX_EPOCHS = 1\n")
    (car / "myconfig.py").write_text(f"SAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n")
    return Owner(car, capsys)


@pytest.fixture
def newcomer(owner, monkeypatch):
    """An owner whose account is still empty."""
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    owner.configures("".join(f"SAGEMAKER_{name} = None\n" for name in STACK_SETTINGS))
    return owner


@pytest.fixture
def image(owner, aws, small_model):
    """A function that pushes our own image with a given behaviour; the car gets the small donkeycar."""
    install_small_donkeycar(owner.path)

    def make(behaviour="trains"):
        return push_own_image(aws, canned_container(small_model, behaviour))

    return make


def await_epochs(aws, *, attempts=1):
    """Returns the newest job once so many of its containers have finished an epoch."""
    sagemaker, logs = aws.client("sagemaker"), aws.client("logs")
    job = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Descending")
    name = job["TrainingJobSummaries"][0]["TrainingJobName"]
    aws.wait_for_job(name, "Training")
    group = "/aws/sagemaker/TrainingJobs"

    def count_epochs(stream):
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return sum("epoch=2" in event["message"] for event in page["events"])

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.05)
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:  # nothing was ever printed
            continue
        if sum(map(count_epochs, streams)) >= attempts:
            return name
    raise AssertionError("no epoch came")


def started_jobs(aws):
    """Every accepted request to start a job."""
    return [each for each in aws.requests("sagemaker", "CreateTrainingJob") if each["status"] == 200]


def is_installed(owner):
    return {"pilot.tflite", "pilot.png", "pilot.history.json"} <= set(owner.models)
