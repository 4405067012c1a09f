"""What a car's key and a job's role reach, decided as IAM does."""

import pytest

from donkey_sagemaker.aws.policies import (
    car_role_pattern,
    make_bucket_policy,
    make_car_policy,
    make_job_policy,
)
from iam import is_allowed, is_denied
from some_policies import ACCOUNT, BLUE, BLUE_JOB, NAMES

OBJECTS = "arn:aws:s3:::tubs/donkeycar/"
OWN = [
    ("s3:PutObject", OBJECTS + "cars/blue/jobs/donkey-1/car/myconfig.py"),
    ("s3:GetObject", OBJECTS + "cars/blue/models/donkey-1/output/model.tar.gz"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/donkey-sagemaker/blue/donkey-sagemaker-CarRole-1"),
    (
        "logs:GetLogEvents",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:"
        "donkey-1/algo-1-1",
    ),
]
FOREIGN = [
    ("s3:GetObject", "arn:aws:s3:::other/donkeycar/x"),
    ("s3:GetObject", "arn:aws:s3:::tubs/private/x"),
    ("s3:GetObject", OBJECTS + "cars/red/jobs/donkey-1/car/myconfig.py"),
    ("s3:GetObject", OBJECTS + "cars/red/models/donkey-1/output/model.tar.gz"),
    ("s3:GetObject", OBJECTS + "jobs/donkey-1/car/myconfig.py"),
    ("s3:GetObject", OBJECTS + "shards/0.zip"),
    ("s3:PutObject", OBJECTS + "cars/red/code/0/trainer.pyz"),
    ("s3:PutObject", OBJECTS + "cars/blue-2/code/0/trainer.pyz"),
    ("s3:PutObject", OBJECTS + "code/0/trainer.pyz"),
    ("s3:PutObject", OBJECTS + "images/0.zip"),
    ("s3:PutObject", OBJECTS + "models/donkey-1/output/model.tar.gz"),
    ("s3:PutObject", OBJECTS + "shards/0.zip"),
    ("s3:DeleteObject", OBJECTS + "shards/0.zip"),
    ("s3:DeleteObject", OBJECTS + "cars/blue/code/0/trainer.pyz"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/donkey-sagemaker/red/donkey-sagemaker-CarRole-1"),
    ("iam:CreateUser", "*"),
    ("codebuild:StartBuild", "arn:aws:codebuild:eu-west-1:123456789012:project/donkey-sagemaker"),
    ("logs:GetLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/codebuild/donkey-sagemaker:x"),
    (
        "logs:GetLogEvents",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:"
        "theirs/algo-1-1",
    ),
    ("sagemaker:StopTrainingJob", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/theirs"),
]


@pytest.mark.parametrize("action, resource", OWN + FOREIGN)
def test_stolen_card(action, resource):
    """The car's key gives access to the car's own folder, and to nothing else in the account."""
    context = dict(BLUE, **{"iam:PassedToService": "sagemaker.amazonaws.com"})
    names = NAMES._replace(role_arn=car_role_pattern(partition="aws", account=NAMES.account))
    assert is_allowed(make_car_policy(names), action, resource, context) == ((action, resource) in OWN)


def test_a_shard_is_written_once():
    """A car may add one, and nobody may replace one, whatever a policy made by hand allows."""
    shard = OBJECTS + "shards/0.zip"
    for context, once in ((BLUE, False), (dict(BLUE, **{"s3:if-none-match": "*"}), True)):
        assert is_allowed(make_car_policy(NAMES), "s3:PutObject", shard, context) == once
        assert is_denied(make_bucket_policy(NAMES), "s3:PutObject", shard, context) == (not once)


@pytest.mark.parametrize(
    "prefix, allowed",
    [
        ("donkeycar/cars/blue/", True),
        ("donkeycar/shards/", True),
        ("donkeycar/jobs/donkey-1/launch.json", True),
        ("donkeycar/cars/red/", False),
        ("donkeycar/models/donkey-1/output/model.tar.gz", True),
        ("donkeycar/jobs/", False),
        ("donkeycar/models/", False),
        ("donkeycar/", False),
        ("", False),
        (None, False),
    ],
)
def test_a_car_lists_its_own_objects(prefix, allowed):
    """Names tell which cars there are and what they train."""
    context = BLUE if prefix is None else dict(BLUE, **{"s3:prefix": prefix})
    assert is_allowed(make_car_policy(NAMES), "s3:ListBucket", "arn:aws:s3:::tubs", context) == allowed


@pytest.mark.parametrize(
    "key, reads, writes",
    [
        ("cars/blue/models/a/output/model.tar.gz", False, True),
        ("cars/blue/jobs/a/car/myconfig.py", True, False),
        ("cars/blue/code/0/trainer.pyz", True, False),
        ("shards/0.zip", True, False),
        ("cars/red/models/a/output/model.tar.gz", False, False),
        ("cars/red/jobs/a/car/myconfig.py", False, False),
        ("cars/red/code/0/trainer.pyz", False, False),
        ("models/a/output/model.tar.gz", False, False),
        ("jobs/a/car/myconfig.py", False, False),
    ],
)
def test_a_job_stays_in_the_folder_of_its_car(key, reads, writes):
    """It reads shards and what its car sent, and writes models."""
    policy, resource = make_job_policy(NAMES), OBJECTS + key
    assert is_allowed(policy, "s3:GetObject", resource, BLUE_JOB) == reads
    assert is_allowed(policy, "s3:PutObject", resource, BLUE_JOB) == writes
    assert not is_allowed(policy, "s3:DeleteObject", resource, BLUE_JOB)
    assert not is_allowed(policy, "s3:GetObject", resource, ACCOUNT) or key == "shards/0.zip"  # no tag


def test_a_job_publishes_the_metrics_of_sagemaker_only():
    """Others would be billed to the account, or set off its alarms."""
    for namespace, allowed in (("/aws/sagemaker/TrainingJobs", True), ("AWS/Billing", False)):
        context = {"cloudwatch:namespace": namespace}
        assert is_allowed(make_job_policy(NAMES), "cloudwatch:PutMetricData", "*", context) == allowed
