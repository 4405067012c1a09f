"""The stand-in rejects the CreateTrainingJob requests that AWS rejects."""

import json
from typing import Any, Callable, Dict, List

import pytest

from aws_fixture import AwsStandIn
from stand_in_jobs import (
    OWN_IMAGE,
    Container,
    channel,
    creation_error,
    run_job,
    start,
)


def test_service_model(aws: AwsStandIn) -> None:
    """Patterns, lengths and counts are checked, though boto3 does not."""
    code, text = creation_error(
        aws,
        TrainingJobName="-" * 64,
        HyperParameters={"k" * 257: "v"},
        Tags=[{"Key": "ok", "Value": "what?"}],
        Environment={"1": "x"},
    )
    assert code == "ValidationException"
    assert text == (
        "5 validation errors detected: "
        "Value '{}' at 'trainingJobName' failed to satisfy constraint: "
        "Member must have length less than or equal to 63; "
        "Value '{}' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}; "
        "Value '{}' at 'hyperParameters' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member must have length less than or equal to 256, Member must have length greater than or equal "
        "to 0, Member must satisfy regular expression pattern: .*]; "
        "Value 'what?' at 'tags.1.member.value' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ([\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]*); "
        "Value '{}' at 'environment' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member must have length less than or equal to 512, Member must have length greater than or equal "
        "to 0, Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]"
    ).format("-" * 64, "-" * 64, {"k" * 257: "v"}, {"1": "x"})


def test_enum(aws: AwsStandIn) -> None:
    """The error for an unknown type lists all known types."""
    machines = {"InstanceType": "ml.pi.small", "InstanceCount": 1, "VolumeSizeInGB": 1}
    code, text = creation_error(aws, ResourceConfig=machines)
    assert code == "ValidationException"
    assert text.startswith(
        "1 validation error detected: Value 'ml.pi.small' at 'resourceConfig.instanceType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [ml.m4.xlarge, "
    )


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"TrainingJobNam": "x"}, "The stand-in knows no .TrainingJobNam"),
        ({"TrainingJobName": 7}, "NUMBER_VALUE can not be converted to a String"),
    ],
)
def test_body_that_boto3_would_not_send(aws: AwsStandIn, changes: Dict[str, Any], text: str) -> None:
    """The service model also applies to a body that is written by hand."""
    assert creation_error(aws, **changes) == ("SerializationException", text)


def resources(**changes: Any) -> Dict[str, Any]:
    config = dict({"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}, **changes)
    return {"ResourceConfig": {name: value for name, value in config.items() if value is not None}}


def among(*types: str, **changes: Any) -> Dict[str, Any]:
    """Of which SageMaker takes the first that has capacity."""
    return resources(InstancePreferences=[{"InstanceType": each} for each in types], **changes)


def condition(runtime_s: int, *, wait_s: int = 0, is_spot: bool = False) -> Dict[str, Any]:
    stopping = {"MaxRuntimeInSeconds": runtime_s}
    if wait_s:
        stopping["MaxWaitTimeInSeconds"] = wait_s
    return {"StoppingCondition": stopping, "EnableManagedSpotTraining": is_spot}


@pytest.mark.parametrize(
    "changes, code, text",
    [
        (
            condition(60, wait_s=60),
            "ValidationException",
            (
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to "
                "true"
            ),
        ),
        (
            condition(60, is_spot=True),
            "ValidationException",
            "MaxWaitTimeInSeconds above 0 is required when EnableManagedSpotTraining is set to true",
        ),
        (
            condition(60, wait_s=59, is_spot=True),
            "ValidationException",
            (
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            ),
        ),
        (
            condition(28 * 24 * 3600 + 1),
            "ValidationException",
            "MaxRuntimeInSeconds must be at most 2419200 seconds",
        ),
        (
            resources(KeepAlivePeriodInSeconds=3601),
            "ValidationException",
            "KeepAlivePeriodInSeconds must be at most 3600 seconds",
        ),
        (
            dict(condition(60, wait_s=60, is_spot=True), **resources(KeepAlivePeriodInSeconds=60)),
            "ValidationException",
            "KeepAlivePeriodInSeconds is not supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {"HyperParameters": {"long": "x" * 257}},
            "ValidationException",
            "HyperParameter long is longer than 256 characters",
        ),
        (
            resources(VolumeSizeInGB=0),
            "ValidationException",
            "VolumeSizeInGB is required for instance type ml.m5.large",
        ),
        (
            resources(InstanceType="ml.g4dn.xlarge", VolumeKmsKeyId="key"),
            "ValidationException",
            "VolumeKmsKeyId is not supported for instance type ml.g4dn.xlarge",
        ),
        (
            {"StoppingCondition": {}},
            "ValidationException",
            (
                "1 validation error detected: Value null at 'stoppingCondition' failed to satisfy constraint:"
                " Member must not be null"
            ),
        ),
        (
            {"RoleArn": "arn:aws:iam::123456789012:role/nobody"},
            "ValidationException",
            (
                "Could not assume role arn:aws:iam::123456789012:role/nobody. Please ensure that the role"
                " exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
            ),
        ),
        (
            {"RoleArn": "arn:aws:iam::999999999999:role/theirs"},
            "AccessDeniedException",
            "Cross-account pass role is not allowed.",
        ),
        (
            resources(InstanceType="ml.p2.xlarge"),
            "ResourceLimitExceeded",
            "The requested resource training-job/ml.p2.xlarge is not available in this region",
        ),
        (
            resources(InstanceType="ml.g4dn.xlarge"),
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, with"
                " current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS"
                " Service Quotas to request an increase for this quota."
            ),
        ),
        (
            among("ml.m5.xlarge", "ml.g4dn.xlarge"),
            "ValidationException",
            "InstancePreferences is mutually exclusive with InstanceType",
        ),
        (
            dict(
                condition(60, wait_s=60, is_spot=True),
                **among("ml.m5.xlarge", "ml.m5.large", InstanceType=None),
            ),
            "ValidationException",
            "InstancePreferences is mutually exclusive with EnableManagedSpotTraining",
        ),
        (
            among("ml.m5.xlarge", "ml.m5.xlarge", InstanceType=None),
            "ValidationException",
            "An instance type can appear only once in InstancePreferences",
        ),
        (
            among("ml.m5.xlarge", InstanceType=None, InstanceCount=None),
            "ValidationException",
            "Set InstanceCount either in ResourceConfig or on every entry of InstancePreferences",
        ),
        (
            among("ml.m5.xlarge", "ml.m5.2xlarge", InstanceType=None),
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.m5.2xlarge for training job usage' is 0 Instances, with"
                " current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS"
                " Service Quotas to request an increase for this quota."
            ),
        ),
        (
            dict(condition(60, wait_s=60, is_spot=True), **resources(InstanceCount=2)),
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.m5.large for spot training job usage' is 1 Instances,"
                " with current utilization of 0 Instances and a request delta of 2 Instances. Please use AWS"
                " Service Quotas to request an increase for this quota."
            ),
        ),
    ],
)
def test_rule(aws: AwsStandIn, container: Container, changes: Dict[str, Any], code: str, text: str) -> None:
    """The rules that exist only in AWS's documentation apply, and no job is started."""
    container("")
    assert creation_error(aws, **changes) == (code, text)
    assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_unsupported_type(aws: AwsStandIn, container: Container) -> None:
    """A type can exist and still not be available for training."""
    container("")
    aws.set(unsupported=["ml.m5.large"])
    assert creation_error(aws) == ("ValidationException", "Unsupported instance type ml.m5.large")


def test_quota_in_use(aws: AwsStandIn, container: Container) -> None:
    """Running jobs count against the quota until they end."""
    container("")
    aws.set(phase_s={"Starting": 60})
    start(aws)
    code, text = creation_error(aws, TrainingJobName="donkey-2")
    assert (code, "is 1 Instances, with current utilization of 1 Instances" in text) == (
        "ResourceLimitExceeded",
        True,
    )
    aws.advance(60)
    aws.wait_for_job("donkey-1")
    start(aws, "donkey-2")


def test_name_clash(aws: AwsStandIn, container: Container) -> None:
    """A name can be used only once, even after its job has ended."""
    container("")
    run_job(aws)
    assert creation_error(aws) == (
        "ResourceInUse",
        (
            "Training job names must be unique within an AWS account and region, and a training job with this"
            " name already exists (arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1)"
        ),
    )


@pytest.mark.parametrize(
    "image, text",
    [
        (
            "docker.io/library/python:3",
            (
                "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the"
                " Docker image to run."
            ),
        ),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/donkey:1",
            (
                "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the"
                " Docker image to run."
            ),
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:1",
            (
                "Cannot find repository: none in registry ID: 123456789012. Please check if your ECR"
                " repository exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/donkey:1",
            (
                "Cannot find repository: donkey in registry ID: 763104351884. Please check if your ECR "
                "repository exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey:2",
            (
                "Cannot find the requested image: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey:2."
                " Please check if your ECR image exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.15.0-cpu-py310",
            (
                "Cannot find the requested image:"
                " 763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.15.0-cpu-py310. Please"
                " check if your ECR image exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "999999999999.dkr.ecr.eu-west-1.amazonaws.com/theirs:1",
            "Access denied for repository: theirs in registry ID: 999999999999.",
        ),
    ],
)
def test_image(aws: AwsStandIn, container: Container, image: str, text: str) -> None:
    """An image must be in a registry of this region that the job is allowed to read."""
    container("")
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File"}
    assert creation_error(aws, AlgorithmSpecification=algorithm) == ("ValidationException", text)


def test_image_by_digest(aws: AwsStandIn, container: Container) -> None:
    """An image in the account's registry can be named by its digest."""
    container("")
    (image,) = aws.client("ecr").describe_images(repositoryName="donkey")["imageDetails"]
    uri = OWN_IMAGE[: -len(":1")] + "@" + image["imageDigest"]
    aws.image(uri, command=["true"])
    job = run_job(aws, AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"})
    assert job["TrainingJobStatus"] == "Completed"


def test_no_objects(aws: AwsStandIn, container: Container) -> None:
    """The error for a channel without objects mentions region and permissions."""
    container("")
    uri = f"s3://{aws.bucket}/nothing"
    assert creation_error(aws, InputDataConfig=[channel("train", uri)]) == (
        "ValidationException",
        (
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            " bucket exists in the selected region (eu-west-1), that objects exist under that S3 prefix, and"
            f' that the role "{aws.role_arn}" has "s3:ListBucket" permissions on bucket "{aws.bucket}".'
        ),
    )


@pytest.mark.parametrize(
    "names, mode, text",
    [
        (["train", "train"], "File", "Channel names must be unique: train, train"),
        (["train"], "FastFile", "FastFile mode supports the S3Prefix data type only"),
        (["train"], "Pipe", "The stand-in has S3Prefix and ManifestFile in File and FastFile mode only"),
    ],
)
def test_channels(aws: AwsStandIn, container: Container, names: List[str], mode: str, text: str) -> None:
    """Channel names are unique, and a manifest needs the File mode."""
    container("")
    uri = f"s3://{aws.bucket}/in/"
    channels = [channel(name, uri, "ManifestFile", InputMode=mode) for name in names]
    assert creation_error(aws, InputDataConfig=channels) == ("ValidationException", text)


def test_bucket_elsewhere(aws: AwsStandIn, container: Container) -> None:
    """Buckets must be in the job's region."""
    container("")
    elsewhere = {"LocationConstraint": "us-west-2"}
    aws.client("s3", region_name="us-west-2").create_bucket(Bucket="far", CreateBucketConfiguration=elsewhere)
    assert creation_error(aws, OutputDataConfig={"S3OutputPath": "s3://far/out"}) == (
        "ValidationException",
        "The S3 bucket far is in region us-west-2. It must be in the region of the training job, eu-west-1.",
    )


@pytest.mark.parametrize(
    "make_changes, reason",
    [
        (
            lambda bucket: {"InputDataConfig": [channel("train", f"s3://{bucket}/a//b/")]},
            "ClientError: Data download failed:a//b/tub.zip: illegal char sub-sequence '//' in S3 key",
        ),
        (
            lambda bucket: {"OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/a//b"}},
            "ClientError: Artifact upload failed:illegal char sub-sequence '//' in S3 key",
        ),
        (
            lambda bucket: {"OutputDataConfig": {"S3OutputPath": "s3://nowhere/out"}},
            "ClientError: Artifact upload failed:no bucket nowhere",
        ),
        (
            lambda bucket: {"InputDataConfig": [channel("train", f"s3://{bucket}/list", "ManifestFile")]},
            "ClientError: Data download failed:no object s3://donkey-stand-in/in/gone.zip",
        ),
        (
            lambda bucket: {
                "InputDataConfig": [channel("train", f"s3://{bucket}/a//b/tub.zip", "ManifestFile")]
            },
            "ClientError: Data download failed:s3://donkey-stand-in/a//b/tub.zip is not a manifest",
        ),
    ],
)
def test_bad_keys(
    aws: AwsStandIn, container: Container, make_changes: Callable[[str], Dict[str, Any]], reason: str
) -> None:
    """A bad key makes the job fail when it gets there."""
    container("write('model/m', 'm')")
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="a//b/tub.zip", Body=b"tub")
    manifest = json.dumps([{"prefix": f"s3://{aws.bucket}/in/"}, "gone.zip"])
    s3.put_object(Bucket=aws.bucket, Key="list", Body=manifest.encode())
    assert run_job(aws, **make_changes(aws.bucket))["FailureReason"] == reason


def test_role_without_trust(aws: AwsStandIn, container: Container) -> None:
    """A job fails if SageMaker is not allowed to assume its role."""
    container("")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("iam").update_assume_role_policy(RoleName="donkey-sagemaker", PolicyDocument=policy)
    assert (
        run_job(aws)["FailureReason"]
        == "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is"
        " unable to "
        "perform: sts:AssumeRole on the role. Verify the role exists and try again."
    )
