"""The rules of CreateTrainingJob that are only in AWS's documentation."""

import json
import re
from typing import Any, Dict, List

from .account import ACCOUNT_ID, ON_DEMAND, REGION, SPOT, Account
from .aws_error import AwsError
from .images import check_image
from .principals import find_role
from .storage import find_bucket, list_keys, split_uri

MAX_RUNTIME_S = 28 * 24 * 3600
KEEP_ALIVE_S = 3600
HYPERPARAMETER_CHARS = 256
LOCAL_DISK = ("ml.g4dn.", "ml.g5.", "ml.g6.", "ml.g6e.")  # fixed disks of their own instead of EBS


def check_rules(request: Dict[str, Any], account: Account, *, running: Dict[str, int]) -> None:
    """Raises AWS's error. `running`: how many instances jobs use now, by quota."""
    _check_required(request)
    _check_conditions(request)
    _check_hyperparameters(request.get("HyperParameters", {}))
    _check_preferences(request)
    for each in with_each_type(request):
        _check_volume(each["ResourceConfig"])
    _check_role(request["RoleArn"])
    check_image(request["AlgorithmSpecification"]["TrainingImage"])
    _check_channels(request)
    for each in with_each_type(request):
        _check_instances(each, account, running)


def with_each_type(request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The request as it would be for each instance type among which SageMaker chooses, or has chosen."""
    resources = dict(request["ResourceConfig"])
    preferences = resources.pop("InstancePreferences", None)
    if preferences is None:
        return [request]
    if "SelectedInstanceType" in resources:
        chosen = {"InstanceType": resources.pop("SelectedInstanceType")}
        preferences = [dict(chosen, InstanceCount=resources.pop("SelectedInstanceCount"))]
    return [dict(request, ResourceConfig=dict(resources, **each)) for each in preferences]


def _check_preferences(request: Dict[str, Any]) -> None:
    resources = request["ResourceConfig"]
    if "InstancePreferences" not in resources:
        return
    excluded = [name for name in ("InstanceType", "InstanceGroups") if name in resources]
    excluded += ["EnableManagedSpotTraining"] * bool(request.get("EnableManagedSpotTraining"))
    if excluded:
        raise _invalid("InstancePreferences is mutually exclusive with " + ", ".join(excluded))
    types = [each["InstanceType"] for each in resources["InstancePreferences"]]
    if len(set(types)) < len(types):
        raise _invalid("An instance type can appear only once in InstancePreferences")
    counts = ["InstanceCount" in each for each in resources["InstancePreferences"]]
    if any(counts) != all(counts) or any(counts) == ("InstanceCount" in resources):
        raise _invalid("Set InstanceCount either in ResourceConfig or on every entry of InstancePreferences")


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)


def _check_required(request: Dict[str, Any]) -> None:
    """Fields that are optional in the service model because of other kinds of jobs."""
    resources = request.get("ResourceConfig", {})
    for path, value in (
        ("algorithmSpecification", request.get("AlgorithmSpecification")),
        (
            "algorithmSpecification.trainingImage",
            request.get("AlgorithmSpecification", {}).get("TrainingImage"),
        ),
        (
            "resourceConfig.instanceType",
            resources.get("InstanceType") or resources.get("InstancePreferences"),
        ),
        (
            "resourceConfig.instanceCount",
            resources.get("InstanceCount") or resources.get("InstancePreferences"),
        ),
        ("stoppingCondition", request.get("StoppingCondition")),
    ):
        if not value:
            raise _invalid(
                f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: "
                "Member must not be null"
            )


def _check_conditions(request: Dict[str, Any]) -> None:
    condition = request["StoppingCondition"]
    runtime = condition.get("MaxRuntimeInSeconds", 24 * 3600)
    if runtime > MAX_RUNTIME_S:
        raise _invalid(f"MaxRuntimeInSeconds must be at most {MAX_RUNTIME_S} seconds")
    spot = request.get("EnableManagedSpotTraining", False)
    wait = condition.get("MaxWaitTimeInSeconds")
    if wait is not None and not spot:
        raise _invalid(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )
    if spot and wait is None:
        raise _invalid(
            "MaxWaitTimeInSeconds above 0 is required when EnableManagedSpotTraining is set to true"
        )
    if wait is not None and wait < runtime:
        raise _invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )
    keep_alive = request["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    if keep_alive > KEEP_ALIVE_S:
        raise _invalid(f"KeepAlivePeriodInSeconds must be at most {KEEP_ALIVE_S} seconds")
    if keep_alive and spot:
        raise _invalid(
            "KeepAlivePeriodInSeconds is not supported when EnableManagedSpotTraining is set to true"
        )


def _check_hyperparameters(values: Dict[str, str]) -> None:
    for name, value in values.items():
        if len(value) > HYPERPARAMETER_CHARS:
            raise _invalid(f"HyperParameter {name} is longer than {HYPERPARAMETER_CHARS} characters")


def _check_volume(resources: Dict[str, Any]) -> None:
    if resources["InstanceType"].startswith(LOCAL_DISK):
        if "VolumeKmsKeyId" in resources:
            raise _invalid("VolumeKmsKeyId is not supported for instance type " + resources["InstanceType"])
    elif not resources.get("VolumeSizeInGB"):
        raise _invalid("VolumeSizeInGB is required for instance type " + resources["InstanceType"])


def _check_role(arn: str) -> None:
    if arn.split(":")[4] != ACCOUNT_ID:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.")
    if find_role(arn) is None:
        raise _invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def is_trusted(arn: str) -> bool:
    """Whether SageMaker may assume the role."""
    policy = json.loads(find_role(arn).assume_role_policy_document)
    return any(
        statement.get("Effect") == "Allow" and "sagemaker.amazonaws.com" in str(statement.get("Principal"))
        for statement in policy["Statement"]
    )


def _check_channels(request: Dict[str, Any]) -> None:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) < len(names):
        raise _invalid("Channel names must be unique: " + ", ".join(names))
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        mode = channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"])
        if not source or mode == "Pipe" or source["S3DataType"] == "AugmentedManifestFile":
            raise _invalid("The stand-in has S3Prefix and ManifestFile in File and FastFile mode only")
        if mode == "FastFile" and source["S3DataType"] != "S3Prefix":
            raise _invalid("FastFile mode supports the S3Prefix data type only")
        _check_bucket(source["S3Uri"])
        _check_objects(source["S3Uri"], request["RoleArn"])
    _check_bucket(request["OutputDataConfig"]["S3OutputPath"])
    if "CheckpointConfig" in request:
        _check_bucket(request["CheckpointConfig"]["S3Uri"])


def _check_bucket(uri: str) -> None:
    if not re.match("s3://[^/]", uri):
        raise _invalid("The stand-in reads s3:// URIs only: " + uri)
    bucket = find_bucket(split_uri(uri)[0])
    if bucket is not None and bucket.region_name != REGION:
        raise _invalid(
            f"The S3 bucket {bucket.name} is in region {bucket.region_name}. It must be in the region of the"
            f" training job, {REGION}."
        )


def _check_objects(uri: str, role_arn: str) -> None:
    bucket, prefix = split_uri(uri)
    if not list_keys(bucket, prefix):
        raise _invalid(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            f" bucket exists in the selected region ({REGION}), that objects exist under that S3 prefix, and"
            f' that the role "{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def _check_instances(request: Dict[str, Any], account: Account, running: Dict[str, int]) -> None:
    resources = request["ResourceConfig"]
    kind, count = resources["InstanceType"], resources["InstanceCount"]
    if kind in account.unsupported:
        raise _invalid("Unsupported instance type " + kind)
    if kind not in account.offered:
        text = "The requested resource training-job/{} is not available in this region"
        raise AwsError("ResourceLimitExceeded", text.format(kind))
    name = quota_name(request)
    quota = account.quota(name)
    if running.get(name, 0) + count > quota:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name}' is {quota:.0f} Instances, with current utilization of"
            f" {running.get(name, 0)} Instances and a request delta of {count} Instances. Please use AWS"
            " Service Quotas to request an increase for this quota.",
        )


def quota_name(request: Dict[str, Any]) -> str:
    """The quota that counts a job's instances."""
    use = SPOT if request.get("EnableManagedSpotTraining") else ON_DEMAND
    return use.format(request["ResourceConfig"]["InstanceType"])
