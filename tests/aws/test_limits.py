"""The limits of CreateTrainingJob, from botocore's service model and from AWS's documentation."""

import copy
import json
import os
import re

import botocore.session
import pytest

from donkey_sagemaker.aws.limits import RequestOutOfLimits, check_request

GOLDEN = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "create_training_job.json"
)
DELETE = object()

with open(GOLDEN) as file:
    REQUESTS = json.load(file)


@pytest.fixture(scope="module")
def shape():
    """CreateTrainingJob's input as this botocore knows it: that of 2022 on Python 3.6, today's otherwise."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


def change(path, value, *, request="stock image"):
    """A valid request with one part, as Tags[0].Key, changed, added or deleted."""
    changed = copy.deepcopy(REQUESTS[request])
    part = changed
    *parents, last = [int(word) if word.isdigit() else word for word in re.findall(r"[^.\[\]]+", path)]
    for name in parents:
        part = part[name]
    if value is DELETE:
        del part[last]
    else:
        part[last] = value
    return changed


def problems(request, shape):
    """The lines of the error."""
    with pytest.raises(RequestOutOfLimits) as caught:
        check_request(request, shape)
    head, *lines = caught.value.what.split("\n  ")
    assert head == "AWS would reject this training job:"
    return lines


@pytest.mark.parametrize("name", REQUESTS)
def test_good_requests_pass(name, shape):
    """Every request of make_request is accepted, for every instance type."""
    check_request(REQUESTS[name], shape)


KEYS = "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX"
NO_SETTING = "no setting; please report this"
CHANNEL = REQUESTS["stock image"]["InputDataConfig"][0]
RULES = (
    ("--model", "TrainingJobName", "", "is 0 characters long; the minimum is 1"),
    ("--model", "TrainingJobName", "a" * 64, "is 64 characters long; the maximum is 63"),
    ("--model", "TrainingJobName", "-a", "is '-a', which does not match ..."),
    ("--model", "TrainingJobName", DELETE, "is missing"),
    (
        "SAGEMAKER_ROLE_ARN",
        "RoleArn",
        "arn:aws:iam::1:role/x",
        "is 'arn:aws:iam::1:role/x', which does not match ...",
    ),
    ("SAGEMAKER_ROLE_ARN", "RoleArn", DELETE, "is missing"),
    (
        "SAGEMAKER_IMAGE",
        "AlgorithmSpecification.TrainingImage",
        "x" * 256,
        "is 256 characters long; the maximum is 255",
    ),
    ("SAGEMAKER_IMAGE", "AlgorithmSpecification.TrainingImage", DELETE, "is missing"),
    (NO_SETTING, "AlgorithmSpecification.TrainingInputMode", "Tape", "is 'Tape', which is not one of ..."),
    (NO_SETTING, "AlgorithmSpecification.TrainingInputMode", DELETE, "is missing"),
    (
        NO_SETTING,
        "AlgorithmSpecification.MetricDefinitions",
        [{"Name": "x", "Regex": "x"}] * 41,
        "has 41 entries; the maximum is 40",
    ),
    (
        NO_SETTING,
        "AlgorithmSpecification.MetricDefinitions[0].Regex",
        "x" * 501,
        "is 501 characters long; the maximum is 500",
    ),
    (
        NO_SETTING,
        "AlgorithmSpecification.ContainerEntrypoint",
        ["x"] * 101,
        "has 101 words; 1 to 100 are allowed",
    ),
    (NO_SETTING, "AlgorithmSpecification.ContainerEntrypoint", [], "has 0 words; 1 to 100 are allowed"),
    (
        NO_SETTING,
        "AlgorithmSpecification.ContainerEntrypoint[1]",
        "x" * 257,
        "is 257 characters long; the maximum is 256",
    ),
    (
        KEYS,
        "InputDataConfig",
        [dict(CHANNEL, ChannelName=str(n)) for n in range(21)],
        "has 21 entries; the maximum is 20",
    ),
    (KEYS, "InputDataConfig[0].ChannelName", "a b", "is 'a b', which does not match ..."),
    (KEYS, "InputDataConfig[2].ChannelName", "car", "is 'car', which is already used"),
    (
        KEYS,
        "InputDataConfig[0].DataSource.S3DataSource.S3DataType",
        "Zip",
        "is 'Zip', which is not one of ...",
    ),
    (
        KEYS,
        "InputDataConfig[0].DataSource.S3DataSource.S3Uri",
        "b/key",
        "is 'b/key', which does not match ...",
    ),
    (
        KEYS,
        "InputDataConfig[1].DataSource.S3DataSource.S3Uri",
        "s3://b//k",
        "is 's3://b//k', which has two slashes in a row",
    ),
    (
        KEYS,
        "OutputDataConfig.S3OutputPath",
        "s3://b/" + "x" * 1018,
        "is 1025 characters long; the maximum is 1024",
    ),
    ("SAGEMAKER_INSTANCE_TYPE", "ResourceConfig.InstanceType", DELETE, "is missing"),
    (
        "SAGEMAKER_INSTANCE_COUNT",
        "ResourceConfig.InstanceCount",
        0,
        "is missing or 0, but a job needs an instance",
    ),
    (
        "SAGEMAKER_VOLUME_GB",
        "ResourceConfig.VolumeSizeInGB",
        DELETE,
        "is missing or 0, but ml.m5.xlarge has no disk of its own",
    ),
    (
        "SAGEMAKER_KEEP_ALIVE_S",
        "ResourceConfig.KeepAlivePeriodInSeconds",
        3601,
        "is 3601; the maximum is 3600",
    ),
    ("SAGEMAKER_MAX_RUNTIME_S", "StoppingCondition.MaxRuntimeInSeconds", 0, "is 0; the minimum is 1"),
    (
        "SAGEMAKER_MAX_RUNTIME_S",
        "StoppingCondition.MaxRuntimeInSeconds",
        2419201,
        "is 2419201; the maximum is 2419200",
    ),
    (
        "SAGEMAKER_MAX_RUNTIME_S",
        "StoppingCondition.MaxWaitTimeInSeconds",
        20000,
        "is set, but only a spot job can wait for an instance",
    ),
    (
        "SAGEMAKER_HYPERPARAMETERS",
        "HyperParameters",
        {str(n): "1" for n in range(101)},
        "has 101 entries; the maximum is 100",
    ),
    ("SAGEMAKER_HYPERPARAMETERS", "HyperParameters.line", "a\nb", "is 'a\\nb', which does not match ..."),
    (
        "SAGEMAKER_HYPERPARAMETERS",
        "HyperParameters.long",
        "x" * 257,
        "is 257 characters long; the maximum is 256",
    ),
    (NO_SETTING, "Environment.X", "x" * 513, "is 513 characters long; the maximum is 512"),
    (NO_SETTING, "RetryStrategy.MaximumRetryAttempts", 31, "is 31; the maximum is 30"),
    (NO_SETTING, "RetryStrategy.MaximumRetryAttempts", DELETE, "is missing"),
    (
        "SAGEMAKER_TAGS",
        "Tags",
        [{"Key": str(n), "Value": ""} for n in range(51)],
        "has 51 entries; the maximum is 50",
    ),
    ("SAGEMAKER_TAGS", "Tags[0].Key", "x" * 129, "is 129 characters long; the maximum is 128"),
    ("SAGEMAKER_TAGS", "Tags[2].Key", "car", "is 'car', which is already used"),
    ("SAGEMAKER_TAGS", "Tags[0].Key", "AWS:car", "is 'AWS:car', but AWS reserves names that start with aws:"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", DELETE, "is missing"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "x" * 257, "is 257 characters long; the maximum is 256"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "a\tb", "is 'a\\tb', which does not match ..."),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "🚗", "is '🚗', which does not match ..."),
)


@pytest.mark.parametrize("setting, path, value, text", RULES)
def test_one_thing_out_of_limits(setting, path, value, text, shape):
    """Each broken rule is reported with the setting to change; "..." stands for botocore's text."""
    (line,) = problems(change(path, value), shape)
    expected = f"{setting}: {path} {text}"
    if expected.endswith("..."):
        line = line[: len(expected) - 3] + "..."
    assert line == expected


def test_names_in_a_map(shape):
    """The names of hyperparameters and of variables have limits too."""
    name = "x" * 257
    assert problems(change("HyperParameters." + name, "1"), shape) == [
        f"SAGEMAKER_HYPERPARAMETERS: HyperParameters: the name '{name}' is 257 characters long; "
        "the maximum is 256"
    ]
    assert problems(change("Environment.a-b", "1"), shape) == [
        "no setting; please report this: Environment: the name 'a-b' is 'a-b', which does not match "
        "[a-zA-Z_][a-zA-Z0-9_]*"
    ]


def test_instance_with_its_own_disk(shape):
    """Its disk has a fixed size, so a volume is an error."""
    assert problems(change("ResourceConfig.InstanceType", "ml.g5.xlarge"), shape) == [
        "SAGEMAKER_VOLUME_GB: ResourceConfig.VolumeSizeInGB is set, but ml.g5.xlarge has its own disk"
    ]


def test_disk_with_its_own_encryption(shape):
    """AWS encrypts the disk of such an instance with a key that is not the owner's."""
    request = copy.deepcopy(REQUESTS["stock image"])
    request["ResourceConfig"] = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeKmsKeyId": "x"}
    assert problems(request, shape) == [
        "SAGEMAKER_KMS_KEY: ResourceConfig.VolumeKmsKeyId is set, but ml.g5.xlarge has its own disk"
    ]


def test_subnets_out_of_limits(shape):
    """The message names the setting."""
    request = dict(
        REQUESTS["stock image"], VpcConfig={"SecurityGroupIds": ["sg-1"] * 6, "Subnets": ["s"] * 17}
    )
    assert problems(request, shape) == [
        "SAGEMAKER_SECURITY_GROUPS: VpcConfig.SecurityGroupIds has 6 entries; the maximum is 5",
        "SAGEMAKER_SUBNETS: VpcConfig.Subnets has 17 entries; the maximum is 16",
    ]


def test_spot_job_without_wait_time(shape):
    """AWS has no default."""
    assert problems(change("EnableManagedSpotTraining", True), shape) == [
        "SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxWaitTimeInSeconds is missing, but a spot job needs it"
    ]


def test_spot_job_with_a_short_wait_time(shape):
    """The wait time includes the run time."""
    request = change("StoppingCondition.MaxWaitTimeInSeconds", 14399, request="stock image, GPU, spot")
    assert problems(request, shape) == [
        "SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxWaitTimeInSeconds is 14399, which is "
        "less than MaxRuntimeInSeconds (14400)"
    ]


def test_spot_job_with_a_warm_pool(shape):
    """Warm pools are for on-demand instances."""
    request = change("ResourceConfig.KeepAlivePeriodInSeconds", 60, request="stock image, GPU, spot")
    assert problems(request, shape) == [
        "SAGEMAKER_KEEP_ALIVE_S: ResourceConfig.KeepAlivePeriodInSeconds is set, but AWS does not keep "
        "the instance of a spot job"
    ]


def test_tag_in_any_language(shape):
    """AWS's pattern uses classes of Java that Python's re does not have."""
    check_request(change("Tags[0].Value", "Größe ٣ 车\u3000_.:/=+-@"), shape)


def test_new_instance_type(shape):
    """A type that is newer than botocore is accepted."""
    check_request(change("ResourceConfig.InstanceType", "ml.m99.huge"), shape)


def test_new_field(shape):
    """A field that botocore does not know is accepted."""
    check_request(change("BrandNewConfig", {"Anything": "at all"}), shape)


def test_all_problems_are_reported(shape):
    """One error names all problems."""
    request = change("Tags[0].Value", "x" * 300)
    request["RetryStrategy"] = {}
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 0
    with pytest.raises(RequestOutOfLimits) as caught:
        check_request(request, shape)
    assert sorted(caught.value.what.splitlines()) == sorted(
        [
            "AWS would reject this training job:",
            "  SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxRuntimeInSeconds is 0; the minimum is 1",
            "  SAGEMAKER_TAGS: Tags[0].Value is 300 characters long; the maximum is 256",
            "  no setting; please report this: RetryStrategy.MaximumRetryAttempts is missing",
        ]
    )
    assert caught.value.fix == "Correct these settings and run the command again."


def test_empty_request(shape):
    """Everything that is missing is reported."""
    lines = problems({}, shape)
    for name in ("TrainingJobName", "RoleArn", "OutputDataConfig", "AlgorithmSpecification.TrainingImage"):
        assert any(line.endswith(name + " is missing") for line in lines), name
