"""sagemaker-train on AWS when something fails: capacity, quotas, the network, the login; Ctrl-C and spot."""

import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow check the model")

from aws_owner import TRAIN, await_epochs, is_installed, push_own_image, started_jobs
from donkey_sagemaker.aws import connection
from donkey_sagemaker.aws.connection import Timing
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.training import watch

CONTINUES = (
    r"\nThe job donkey-pilot-\S+ continues and is billed until it ends, at most 1\.03 USD\. "
    r"Attach to it with `python manage\.py sagemaker-train --attach`, or end it with "
    r"`python manage\.py sagemaker-stop`\.\n$"
)
PORTAL = {"status": 200, "code": "text/html", "message": "<html><title>Hotel Wi-Fi</title></html>"}


def test_the_next_type_is_tried_where_the_first_has_no_capacity(owner, aws, image):
    """Under a new name, with the same files; a warning names the first type."""
    image()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.m5.xlarge", "ml.m5.large"]')
    assert owner.types(*TRAIN) == 0, owner.err
    assert "Warning: no capacity for ml.m5.xlarge: trying ml.m5.large\n" in owner.out
    names = re.findall(r"^Job (\S+) is running", owner.out, re.MULTILINE)
    assert len(set(names)) == 2 and is_installed(owner)
    assert owner.types("jobs") == 0
    assert re.search(rf"^{names[0]} +failed ", owner.out, re.MULTILINE)


def test_aws_takes_the_next_type(owner, aws, image, boto3_with_preferences):
    """It is asked once, with both; bill, ledger and estimates have the type that it took."""
    image()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.m5.xlarge", "ml.m5.large"]')
    assert owner.types(*TRAIN) == 0, owner.err
    assert "Warning: no capacity for ml.m5.xlarge: AWS took ml.m5.large\n" in owner.out
    assert len(started_jobs(aws)) == 1 and is_installed(owner)
    (entry,) = open_car(str(owner.path), flags={}).ledger.entries()
    assert entry.job.instance_type == "ml.m5.large"
    bill = entry.outcome.bill
    assert bill.cost_usd == pytest.approx(bill.billed_s / 3600 * 0.128)


def test_aws_has_none_of_them(owner, aws, image, boto3_with_preferences):
    """It has tried both, so neither is tried again."""
    image()
    lacks = {"wait_s": 0, "fails": True}
    aws.set(capacity={"ml.m5.xlarge": lacks, "ml.m5.large": lacks})
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.m5.xlarge", "ml.m5.large"]')
    assert owner.types(*TRAIN) == 1
    assert "CapacityError" in owner.err and len(started_jobs(aws)) == 1


def test_no_capacity_for_any_type(owner, aws, image):
    """The message proposes a list of types."""
    image()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    assert owner.types(*TRAIN) == 1
    assert "CapacityError" in owner.err and "SAGEMAKER_INSTANCE_TYPE" in owner.err


def test_a_type_without_quota_is_left_out(owner, aws, image):
    """If another type has quota, before anything is uploaded."""
    image()
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.g4dn.xlarge", "ml.m5.xlarge"]')
    push_own_image(aws, ["false"], device="gpu")
    assert owner.types(*TRAIN) == 0, owner.err
    assert "quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0" in owner.out
    assert len(started_jobs(aws)) == 1


def test_no_quota_for_any_type_is_reported_before_the_upload(owner, aws):
    """The exit code is 3; the message names the quota, and a type that has one."""
    push_own_image(aws, ["false"], device="gpu")
    assert owner.types(*TRAIN, "--instance-type", "ml.g5.xlarge") == 3
    assert (
        "ml.g5.xlarge for training job usage" in owner.err and '"ml.m5.large", which has quota' in owner.err
    )
    assert not aws.requests("s3", "PutObject")


def test_hours_without_a_network_do_not_end_the_watch(owner, aws, image, monkeypatch):
    """A single warning is printed, and the watch continues when AWS answers again."""
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    assert owner.types("stop") == 0
    aws.fault("refuse", operation="DescribeTrainingJob", times=60)
    monkeypatch.setattr(connection, "DEFAULT_TIMING", Timing(pauses_s=(0.0, 0.0)))
    monkeypatch.setattr(watch, "LONGEST_WAIT_S", 0.1)
    assert owner.types("train", "--attach") == 0, owner.err
    assert owner.out.count("The job continues; trying again until AWS answers.") == 1
    assert "AWS answers again, after " in owner.out and is_installed(owner)


def test_a_log_that_cannot_be_read_loses_no_model(owner, aws, image):
    """The missing permission is reported, the job is watched to its end, and its model installed."""
    image()
    aws.set(denied=["logs:*"])
    assert owner.types(*TRAIN) == 0, owner.err
    assert is_installed(owner)
    denied = "is not allowed to use logs:DescribeLogStreams on arn:aws:logs:eu-west-1:123456789012:"
    assert owner.out.count(denied) == 1
    assert "The job continues without its log." in owner.out


def test_an_expired_login_does_not_end_the_job(owner, aws, image):
    """The exit code is 3, and the message says so; after a new login the job can be stopped and installed."""
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    aws.set(expired=True)
    assert owner.types("train", "--attach") == 3
    assert re.match(
        r"Your AWS login has expired \[ExpiredToken\w*\]\. A job that has started keeps running\.\n",
        owner.err,
    )
    assert re.search(CONTINUES, owner.err)
    aws.set(expired=False)
    assert owner.types("stop", "--install") == 0, owner.err
    assert is_installed(owner)


def test_a_job_that_may_not_be_described_is_not_lost(owner, aws, image, monkeypatch):
    """For a moment: it is watched on. For good: the command ends, and says what the job costs at most."""
    image("waits")
    monkeypatch.setattr(watch, "DENIED_S", 0.3)
    aws.set(denied=["sagemaker:DescribeTrainingJob"])
    assert owner.types(*TRAIN) == 3
    assert "is not allowed to use sagemaker:DescribeTrainingJob" in owner.err
    assert "The job continues; trying again for two minutes." in owner.out
    assert re.search(CONTINUES, owner.err)
    aws.set(denied=[])
    await_epochs(aws)
    aws.fault(
        "error", operation="DescribeTrainingJob", status=400, code="AccessDeniedException", message="No."
    )
    assert owner.types("stop", "--install") == 0, owner.err
    assert "AWS answers again, after " in owner.out and is_installed(owner)
    assert len(started_jobs(aws)) == 1


def test_a_job_that_may_have_been_started(owner, aws, image, monkeypatch):
    """The same command finds out, and pays for one job."""
    image()
    monkeypatch.setattr(connection, "DEFAULT_TIMING", Timing(pauses_s=(0.0,)))
    aws.fault("lose_response", operation="CreateTrainingJob", times=2)
    assert owner.types(*TRAIN) == 3
    assert re.search(
        r"\nThe job donkey-pilot-\S+ may have been started: the same command finds out and attaches to it\.",
        owner.err,
    )
    assert owner.types(*TRAIN) == 0, owner.err
    assert "already trains exactly this: attaching to it" in owner.out and is_installed(owner)
    assert len(started_jobs(aws)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "operation": "PutObject", "times": 3},
        {"kind": "cut_request", "operation": "PutObject", "times": 2},
        {"kind": "lose_response", "operation": "PutObject", "times": 2},
        {"kind": "error", "operation": "PutObject", "times": 2, "status": 503, "code": "SlowDown"},
        {"kind": "foreign", "operation": "PutObject", "times": 2, **PORTAL},
        {"kind": "foreign", "operation": "CreateTrainingJob", "times": 2, **PORTAL},
        {"kind": "foreign", "operation": "*", "times": 4, **PORTAL},
        {"kind": "cut_response", "operation": "GetObject", "times": 3},
        {"kind": "corrupt_response", "operation": "GetObject", "times": 1},
        {"kind": "refuse", "operation": "CreateTrainingJob", "times": 2},
        {
            "kind": "error",
            "operation": "*TrainingJob",
            "times": 3,
            "status": 400,
            "code": "ThrottlingException",
        },
    ],
    ids=lambda fault: "{kind}-{operation}".format(**fault),
)
def test_a_flaky_link_loses_nothing(owner, aws, image, fault):
    """There is one job and one model, whatever fails on the way."""
    image()
    aws.fault(**fault)
    assert owner.types(*TRAIN) == 0, owner.err
    assert is_installed(owner)
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]


def test_a_hang_up_detaches_and_the_job_continues(owner, aws, image):
    """A closed laptop or a lost ssh connection sends one; the model can be installed later."""
    image("waits")
    program = (
        "import sys; from donkey_sagemaker import cli; from donkey_sagemaker.aws.backend import AwsCloud;"
        "AwsCloud.poll_s = 0.1; sys.exit(cli.main(sys.argv[1:]))"
    )
    watching = subprocess.Popen(
        [sys.executable, "-c", program] + TRAIN,
        cwd=str(owner.path),
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for line in watching.stdout:
        if b"epoch   2/2" in line:
            break
    watching.send_signal(signal.SIGHUP)
    _, error = watching.communicate(timeout=60)
    assert watching.returncode == 130, error.decode()
    assert re.match(
        rb"Detached\. The job donkey-pilot-\S+ continues and is billed until it ends, at most 1\.03 USD\.\n",
        error,
    )
    assert owner.types("stop", "--install") == 0, owner.err
    assert is_installed(owner)


def test_spot_jobs_ask_for_checkpoints(owner, aws, image):
    """They survive an interruption of their instance."""
    image("waits")
    assert owner.types(*TRAIN, "--spot", "--detach") == 0, owner.err
    name = await_epochs(aws)
    state = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert state["EnableManagedSpotTraining"] and state["CheckpointConfig"]["S3Uri"].endswith(
        name + "/checkpoints"
    )
    assert owner.types("stop", "--install") == 0, owner.err
    assert is_installed(owner)


def test_an_interrupted_spot_job_is_watched_to_its_model(owner, aws, image):
    """SageMaker starts it again by itself; the watch reports it, and what it has learned is installed."""
    image("waits")
    assert owner.types(*TRAIN, "--spot", "--detach") == 0, owner.err
    name = await_epochs(aws)
    aws.interrupt(name)
    await_epochs(aws, attempts=2)
    assert owner.types("stop", "--install") == 0, owner.err
    assert "State: Training\nState: Interrupted\nState: Starting\n" in owner.out
    assert is_installed(owner) and len(started_jobs(aws)) == 1
