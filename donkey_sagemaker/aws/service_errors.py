"""The rows of the error table for what S3, IAM, ECR, CodeBuild and SageMaker reject. Pure."""

from typing import Tuple

from ..cloud.errors import NoCapacity, NoSuchJob, NoSuchObject
from ..errors import CloudRefused
from .error_rows import ANY, ATTACH, Row, says
from .errors import (
    BadRole,
    FailedRequest,
    JobNameTaken,
    NoSuchBucket,
    NoSuchImage,
    ObjectChanged,
    WrongRegion,
    make_no_quota,
)


def _wrong_region(request: FailedRequest) -> WrongRegion:
    return WrongRegion(
        request.bucket,
        bucket_region=request.matched["bucket_region"],
        job_region=request.region,
        code=request.code,
    )


def _no_quota(request: FailedRequest) -> NoCapacity:
    values = f"is {request.matched['limit']}, with {request.matched['used']} in use"
    return make_no_quota(
        str(request.matched["quota"]),
        values=values,
        region=request.region,
        code=request.code,
        is_in_use=int(request.matched["delta"] or 0) <= int(request.matched["limit"] or 0),
    )


_CREATE = "Create(TrainingJob|HyperParameterTuningJob)"
_INVALID = "ValidationException|ResourceNotFound"
_SETUP = "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it creates one."
_ROLE = "Give the role in SAGEMAKER_ROLE_ARN the permissions "

_QUOTA = (
    r"service limit '(?P<quota>{})' is (?P<limit>\d+) ?(?P<unit>\w*).*? utilization of (?P<used>\d+)"
    r".*? delta of (?P<delta>\d+)"
)
_OVER_QUOTA = (
    'This account\'s quota for "{quota}" in {region} is {limit} {unit}, with {used} in use; this job needs'
    " {delta} [{code}]."
)
_MORE_QUOTA = (
    "request a higher quota, by that name, at {console}/servicequotas/home/services/sagemaker/quotas"
)

_no_such_image = says(
    NoSuchImage,
    "There is no image {image} [{code}].",
    'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
)

SERVICE_ROWS: Tuple[Row, ...] = (
    # S3
    Row(ANY, "NoSuchBucket", "", NoSuchBucket),
    Row(
        ANY,
        "PermanentRedirect|301|AuthorizationHeaderMalformed|IllegalLocationConstraintException",
        r"(expecting '(?P<bucket_region>[\w-]+)')?$",
        _wrong_region,
    ),
    Row(
        "GetObject",
        "NoSuchKey|404",
        "",
        lambda request: NoSuchObject(f"s3://{request.name}", code=request.code),
    ),
    Row(
        "GetObject",
        "PreconditionFailed|412|InvalidRange|416",
        "",
        says(
            ObjectChanged,
            "s3://{name} kept changing while it was being downloaded [{code}].",
            "Wait until nothing writes to it and download it again: " + ATTACH + ".",
        ),
    ),
    Row(
        ANY,
        r"KMS\.\w+",
        "",
        says(
            CloudRefused,
            "The KMS key that encrypts the bucket {bucket} cannot be used [{code}]: {text}",
            "Enable that key at {console}/kms/home?region={region}, or let the bucket use another one.",
        ),
    ),
    # IAM, ECR and CodeBuild
    Row(
        "GetRole",
        "NoSuchEntity",
        "",
        lambda request: BadRole(request.resource, "does not exist", code=request.code),
    ),
    Row(
        "DescribeRepositories",
        "RepositoryNotFoundException",
        "",
        says(
            CloudRefused,
            "There is no repository for training images in {region} [{code}]: {text}",
            _SETUP,
        ),
    ),
    Row(
        "DescribeImages",
        "(Repository|Image)NotFoundException",
        "",
        _no_such_image,
    ),
    Row(
        "StartBuild",
        "ResourceNotFoundException",
        "",
        says(
            CloudRefused,
            "There is no CodeBuild project for training images in {region} [{code}]: {text}",
            _SETUP,
        ),
    ),
    Row(
        "StartBuild",
        "AccountLimitExceededException",
        r"more than 0 ",
        says(
            CloudRefused,
            "CodeBuild is not enabled for this account yet, which is common for a new one [{code}]: {text}",
            "Build the image on this machine: `python manage.py sagemaker-image --docker`, or ask AWS Support"
            " to enable CodeBuild.",
        ),
    ),
    Row(
        "StartBuild",
        "AccountLimitExceededException",
        "",
        says(
            CloudRefused,
            "CodeBuild runs as many builds as this account may [{code}]: {text}",
            "Wait until another build has ended, then run the command again.",
        ),
    ),
    # SageMaker
    Row(
        "(Describe|Stop)(TrainingJob|HyperParameterTuningJob)|ListTrainingJobsForHyperParameterTuningJob",
        _INVALID,
        "(?i)not f(ou|i)nd|does not exist|unable to find",
        lambda request: NoSuchJob(request.name, place="on AWS in " + request.region),
    ),
    Row(
        _CREATE,
        "ResourceInUse",
        "",
        says(
            JobNameTaken,
            "There is already another job named {name} [{code}].",
            "Train again: `python manage.py sagemaker-train` gives the job a new name.",
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        r"service limit '(?P<quota>ml\.[^']+)' is (?P<limit>\d+).*? utilization of (?P<used>\d+)"
        r".*? delta of (?P<delta>\d+)",
        _no_quota,
    ),
    # Quotas that are not of an instance type, so that another type is of no use
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        _QUOTA.format("Longest run time[^']*"),
        says(
            CloudRefused,
            _OVER_QUOTA,
            "Set SAGEMAKER_MAX_RUNTIME_S to at most {limit}, or " + _MORE_QUOTA,
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        _QUOTA.format("Size of EBS volume[^']*"),
        says(
            CloudRefused,
            _OVER_QUOTA,
            "Set SAGEMAKER_VOLUME_GB to at most {limit}, or " + _MORE_QUOTA,
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        _QUOTA.format("[^']+"),
        says(
            CloudRefused,
            _OVER_QUOTA,
            "Wait until other jobs have ended (`python manage.py sagemaker-jobs` lists them), or "
            + _MORE_QUOTA,
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded|ValidationException",
        r"(?P<type>ml\.[\w.-]+) is not available in this region",
        says(
            NoCapacity,
            "There are no {type} instances in {region} [{code}].",
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of the same size.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"(?i)unsupported instance type|resourceConfig\.instanceType",
        says(
            NoCapacity,
            "SageMaker does not train on this instance type [{code}]: {text}",
            'Set SAGEMAKER_INSTANCE_TYPE to a supported type, such as "ml.m5.xlarge".',
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded|(Insufficient)?Capacity.*",
        "",
        says(
            NoCapacity,
            "AWS has no free instance for this job [{code}]: {text}",
            "Set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"No S3 objects found under S3 URL \"?(?P<uri>s3://[^\s\"]+)",
        says(
            CloudRefused,
            "SageMaker finds no data at {uri} [{code}].",
            _ROLE + "s3:ListBucket and s3:GetObject on that bucket.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"Cannot find (repository|the requested image): *(?P<image>\S+?( in registry ID: \d+)?)[.,]?(\s|$)",
        _no_such_image,
    ),
    Row(
        _CREATE,
        _INVALID,
        "Access denied for repository",
        says(
            CloudRefused,
            "SageMaker is not allowed to read the training image [{code}]: {text}",
            _ROLE + "ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        "Invalid training image|Elastic Container Registry path",
        says(
            CloudRefused,
            "SageMaker cannot use this training image [{code}]: {text}",
            "Push it to a private ECR repository in {region} and set SAGEMAKER_IMAGE to its URI.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"(?i)assume role:? (?P<role>arn:\S+?)\.?(\s|$)",
        lambda request: BadRole(
            str(request.matched["role"]), "cannot be assumed by SageMaker", code=request.code
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        "Max(WaitTime|Runtime)InSeconds",
        says(
            CloudRefused,
            "AWS does not accept the time limits of this job [{code}]: {text}",
            "Leave SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S at their defaults.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        "",
        says(
            CloudRefused,
            "AWS does not accept this job [{code}]: {text}",
            "Run `python manage.py sagemaker-train --dry-run --debug` to see the request, and change the "
            "setting that causes this.",
        ),
    ),
)
