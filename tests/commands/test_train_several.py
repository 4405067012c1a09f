"""sagemaker-train --instance-count: several machines share a training, on AWS alone."""

import json
import os
import re
import sys

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow check the model")

from aws_owner import TRAIN, is_installed, push_own_image
from crew import free_ports
from donkey_sagemaker.resources import container_path
from trainer.tensorflow_versions import IS_TENSORFLOW_1

TWO = "--instance-count=2"
QUOTA = "ml.m5.xlarge for training job usage"


@pytest.fixture
def several(owner, aws):
    """The account's quota allows two machines, which find each other on the loopback."""
    addresses = {f"algo-{n}": f"127.0.0.1:{port}" for n, port in enumerate(free_ports(2), start=1)}
    uri = push_own_image(aws, [])
    aws.image(
        uri,
        command=[sys.executable, os.path.join(container_path(), "train")],
        environment={"DONKEY_SAGEMAKER_ADDRESSES": json.dumps(addresses)},
    )
    aws.set(quotas={QUOTA: 2})
    return owner


@pytest.mark.skipif(IS_TENSORFLOW_1, reason="TensorFlow 1 trains on one machine")
def test_two_machines_make_one_model(several, aws):
    """The car watches, pays for both, and installs the leader's model."""
    assert several.types(*TRAIN, TWO) == 0, several.err
    assert is_installed(several)
    sagemaker = aws.client("sagemaker")
    (listed,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    job = sagemaker.describe_training_job(TrainingJobName=listed["TrainingJobName"])
    assert job["ResourceConfig"]["InstanceCount"] == 2
    channels = [each["DataSource"]["S3DataSource"] for each in job["InputDataConfig"]]
    assert {each["S3DataDistributionType"] for each in channels} == {"FullyReplicated"}
    assert several.out.count("epoch   1/1") == 1
    assert re.search(r"^Billed \d+ s", several.out, re.MULTILINE)


def test_estimate_counts_all_machines(several, aws):
    """What the job costs at most, and what a dry run shows."""
    assert several.types(*TRAIN, TWO, "--dry-run") == 0, several.err
    for line in (
        r"where     on AWS in eu-west-1, 2 on-demand ml\.m5\.xlarge, stopped after 4\.0 h",
        r"costs     2 machines, each at 0\.257 USD an hour .*, at most 2\.06 USD",
    ):
        assert re.search(f"^{line}$", several.out, re.MULTILINE), several.out
    several.configures("SAGEMAKER_MAX_COST_USD = 1.5")
    assert several.types(*TRAIN, "--dry-run") == 0
    assert several.types(*TRAIN, TWO) == 2
    assert several.err.startswith("This job could cost 2.06 USD on ml.m5.xlarge")
    assert not aws.requests("s3", "PutObject")


def test_quota_counts_all_machines(several, aws):
    """Nothing is uploaded for a job that AWS would reject."""
    aws.set(quotas={QUOTA: 1})
    assert several.types(*TRAIN, TWO) == 3
    assert several.err.startswith(
        f"This account's quota for {QUOTA} in eu-west-1 is 1, but this job needs 2."
    )
    assert not aws.requests("s3", "PutObject")


def test_image_with_old_tensorflow_is_refused(several, aws):
    """Before anything is uploaded or billed."""
    uri = aws.push_image("donkey-sagemaker", "dk22-cpu")
    several.configures(f"SAGEMAKER_IMAGE = {uri!r}\nSAGEMAKER_INSTANCE_COUNT = 2")
    assert several.types(*TRAIN) == 2
    assert several.err == (
        f"SAGEMAKER_INSTANCE_COUNT is 2, but the image {uri} has TensorFlow 1, which trains on one machine"
        " only.\nAdd --instance-count=1 to the command, or set SAGEMAKER_INSTANCE_COUNT = 1 in myconfig.py.\n"
    )
    assert not aws.requests("s3", "PutObject")
    assert several.types(*TRAIN, "--instance-count=1", "--dry-run") == 0, several.err


def test_this_machine_trains_alone(several):
    """The error's fix works when it is typed."""
    several.configures("SAGEMAKER_INSTANCE_COUNT = 2")
    assert several.types(*TRAIN, "--local", "--dry-run") == 2
    assert several.err == (
        "SAGEMAKER_INSTANCE_COUNT is 2, but this machine trains alone: a training can have several machines"
        " only on AWS.\nAdd --instance-count=1 to the command, or set SAGEMAKER_INSTANCE_COUNT = 1 in"
        " myconfig.py.\n"
    )
    assert several.types(*TRAIN, "--local", "--instance-count=1", "--dry-run") == 0, several.err
