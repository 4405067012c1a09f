"""What AWS would refuse, seen in botocore's own service model and in the rules that stand in AWS's prose."""

import copy
import json
import os
import re

import botocore.session
import pytest

from donkey_sagemaker.aws.limits import RequestOutOfLimits, check_request

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "create_training_job.json")
DELETE = object()

with open(GOLDEN) as file:
    REQUESTS = json.load(file)


@pytest.fixture(scope="module")
def shape():
    """CreateTrainingJob's input as this botocore knows it: of 2022 on Python 3.6, else of today."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


def change(path, value, *, request="stock image"):
    """A good request with one part changed, added or deleted, as Tags[0].Key."""
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


def tell(request, shape):
    """The lines of the refusal."""
    with pytest.raises(RequestOutOfLimits) as caught:
        check_request(request, shape)
    head, *lines = caught.value.what.split("\n  ")
    assert head == "AWS would refuse this training job:"
    return lines


@pytest.mark.parametrize("name", REQUESTS)
def test_good_requests_pass(name, shape):
    """All that make_request makes, on every machine."""
    check_request(REQUESTS[name], shape)


KEYS = "SAGEMAKER_BUCKET and SAGEMAKER_PREFIX"
OURS = "no setting, please report it"
CHANNEL = REQUESTS["stock image"]["InputDataConfig"][0]
RULES = (
    ("--model", "TrainingJobName", "", "is 0 characters long; the least is 1"),
    ("--model", "TrainingJobName", "a" * 64, "is 64 characters long; the most is 63"),
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
        "is 256 characters long; the most is 255",
    ),
    ("SAGEMAKER_IMAGE", "AlgorithmSpecification.TrainingImage", DELETE, "is missing"),
    (OURS, "AlgorithmSpecification.TrainingInputMode", "Tape", "is 'Tape', not one of ..."),
    (OURS, "AlgorithmSpecification.TrainingInputMode", DELETE, "is missing"),
    (
        OURS,
        "AlgorithmSpecification.MetricDefinitions",
        [{"Name": "x", "Regex": "x"}] * 41,
        "has 41 entries; the most is 40",
    ),
    (
        OURS,
        "AlgorithmSpecification.MetricDefinitions[0].Regex",
        "x" * 501,
        "is 501 characters long; the most is 500",
    ),
    (OURS, "AlgorithmSpecification.ContainerEntrypoint", ["x"] * 101, "has 101 words; 1 to 100 are allowed"),
    (OURS, "AlgorithmSpecification.ContainerEntrypoint", [], "has 0 words; 1 to 100 are allowed"),
    (
        OURS,
        "AlgorithmSpecification.ContainerEntrypoint[1]",
        "x" * 257,
        "is 257 characters long; the most is 256",
    ),
    (
        KEYS,
        "InputDataConfig",
        [dict(CHANNEL, ChannelName=str(n)) for n in range(21)],
        "has 21 entries; the most is 20",
    ),
    (KEYS, "InputDataConfig[0].ChannelName", "a b", "is 'a b', which does not match ..."),
    (KEYS, "InputDataConfig[2].ChannelName", "car", "is 'car', as another is already"),
    (KEYS, "InputDataConfig[0].DataSource.S3DataSource.S3DataType", "Zip", "is 'Zip', not one of ..."),
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
        "is 's3://b//k', with an empty part between two slashes",
    ),
    (
        KEYS,
        "OutputDataConfig.S3OutputPath",
        "s3://b/" + "x" * 1018,
        "is 1025 characters long; the most is 1024",
    ),
    ("SAGEMAKER_INSTANCE_TYPE", "ResourceConfig.InstanceType", DELETE, "is missing"),
    (
        "SAGEMAKER_INSTANCE_COUNT",
        "ResourceConfig.InstanceCount",
        0,
        "is missing or 0, but a job needs a machine",
    ),
    (
        "SAGEMAKER_VOLUME_GB",
        "ResourceConfig.VolumeSizeInGB",
        DELETE,
        "is missing or 0, but ml.m5.xlarge has no disk of its own",
    ),
    ("SAGEMAKER_KEEP_ALIVE_S", "ResourceConfig.KeepAlivePeriodInSeconds", 3601, "is 3601; the most is 3600"),
    ("SAGEMAKER_MAX_RUNTIME_S", "StoppingCondition.MaxRuntimeInSeconds", 0, "is 0; the least is 1"),
    (
        "SAGEMAKER_MAX_RUNTIME_S",
        "StoppingCondition.MaxRuntimeInSeconds",
        2419201,
        "is 2419201; the most is 2419200",
    ),
    (
        "SAGEMAKER_MAX_RUNTIME_S",
        "StoppingCondition.MaxWaitTimeInSeconds",
        20000,
        "is set, but only a spot job may wait",
    ),
    (
        "SAGEMAKER_HYPERPARAMETERS",
        "HyperParameters",
        {str(n): "1" for n in range(101)},
        "has 101 entries; the most is 100",
    ),
    ("SAGEMAKER_HYPERPARAMETERS", "HyperParameters.line", "a\nb", "is 'a\\nb', which does not match ..."),
    (
        "SAGEMAKER_HYPERPARAMETERS",
        "HyperParameters.long",
        "x" * 257,
        "is 257 characters long; the most is 256",
    ),
    (OURS, "Environment.X", "x" * 513, "is 513 characters long; the most is 512"),
    (OURS, "RetryStrategy.MaximumRetryAttempts", 31, "is 31; the most is 30"),
    (OURS, "RetryStrategy.MaximumRetryAttempts", DELETE, "is missing"),
    (
        "SAGEMAKER_TAGS",
        "Tags",
        [{"Key": str(n), "Value": ""} for n in range(51)],
        "has 51 entries; the most is 50",
    ),
    ("SAGEMAKER_TAGS", "Tags[0].Key", "x" * 129, "is 129 characters long; the most is 128"),
    ("SAGEMAKER_TAGS", "Tags[2].Key", "car", "is 'car', as another is already"),
    ("SAGEMAKER_TAGS", "Tags[0].Key", "AWS:car", "is 'AWS:car', but AWS keeps names with aws: for itself"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", DELETE, "is missing"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "x" * 257, "is 257 characters long; the most is 256"),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "a\tb", "is 'a\\tb', which does not match ..."),
    ("SAGEMAKER_TAGS", "Tags[0].Value", "🚗", "is '🚗', which does not match ..."),
)


@pytest.mark.parametrize("setting, path, value, text", RULES)
def test_one_thing_out_of_limits(setting, path, value, text, shape):
    """Each rule, broken alone, is told alone, with the setting to change; ... is as botocore has it."""
    (line,) = tell(change(path, value), shape)
    told = f"{setting}: {path} {text}"
    if told.endswith("..."):
        line = line[: len(told) - 3] + "..."
    assert line == told


def test_names_in_a_map_have_limits_too(shape):
    """Those of hyperparameters and of the environment."""
    name = "x" * 257
    assert tell(change("HyperParameters." + name, "1"), shape) == [
        f"SAGEMAKER_HYPERPARAMETERS: HyperParameters: the name '{name}' is 257 characters long; "
        "the most is 256"
    ]
    assert tell(change("Environment.a-b", "1"), shape) == [
        "no setting, please report it: Environment: the name 'a-b' is 'a-b', which does not match "
        "[a-zA-Z_][a-zA-Z0-9_]*"
    ]


def test_a_machine_with_its_own_disk_gets_no_volume(shape):
    """Its size is fixed."""
    assert tell(change("ResourceConfig.InstanceType", "ml.g5.xlarge"), shape) == [
        "SAGEMAKER_VOLUME_GB: ResourceConfig.VolumeSizeInGB is set, but ml.g5.xlarge has a disk of its own"
    ]


def test_a_spot_job_says_how_long_it_waits(shape):
    """AWS takes no default."""
    assert tell(change("EnableManagedSpotTraining", True), shape) == [
        "SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxWaitTimeInSeconds is missing, and a spot job needs it"
    ]


def test_a_spot_job_waits_at_least_as_long_as_it_runs(shape):
    """The wait includes the run."""
    request = change("StoppingCondition.MaxWaitTimeInSeconds", 14399, request="stock image, GPU, spot")
    assert tell(request, shape) == [
        "SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxWaitTimeInSeconds is 14399, less than "
        "MaxRuntimeInSeconds, 14400"
    ]


def test_a_spot_job_keeps_no_machine(shape):
    """Warm pools are for machines on demand."""
    request = change("ResourceConfig.KeepAlivePeriodInSeconds", 60, request="stock image, GPU, spot")
    assert tell(request, shape) == [
        "SAGEMAKER_KEEP_ALIVE_S: ResourceConfig.KeepAlivePeriodInSeconds is set, but AWS keeps no machine "
        "of a spot job"
    ]


def test_letters_digits_and_spaces_of_any_language_make_a_tag(shape):
    """AWS's pattern is Java's, whose classes Python's re does not know."""
    check_request(change("Tags[0].Value", "Größe ٣ 车\u3000_.:/=+-@"), shape)


def test_a_type_newer_than_botocore_passes(shape):
    """AWS knows its machines better than an old list."""
    check_request(change("ResourceConfig.InstanceType", "ml.m99.huge"), shape)


def test_what_botocore_does_not_know_passes(shape):
    """An old one lacks the newest parts of a request."""
    check_request(change("BrandNewConfig", {"Anything": "at all"}), shape)


def test_all_problems_are_told_at_once(shape):
    """One round of corrections is enough."""
    request = change("Tags[0].Value", "x" * 300)
    request["RetryStrategy"] = {}
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 0
    with pytest.raises(RequestOutOfLimits) as caught:
        check_request(request, shape)
    assert sorted(caught.value.what.splitlines()) == sorted(
        [
            "AWS would refuse this training job:",
            "  SAGEMAKER_MAX_RUNTIME_S: StoppingCondition.MaxRuntimeInSeconds is 0; the least is 1",
            "  SAGEMAKER_TAGS: Tags[0].Value is 300 characters long; the most is 256",
            "  no setting, please report it: RetryStrategy.MaximumRetryAttempts is missing",
        ]
    )
    assert caught.value.fix == "Correct each setting that is named, and start again."


def test_an_empty_request_is_told_as_a_whole(shape):
    """What is not there is no reason to stop looking."""
    lines = tell({}, shape)
    for name in ("TrainingJobName", "RoleArn", "OutputDataConfig", "AlgorithmSpecification.TrainingImage"):
        assert any(line.endswith(name + " is missing") for line in lines), name
