"""From a request that failed to the error that the user reads. Pure."""

import json
import re
import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from ..cloud.errors import NoCapacity, NoSuchJob, NoSuchObject, NotAllowed, Unreachable
from ..errors import BadInput, CloudRefused, DonkeySagemakerError
from .errors import (
    AwsError,
    BadRole,
    FailedRequest,
    JobNameTaken,
    NoSuchBucket,
    NoSuchImage,
    ObjectChanged,
    WrongClock,
    WrongRegion,
    make_no_quota,
)


class Row(NamedTuple):
    """Operation and code must match as a whole, the text in any part; its named groups go into `matched`."""

    operation: str
    code: str
    text: str
    make: Callable[[FailedRequest], DonkeySagemakerError]


def _says(kind: Callable[[str, str], DonkeySagemakerError], what: str, fix: str) -> Callable[..., Any]:
    """Makes an error of that class from two templates, whose fields are those of `_fields`."""

    def make(request: FailedRequest) -> DonkeySagemakerError:
        fields = _fields(request)
        return kind(what.format(**fields), fix.format(**fields))

    return make


def _fields(request: FailedRequest) -> Dict[str, Any]:
    return dict(
        request.matched,
        code=request.code,
        text=request.text,
        operation=request.operation,
        region=request.region,
        name=request.name,
        image=request.matched.get("image") or request.name,
        now=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(request.local_time)),
        of_profile=f"of the profile {request.profile}" if request.profile else "of this machine",
        in_profile=f"in the profile {request.profile}" if request.profile else "on this machine",
        option=f" --profile {request.profile}" if request.profile else "",
    )


def _not_allowed(request: FailedRequest) -> NotAllowed:
    """AWS mostly says who is not allowed to do what; S3 often just says "Access Denied"."""
    action = request.matched.get("action") or request.action
    resource = request.matched.get("resource") or request.resource
    reason = request.matched.get("reason") or ""
    statement: Dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": _generalize(resource)}
    if action == "iam:PassRole":
        statement["Condition"] = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    what = f"{request.matched.get('user') or 'Your AWS user'} is not allowed to use {action} on {resource}"
    fix = "Add this statement to the policy of that user or role:\n" + json.dumps(statement, indent=2)
    return NotAllowed(
        f"{what} [{request.code}]" + (f": {reason.rstrip('. ')}." if reason else "."),
        "Ask the administrator of this AWS account to remove the deny." if "explicit deny" in reason else fix,
        code=request.code,
        is_explained=request.matched.get("action") is not None,
    )


def _generalize(resource: str) -> str:
    """One object of a car, job or stream becomes all of its kind: the next one would be denied as well."""
    for pattern in (
        r"(:::(?:.+/cars/[^/]+/|[^/]+/[^/]+/)).+",
        r"(:training-job/donkey-).+",
        r"(:log-stream:).+",
    ):
        resource = re.sub(pattern, r"\1*", resource)
    return resource


def _wrong_clock(request: FailedRequest) -> WrongClock:
    return WrongClock(local=request.local_time, aws=request.aws_time, code=request.code)


def _wrong_region(request: FailedRequest) -> WrongRegion:
    return WrongRegion(
        request.bucket,
        bucket_region=request.matched["bucket_region"],
        job_region=request.region,
        code=request.code,
    )


def _no_quota(request: FailedRequest) -> NoCapacity:
    values = f"is {request.matched['limit']}, with {request.matched['used']} in use"
    quota = str(request.matched["quota"])
    return make_no_quota(quota, values=values, region=request.region, code=request.code)


_ANY = ".*"
_CREATE = "CreateTrainingJob"
_INVALID = "ValidationException|ResourceNotFound"
_DENIED = (
    r"(User: (?P<user>\S+) is not authorized to perform: (?P<action>[\w:-]+)"
    r"(.*? on resource: \"?(?P<resource>[^\s\",]+)\"?)?(.*? (because|with) (?P<reason>.+))?)?"
)
_ATTACH = "`python manage.py sagemaker-train --attach`"
_AGAIN = "then run the command again: it continues where it stopped."
_SETUP = "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it creates one."
_ROLE = "Give the role in SAGEMAKER_ROLE_ARN the permissions "

_busy = _says(
    Unreachable,
    "AWS could not handle {operation}, even after several tries [{code}]: {text}",
    "Wait a few minutes, " + _AGAIN,
)
_no_such_image = _says(
    NoSuchImage,
    "There is no image {image} [{code}].",
    'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
)

# The first row that matches counts.
ROWS: Tuple[Row, ...] = (
    # This machine: botocore's exceptions, by their names
    Row(
        _ANY,
        "ProfileNotFound",
        r"\((?P<profile>.+)\)",
        _says(
            BadInput,
            "There is no AWS profile named {profile} [{code}].",
            "Create it with `aws configure --profile {profile}`; "
            "`aws configure list-profiles` lists the others.",
        ),
    ),
    Row(
        _ANY,
        "(No|Partial)CredentialsError|MetadataRetrievalError",
        "",
        _says(
            BadInput,
            "There are no AWS credentials {in_profile} [{code}].",
            "Enter the access key of your IAM user: `aws configure{option}`.",
        ),
    ),
    Row(
        _ANY,
        "CredentialRetrievalError|MissingDependencyException",
        "",
        _says(
            BadInput,
            "The AWS credentials {of_profile} could not be loaded [{code}]: {text}",
            "Do what that says; if a login has expired, log in again: `aws login` or `aws sso login`.",
        ),
    ),
    Row(
        _ANY,
        "ConfigParseError|ConfigNotFound|Invalid(Region|Config)Error|InfiniteLoopConfigError"
        "|UnknownCredentialError",
        "",
        _says(
            BadInput,
            "The AWS configuration of this machine is not valid [{code}]: {text}",
            "Fix ~/.aws/config and ~/.aws/credentials, or write them again with `aws configure`.",
        ),
    ),
    Row(
        _ANY,
        "SSLError",
        "(?i)certificate.verify.failed",
        _says(
            CloudRefused,
            "The certificate of AWS could not be verified at {now}, by this machine's clock [{code}]: {text}",
            "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. Otherwise something "
            "on the network intercepts TLS: set AWS_CA_BUNDLE to its certificate.",
        ),
    ),
    Row(
        _ANY,
        "(EndpointConnection|Connect(ion|Timeout)|ReadTimeout|ConnectionClosed|ProxyConnection|SSL|HTTPClient"
        "|ResponseStreaming|IncompleteRead|ResponseParser|Protocol)Error|IncompleteRead|InvalidChunkLength",
        "",
        _says(
            Unreachable,
            "AWS cannot be reached [{code}]: {text}",
            "Check the network and SAGEMAKER_REGION, " + _AGAIN,
        ),
    ),
    # Who sends the request, and when
    Row(_ANY, "RequestTimeTooSkewed", "", _wrong_clock),
    Row(_ANY, _ANY, "^Signature (expired|not yet current)", _wrong_clock),
    Row(
        _ANY,
        "ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired|UnauthorizedSSOTokenError"
        "|SSOTokenLoadError|TokenRetrievalError|LoginRefreshRequired|LoginTokenLoadError|NoAuthTokenError",
        "",
        _says(
            CloudRefused,
            "Your AWS login has expired [{code}]. A job that has started keeps running.",
            "Log in again (`aws sso login{option}`, or enter new keys) and repeat the command. To return "
            "to a job: " + _ATTACH + ".",
        ),
    ),
    Row(
        _ANY,
        "InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
        "|InvalidSignatureException|InvalidToken|(IncompleteSignature|MissingAuthenticationToken)(Exception)?",
        "",
        _says(
            CloudRefused,
            "AWS does not accept the credentials {of_profile} in {region} [{code}].",
            "Create a new access key in the IAM console and enter it: `aws configure{option}`. (A region "
            "that is off by default must be enabled first.)",
        ),
    ),
    Row(
        _ANY,
        "OptInRequired|SubscriptionRequiredException|AccountProblem",
        "",
        _says(
            CloudRefused,
            "This AWS account is not ready for use [{code}]: {text}",
            "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for the "
            "confirmation e-mail.",
        ),
    ),
    Row(_ANY, "AccessDenied(Exception)?|UnauthorizedOperation|403", _DENIED, _not_allowed),
    # Temporary: what botocore itself would retry, and a body that was truncated or changed on its way
    Row(
        _ANY,
        "Throttl.*|RequestThrottled.*|TooManyRequests.*|(Request|Bandwidth)LimitExceeded|LimitExceededException"
        "|ProvisionedThroughputExceeded.*|TransactionInProgress.*|PriorRequestNotComplete|SlowDown"
        "|RequestTimeout(Exception)?|Internal(Error|Failure|ServerError|ServerException)"
        "|Service(Unavailable(Exception)?|Exception)|408|429|IncompleteBody|BadDigest"
        "|XAmzContentSHA256Mismatch|OperationAborted|ConditionalRequestConflict",
        "",
        _busy,
    ),
    # S3
    Row(_ANY, "NoSuchBucket", "", NoSuchBucket),
    Row(
        _ANY,
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
        _says(
            ObjectChanged,
            "s3://{name} kept changing while it was being downloaded [{code}].",
            "Wait until nothing writes to it and download it again: " + _ATTACH + ".",
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
        _says(
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
        _says(
            CloudRefused,
            "There is no CodeBuild project for training images in {region} [{code}]: {text}",
            _SETUP,
        ),
    ),
    # SageMaker
    Row(
        "(Describe|Stop)TrainingJob",
        _INVALID,
        "(?i)not f(ou|i)nd",
        lambda request: NoSuchJob(request.name, place="on AWS in " + request.region),
    ),
    Row(
        _CREATE,
        "ResourceInUse",
        "",
        _says(
            JobNameTaken,
            "There is already another job named {name} [{code}].",
            "Train again: `python manage.py sagemaker-train` gives the job a new name.",
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        r"service limit '(?P<quota>[^']+)' is (?P<limit>\d+).*? utilization of (?P<used>\d+)",
        _no_quota,
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded|ValidationException",
        r"(?P<type>ml\.[\w.-]+) is not available in this region",
        _says(
            NoCapacity,
            "There are no {type} instances in {region} [{code}].",
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of the same size.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"(?i)unsupported instance type|resourceConfig\.instanceType",
        _says(
            NoCapacity,
            "SageMaker does not train on this instance type [{code}]: {text}",
            'Set SAGEMAKER_INSTANCE_TYPE to a supported type, such as "ml.m5.xlarge".',
        ),
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded|(Insufficient)?Capacity.*",
        "",
        _says(
            NoCapacity,
            "AWS has no free instance for this job [{code}]: {text}",
            "Set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        r"No S3 objects found under S3 URL \"?(?P<uri>s3://[^\s\"]+)",
        _says(
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
        _says(
            CloudRefused,
            "SageMaker is not allowed to read the training image [{code}]: {text}",
            _ROLE + "ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        "Invalid training image|Elastic Container Registry path",
        _says(
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
        _says(
            CloudRefused,
            "AWS does not accept the time limits of this job [{code}]: {text}",
            "Leave SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S at their defaults.",
        ),
    ),
    Row(
        _CREATE,
        _INVALID,
        "",
        _says(
            CloudRefused,
            "AWS does not accept this job [{code}]: {text}",
            "Run `python manage.py sagemaker-train --dry-run` to see the request, and change the setting "
            "that causes this.",
        ),
    ),
)


def find_row(request: FailedRequest) -> Optional[Tuple[Row, Dict[str, Optional[str]]]]:
    """The first row that matches, and the named groups of its text; None if no row does."""
    for row in ROWS:
        if re.fullmatch(row.operation, request.operation) and re.fullmatch(row.code, request.code):
            match = re.search(row.text, request.text)
            if match:
                return row, match.groupdict()
    return None


def make_error(request: FailedRequest) -> DonkeySagemakerError:
    """The error of the first row that matches; without one, AwsError, or Unreachable for a 5xx."""
    found = find_row(request)
    if found:
        row, matched = found
        return row.make(request._replace(matched=matched))
    return _busy(request) if request.status >= 500 else AwsError(request)
