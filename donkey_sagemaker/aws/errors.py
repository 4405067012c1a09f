"""Errors of AWS: those that code catches or that are raised in several places.

`error_table` makes most of them from a `FailedRequest`, as well as all those that differ only in their text.
"""

import json
import re
import time
from typing import Any, Dict, NamedTuple, Optional

from ..cloud.errors import NoQuota, Unreachable
from ..cloud.partitions import find_partition
from ..errors import BadInput, CloudRefused

_TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


class FailedRequest(NamedTuple):
    """A request that AWS rejected, or that botocore could not send."""

    operation: str  # as "PutObject"
    code: str  # AWS's, as "AccessDenied", or the name of botocore's exception
    text: str
    action: str = ""  # IAM's name for the operation, as "s3:PutObject"
    resource: str = "*"  # what it was about: an ARN where IAM uses one
    region: str = ""
    profile: Optional[str] = None
    ca_bundle: Optional[str] = None  # path of the file of certificates, where one is set
    status: int = 0  # of HTTP; 0 where there was no response
    local_time: float = 0.0  # seconds since the epoch, by this machine's clock
    aws_time: Optional[float] = None  # by the response's Date
    matched: Dict[str, Optional[str]] = {}  # parts of the text: the named groups of a row of the error table

    @property
    def name(self) -> str:
        """The user's name for the resource: that of a job, or of a bucket with the key."""
        return re.sub(r"^.*(:::|:training-job/|:hyper-parameter-tuning-job/)", "", self.resource)

    @property
    def bucket(self) -> str:
        return self.name.partition("/")[0]


class AwsError(CloudRefused):
    """An error for which the error table has no row.

    Attributes:
        code: AWS's, as "ResourceNotFoundException".
    """

    def __init__(self, request: FailedRequest) -> None:
        self.code = request.code
        super().__init__(
            f"AWS rejected {request.operation} [{request.code}]: {request.text}",
            "If that does not say what to change, run the command again with --debug and report what it"
            " prints.",
        )


# Settings


class NoRegion(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "No AWS region is set.",
            'Set SAGEMAKER_REGION in myconfig.py, for example to "eu-west-1", or add --local to train on this'
            " machine.",
        )


class NoBucket(BadInput):
    def __init__(self, region: str) -> None:
        super().__init__(
            "SAGEMAKER_BUCKET is not set, so there is nowhere to store tubs and models.",
            "Run `python manage.py sagemaker-setup` to create a bucket, or set SAGEMAKER_BUCKET in"
            f" myconfig.py to a bucket in {region}.",
        )


class NoRole(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read from and write to the bucket.",
            "Run `python manage.py sagemaker-setup` to create a role, or set SAGEMAKER_ROLE_ARN in"
            " myconfig.py to the ARN of a role for SageMaker.",
        )


class WrongClock(CloudRefused):
    """
    Args:
        local, aws: the two clocks, in seconds since the epoch.
    """

    def __init__(self, *, local: float, aws: Optional[float], code: str = "") -> None:
        clocks = f"The clock of this machine shows {_format_time(local)}"
        if aws is not None:
            clocks += f", the clock of AWS {_format_time(aws)}"
        super().__init__(
            f"{clocks}; AWS rejects requests that are signed at the wrong time{in_brackets(code)}.",
            "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi loses the time when it is off).",
        )


# Buckets and objects


class NoSuchBucket(CloudRefused):
    def __init__(self, request: FailedRequest) -> None:
        bucket = request.bucket
        super().__init__(
            f"There is no bucket named {bucket} [{request.code}].",
            "Correct SAGEMAKER_BUCKET, or create the bucket:"
            f" `aws s3 mb s3://{bucket} --region {request.region}`.",
        )


class OtherOwner(CloudRefused):
    def __init__(self, bucket: str, *, account_id: str, code: str) -> None:
        super().__init__(
            f"Your account {account_id} has no access to the bucket {bucket} [{code}].",
            "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to a profile of the"
            " bucket's owner.",
        )


class WrongRegion(CloudRefused):
    """
    Args:
        bucket_region: None where it is not known.
    """

    def __init__(self, bucket: str, *, bucket_region: Optional[str], job_region: str, code: str = "") -> None:
        region = f'"{bucket_region}"' if bucket_region else "the bucket's region"
        super().__init__(
            f"The bucket {bucket} is in {bucket_region or 'another region'}, but the job would run in"
            f" {job_region}{in_brackets(code)}: SageMaker needs both in the same region.",
            f"Set SAGEMAKER_REGION to {region}, or SAGEMAKER_BUCKET to a bucket in {job_region}.",
        )


class WrongFolder(CloudRefused):
    """The car's key may use the folder of its user only.

    Args:
        prefix: where the car's objects would go.
        user: who may use a folder of that name instead.
    """

    def __init__(self, bucket: str, *, prefix: str, user: str, code: str) -> None:
        super().__init__(
            f"The IAM user {user} has no access to {prefix}/ in the bucket {bucket}, only to a folder of its"
            f" own{in_brackets(code)}.",
            f'Set SAGEMAKER_FOLDER = "{user}" and the SAGEMAKER_ROLE_ARN of this car in myconfig.py; as an'
            f" administrator, `python manage.py sagemaker-setup --user={user}` prints both.",
        )


class ObjectChanged(Unreachable):
    """An object was replaced during its download, which has to start again."""


class ObjectDamaged(CloudRefused):
    def __init__(self, uri: str) -> None:
        super().__init__(
            f"Each download of {uri} had a wrong checksum.",
            "Use another network: `python manage.py sagemaker-train --attach`.",
        )


class ObjectNotDeleted(CloudRefused):
    """
    Args:
        error: one of DeleteObjects' Errors.
    """

    def __init__(self, bucket: str, error: Dict[str, Any], *, region: str) -> None:
        page = find_partition(region).console_url(region, "s3/buckets/" + bucket)
        super().__init__(
            f"s3://{bucket}/{error.get('Key', '')} cannot be deleted{in_brackets(error.get('Code', ''))}:"
            f" {error.get('Message', '')}",
            f"Delete it at {page}, then run the command again.",
        )


# Jobs, roles and images


class JobNameTaken(CloudRefused):
    """There is a job of that name already; it may be the one that was asked for."""


class NoSuchImage(CloudRefused):
    """An image is not in its repository, or there is no such repository."""


class BadRole(CloudRefused):
    """
    Args:
        problem: a predicate, as "does not exist".
    """

    def __init__(self, role_arn: str, problem: str, *, code: str = "") -> None:
        super().__init__(
            f"The role {role_arn} {problem}{in_brackets(code)}.",
            "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n"
            + json.dumps(_TRUST, indent=2),
        )


def make_no_quota(
    quota: str,
    *,
    values: str,
    region: str,
    alternative: Optional[str] = None,
    code: str = "",
    is_in_use: bool = False,
) -> NoQuota:
    """
    Args:
        quota: its name in the console, as "ml.g4dn.xlarge for training job usage".
        values: a predicate, as "is 1, with 1 in use".
        alternative: an instance type that has quota, if one is known.
    """
    return with_alternative(
        NoQuota(
            f"This account's quota for {quota} in {region} {values}{in_brackets(code)}.",
            "",
            instance_type=quota.partition(" ")[0],
            is_in_use=is_in_use,
        ),
        alternative,
        region=region,
    )


def with_alternative(error: NoQuota, alternative: Optional[str], *, region: str) -> NoQuota:
    """The same error, whose fix proposes an instance type that has quota."""
    ask = f"a higher one, by that name, at {quotas_page(region)}"
    if alternative:
        fix = f'Set SAGEMAKER_INSTANCE_TYPE = "{alternative}", which has quota, or request {ask}'
    else:
        fix = f"Request {ask}"
    return NoQuota(error.what, fix, instance_type=error.instance_type, is_in_use=error.is_in_use)


def quotas_page(region: str) -> str:
    """Where a higher quota is requested."""
    return find_partition(region).console_url(region, "servicequotas/home/services/sagemaker/quotas")


def in_brackets(code: str) -> str:
    return f" [{code}]" if code else ""


def _format_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
