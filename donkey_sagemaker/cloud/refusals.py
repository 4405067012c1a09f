"""What AWS says no with, in the user's words: every refusal and every failed job that we know how to mend.

Pure: `cloud/aws.py` turns what botocore raises into an `Answer`, `explain_refusal` finds its exception.
Of a job that failed SageMaker tells a FailureReason; `explain_failure` reads that.
"""

import json
import re
import time
from typing import Any, Callable, Dict, List, Match, NamedTuple, Optional, Tuple

from ..errors import BadInput, CloudRefused, DonkeySagemakerError

_QUOTAS_PAGE = "https://{}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
_TRAIN = "`python manage.py sagemaker-train`"
_ATTACH = "`python manage.py sagemaker-train --attach`"


class Answer(NamedTuple):
    """AWS's no, or botocore's before it came to that, and what it was the answer to."""

    operation: str  # as "PutObject"
    code: str  # AWS's, as "AccessDenied", or the name of botocore's exception
    text: str
    action: str = ""  # what IAM calls the operation, as "s3:PutObject"
    resource: str = "*"  # ARN or name of what it was done to
    region: str = ""
    profile: Optional[str] = None
    status: int = 0  # of HTTP; 0 where there was no response
    our_time: float = 0.0  # seconds since the epoch
    their_time: Optional[float] = None  # by the response's Date


# Settings that are missing


class NoRegion(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "No AWS region is set.",
            'Set SAGEMAKER_REGION in myconfig.py to the region of your bucket, such as "eu-west-1".',
        )


class NoBucket(BadInput):
    def __init__(self, region: str) -> None:
        super().__init__(
            "SAGEMAKER_BUCKET is not set: there is no place for tubs and models.",
            "Make a bucket with `aws s3 mb s3://NAME --region {}`, then set SAGEMAKER_BUCKET to its NAME "
            "in myconfig.py.".format(region),
        )


class NoRole(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "SAGEMAKER_ROLE_ARN is not set: a job needs a role that lets it read and write the bucket.",
            "Make a role for SageMaker in the IAM console (https://console.aws.amazon.com/iam), then set "
            "SAGEMAKER_ROLE_ARN to its ARN in myconfig.py.",
        )


class NoProfile(BadInput):
    def __init__(self, profile: str) -> None:
        super().__init__(
            "There is no AWS profile named {}.".format(profile),
            "Set SAGEMAKER_PROFILE (or AWS_PROFILE) to one that `aws configure list-profiles` shows.",
        )


class BadConfigFile(BadInput):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "The AWS settings of this machine cannot be used [{}]: {}".format(code, text),
            "Mend ~/.aws/config and ~/.aws/credentials, or write them anew with `aws configure`.",
        )


class NoCredentials(BadInput):
    def __init__(self, code: str, profile: Optional[str]) -> None:
        super().__init__(
            "There are no AWS credentials {} [{}].".format(
                "in the profile " + profile if profile else "on this machine", code
            ),
            "Enter those of your IAM user: `aws configure{}`.".format(_option(profile)),
        )


# Who asks, and when


class BadCredentials(CloudRefused):
    def __init__(self, code: str, profile: Optional[str], region: str) -> None:
        super().__init__(
            "AWS does not accept these credentials{} in {} [{}].".format(
                " of the profile " + profile if profile else "", region, code
            ),
            "Make a new access key in the IAM console and enter it: `aws configure{}`. (A region that is "
            "off by default must be enabled first.)".format(_option(profile)),
        )


class LoginExpired(CloudRefused):
    """A job that runs is not touched by it."""

    def __init__(self, code: str, profile: Optional[str]) -> None:
        super().__init__(
            "Your AWS login has expired [{}]. A job that was started goes on.".format(code),
            "Log in again (`aws sso login{}`, or enter new keys), then come back to the job: {}.".format(
                _option(profile), _ATTACH
            ),
        )


class NotSignedUp(CloudRefused):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "This AWS account is not ready for use [{}]: {}".format(code, text),
            "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for its e-mail.",
        )


class WrongClock(CloudRefused):
    def __init__(self, code: str, *, ours: float, theirs: Optional[float]) -> None:
        super().__init__(
            "The clock of this machine says {}{}; AWS refuses what is signed at the wrong time{}.".format(
                _moment(ours),
                ", that of AWS " + _moment(theirs) if theirs is not None else "",
                " [{}]".format(code) if code else "",
            ),
            "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi forgets the time without power).",
        )


class UntrustedServer(CloudRefused):
    def __init__(self, code: str, text: str, now: float) -> None:
        super().__init__(
            "The certificate of AWS cannot be verified at {}, this machine's time [{}]: {}".format(
                _moment(now), code, text
            ),
            "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. If not, something in the "
            "network opens TLS: set AWS_CA_BUNDLE to its certificate.",
        )


class NotAllowed(CloudRefused):
    """IAM says no."""

    def __init__(self, code: str, *, who: str, action: str, resource: str, because: str) -> None:
        self.code = code
        statement: Dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
        if action == "iam:PassRole":
            statement["Condition"] = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        super().__init__(
            "{} may not {} on {} [{}]{}.".format(who, action, resource, code, because and ": " + because),
            "Have the deny taken away, by whoever manages this AWS account."
            if "explicit deny" in because
            else "Add this statement to the policy of that user or role:\n" + json.dumps(statement, indent=2),
        )


# The network


class Unreachable(CloudRefused):
    """Nothing is known of what became of the request; to try again later is right."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "AWS cannot be reached [{}]: {}".format(code, text),
            "Check the network and SAGEMAKER_REGION, then run the command again: it goes on where it was.",
        )


class Busy(Unreachable):
    """AWS was reached, and asks to come again later."""

    def __init__(self, operation: str, code: str, text: str) -> None:
        CloudRefused.__init__(
            self,
            "AWS could not do {} at last [{}]: {}".format(operation, code, text),
            "Wait some minutes, then run the command again: it goes on where it was.",
        )


# The bucket


class NoSuchBucket(CloudRefused):
    def __init__(self, code: str, bucket: str, region: str) -> None:
        super().__init__(
            "There is no bucket named {} [{}].".format(bucket, code),
            "Correct SAGEMAKER_BUCKET, or make the bucket: `aws s3 mb s3://{} --region {}`.".format(
                bucket, region
            ),
        )


class OtherOwner(CloudRefused):
    def __init__(self, code: str, bucket: str, account: str) -> None:
        super().__init__(
            "The bucket {} is not one of your account {} [{}].".format(bucket, account, code),
            "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to its owner's.",
        )


class WrongRegion(CloudRefused):
    def __init__(self, code: str, bucket: str, *, bucket_region: str, region: str) -> None:
        super().__init__(
            "The bucket {} is in {}, the job would be in {}{}: SageMaker needs both in one region.".format(
                bucket, bucket_region, region, " [{}]".format(code) if code else ""
            ),
            "Set SAGEMAKER_REGION to {}, or SAGEMAKER_BUCKET to a bucket in {}.".format(
                '"{}"'.format(bucket_region) if bucket_region != "another region" else "that of the bucket",
                region,
            ),
        )


class NoSuchObject(CloudRefused):
    def __init__(self, code: str, uri: str) -> None:
        super().__init__("{} is not there [{}].".format(uri, code), "Train again: {}.".format(_TRAIN))


class ObjectChanged(Unreachable):
    """It was replaced while it was fetched: to be fetched again from its start."""

    def __init__(self, code: str, uri: str) -> None:
        CloudRefused.__init__(
            self,
            "{} has changed while it was fetched [{}].".format(uri, code),
            "Fetch it again: {}.".format(_ATTACH),
        )


class ObjectDamaged(CloudRefused):
    def __init__(self, uri: str) -> None:
        super().__init__(
            "{} arrives with another checksum than the bucket has for it, each time.".format(uri),
            "Try again over another network: {}.".format(_ATTACH),
        )


# The job


class NoSuchJob(CloudRefused):
    def __init__(self, name: str, *, place: str) -> None:
        super().__init__(
            "There is no job named {} {}.".format(name, place),
            "`python manage.py sagemaker-jobs` lists those that there are.",
        )


class NameTaken(CloudRefused):
    def __init__(self, code: str, name: str) -> None:
        super().__init__(
            "There is another job named {} already [{}].".format(name, code),
            "Train again: {} gives the job a new name.".format(_TRAIN),
        )


class NoCapacity(CloudRefused):
    """This type of machine cannot be had; another may."""


class NoQuota(NoCapacity):
    """The account may not have that many machines of the type.

    Args:
        quota: its name, as the console shows it, e.g. "ml.g4dn.xlarge for training job usage".
        numbers: the limit and what is used of it, as "is 0" or "is 2, with 2 in use".
        instead: a type that has quota, if one is known.
    """

    def __init__(self, code: str, *, quota: str, numbers: str, region: str, instead: Optional[str]) -> None:
        self.instance_type = quota.split(" ")[0]
        self._words = {"quota": quota, "numbers": numbers, "region": region}
        self._code = code
        super().__init__(
            "This account's quota for {} in {} {}{}.".format(
                quota, region, numbers, " [{}]".format(code) if code else ""
            ),
            "{}ask for a higher one, by that name, at {}".format(
                'Set SAGEMAKER_INSTANCE_TYPE = "{}", which has quota, or '.format(instead) if instead else "",
                _QUOTAS_PAGE.format(region),
            ),
        )

    def with_instead(self, instance_type: str) -> "NoQuota":
        """The same refusal, with a type that has quota."""
        return NoQuota(self._code, instead=instance_type, **self._words)


class NotInRegion(NoCapacity):
    def __init__(self, code: str, instance_type: str, region: str) -> None:
        super().__init__(
            "There are no {} machines in {} [{}].".format(instance_type, region, code),
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of its size.",
        )


class UnsupportedType(NoCapacity):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "SageMaker does not train on this type of machine [{}]: {}".format(code, text),
            'Set SAGEMAKER_INSTANCE_TYPE to a type that it does, such as "ml.m5.xlarge".',
        )


class NoMachine(NoCapacity):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "AWS has no such machine for this job [{}]: {}".format(code, text),
            "Set SAGEMAKER_INSTANCE_TYPE to another type.",
        )


class NoInput(CloudRefused):
    def __init__(self, code: str, uri: str) -> None:
        super().__init__(
            "SageMaker finds nothing at {} [{}]: the bucket is in another region, the job's role may not "
            "list it, or it was emptied.".format(uri, code),
            "Give the role of SAGEMAKER_ROLE_ARN s3:ListBucket and s3:GetObject on the bucket.",
        )


class NoSuchImage(CloudRefused):
    def __init__(self, code: str, image: str) -> None:
        super().__init__(
            "There is no image {} [{}].".format(image, code),
            'Correct SAGEMAKER_IMAGE, or set it to "auto".',
        )


class ImageDenied(CloudRefused):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "SageMaker may not read the training image [{}]: {}".format(code, text),
            "Give the role of SAGEMAKER_ROLE_ARN ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it.",
        )


class BadImage(CloudRefused):
    def __init__(self, code: str, text: str, region: str) -> None:
        super().__init__(
            "SageMaker cannot use this training image [{}]: {}".format(code, text),
            "Push it to a private ECR repository in {} and set SAGEMAKER_IMAGE to that.".format(region),
        )


class BadRole(CloudRefused):
    def __init__(self, role_arn: str, trouble: str, code: str = "") -> None:
        super().__init__(
            "The role {} {}{}.".format(role_arn, trouble, " [{}]".format(code) if code else ""),
            "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n"
            + json.dumps(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                },
                indent=2,
            ),
        )


class BadTimeLimit(CloudRefused):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "AWS does not accept the time limits of this job [{}]: {}".format(code, text),
            "Set SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S back to their defaults.",
        )


class BadRequest(CloudRefused):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(
            "AWS does not accept this job [{}]: {}".format(code, text),
            "See with {} --dry-run what is sent, and change the setting that it names.".format(_TRAIN),
        )


class Refused(CloudRefused):
    """Whatever nobody foresaw."""

    def __init__(self, operation: str, code: str, text: str) -> None:
        self.code = code
        super().__init__(
            "AWS refused {} [{}]: {}".format(operation, code, text),
            "If that does not tell you what to do, look the code up in docs/troubleshooting.md.",
        )


# From the answer to the exception

_PASSING = "|".join(
    (
        # what botocore's own retries know
        "Throttl.*|RequestThrottled.*|TooManyRequests.*|RequestLimitExceeded|BandwidthLimitExceeded",
        "LimitExceededException|ProvisionedThroughputExceeded.*|TransactionInProgress.*|PriorRequestNotComplete",
        "SlowDown|RequestTimeout(Exception)?|InternalError|InternalFailure|InternalServer(Error|Exception)",
        "ServiceUnavailable(Exception)?|ServiceException|429|5\\d\\d",
        # and what it does not: the body was cut or changed on its way, or another request was faster
        "IncompleteBody|BadDigest|XAmzContentSHA256Mismatch|OperationAborted",
    )
)
_NETWORK = (
    "(EndpointConnection|ConnectTimeout|ReadTimeout|ConnectionClosed|ProxyConnection|SSL|HTTPClient|Connection"
    "|ResponseStreaming|IncompleteRead|ResponseParser)Error"
)
_EXPIRED = (
    "ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired|UnauthorizedSSOTokenError|SSOTokenLoadError"
    "|TokenRetrievalError|LoginRefreshRequired|LoginTokenLoadError|NoAuthTokenError|ExpiredTokenError"
)
_UNKNOWN = (
    "InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
    "|InvalidSignatureException|InvalidToken|IncompleteSignature(Exception)?|MissingAuthenticationToken(Exception)?"
)
_DENIED = "AccessDenied(Exception)?|UnauthorizedOperation|AuthorizationError(Exception)?|Forbidden|403"


class _Row(NamedTuple):
    operations: str  # each a pattern; the first two for the whole, the text's for a part
    codes: str
    text: str
    make: Callable[[Answer, Match[str]], DonkeySagemakerError]


def explain_refusal(answer: Answer) -> DonkeySagemakerError:
    """The exception of the first row that fits; Refused where none does."""
    for row in _ROWS:
        if re.fullmatch(row.operations, answer.operation) and re.fullmatch(row.codes, answer.code):
            match = re.search(row.text, answer.text, re.DOTALL)
            if match:
                return row.make(answer, match)
    if answer.status >= 500:
        return Busy(answer.operation, answer.code, answer.text)
    return Refused(answer.operation, answer.code, answer.text)


def _wrong_clock(answer: Answer, match: Match[str]) -> WrongClock:
    return WrongClock(answer.code, ours=answer.our_time, theirs=answer.their_time)


def _not_allowed(answer: Answer, match: Match[str]) -> NotAllowed:
    """AWS mostly tells who may not do what; S3 often says no more than "Access Denied"."""
    told = re.search(
        r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w:-]+)"
        r"(?: on resource: \"?(?P<resource>[^\s\",]+)\"?)?(?:.*?because (?P<because>.+))?",
        answer.text,
        re.DOTALL,
    )
    found = told.groupdict() if told else {}
    return NotAllowed(
        answer.code,
        who=found.get("who") or "Your AWS user",
        action=found.get("action") or answer.action,
        resource=found.get("resource") or answer.resource,
        because=(found.get("because") or "").strip().rstrip("."),
    )


def _no_quota(answer: Answer, match: Match[str]) -> NoQuota:
    limit, used = match.group("limit"), match.group("used")
    return NoQuota(
        answer.code,
        quota=match.group("quota"),
        numbers="is {}{}".format(limit, ", with {} in use".format(used) if used not in (None, "0") else ""),
        region=answer.region,
        instead=None,
    )


def _name(answer: Answer) -> str:
    """The last part of the resource: of a bucket's ARN, a job's or an object's."""
    return re.split(":::|/", answer.resource, maxsplit=1)[-1]


def _bucket(answer: Answer) -> str:
    return _name(answer).partition("/")[0]


_JOB = "(Create|Describe|Stop)TrainingJob"
_CREATE = "CreateTrainingJob"
_ANY = ".*"
_INVALID = "ValidationException|ResourceNotFound|InvalidParameter.*"

_ROWS = (
    _Row(_ANY, "NoRegionError", "", lambda answer, match: NoRegion()),
    _Row(_ANY, "ProfileNotFound", r"\((.+)\)", lambda answer, match: NoProfile(match.group(1))),
    _Row(
        _ANY,
        "NoCredentialsError|PartialCredentialsError|CredentialRetrievalError|MetadataRetrievalError",
        "",
        lambda answer, match: NoCredentials(answer.code, answer.profile),
    ),
    _Row(
        _ANY,
        "ConfigParseError|InvalidRegionError|InvalidConfigError|InfiniteLoopConfigError|UnknownCredentialError"
        "|ConfigNotFound",
        "",
        lambda answer, match: BadConfigFile(answer.code, answer.text),
    ),
    _Row(
        _ANY,
        "SSLError",
        "CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        lambda answer, match: UntrustedServer(answer.code, answer.text, answer.our_time),
    ),
    _Row(_ANY, _NETWORK, "", lambda answer, match: Unreachable(answer.code, answer.text)),
    _Row(_ANY, "RequestTimeTooSkewed", "", _wrong_clock),
    _Row(_ANY, _ANY, "^Signature (expired|not yet current)", _wrong_clock),
    _Row(_ANY, _EXPIRED, "", lambda answer, match: LoginExpired(answer.code, answer.profile)),
    _Row(
        _ANY, _UNKNOWN, "", lambda answer, match: BadCredentials(answer.code, answer.profile, answer.region)
    ),
    _Row(
        _ANY,
        "OptInRequired|SubscriptionRequiredException|AccountProblem|NotSignedUp",
        "",
        lambda answer, match: NotSignedUp(answer.code, answer.text),
    ),
    _Row(_ANY, _DENIED, "", _not_allowed),
    _Row(_ANY, _PASSING, "", lambda answer, match: Busy(answer.operation, answer.code, answer.text)),
    # S3
    _Row(
        _ANY,
        "NoSuchBucket",
        "",
        lambda answer, match: NoSuchBucket(answer.code, _bucket(answer), answer.region),
    ),
    _Row(
        _ANY,
        "PermanentRedirect|301|AuthorizationHeaderMalformed|IllegalLocationConstraintException",
        r"(?:expecting '(?P<region>[\w-]+)')?$",
        lambda answer, match: WrongRegion(
            answer.code,
            _bucket(answer),
            bucket_region=match.group("region") or "another region",
            region=answer.region,
        ),
    ),
    _Row(
        "(Get|Head)Object",
        "NoSuchKey|NotFound|404",
        "",
        lambda answer, match: NoSuchObject(answer.code, "s3://" + _name(answer)),
    ),
    _Row(
        "GetObject",
        "PreconditionFailed|412|InvalidRange|416",
        "",
        lambda answer, match: ObjectChanged(answer.code, "s3://" + _name(answer)),
    ),
    # IAM and ECR
    _Row(
        "GetRole",
        "NoSuchEntity",
        "",
        lambda answer, match: BadRole(answer.resource, "is not there", answer.code),
    ),
    _Row(
        "Describe(Images|Repositories)",
        "(Repository|Image)NotFoundException",
        "",
        lambda answer, match: NoSuchImage(answer.code, answer.resource),
    ),
    # SageMaker
    _Row(
        _CREATE,
        "ResourceLimitExceeded",
        r"service limit '(?P<quota>[^']+)' is (?P<limit>\d+)(?:.*?utilization of (?P<used>\d+))?",
        _no_quota,
    ),
    _Row(
        _CREATE,
        "ResourceLimitExceeded|ValidationException",
        r"(ml\.[\w.-]+) is not available in this region",
        lambda answer, match: NotInRegion(answer.code, match.group(1), answer.region),
    ),
    _Row(
        _CREATE,
        _INVALID,
        r"(?i)unsupported instance type|resourceConfig\.instanceType",
        lambda answer, match: UnsupportedType(answer.code, answer.text),
    ),
    _Row(
        _CREATE,
        "ResourceLimitExceeded|CapacityError|InsufficientCapacity.*",
        "",
        lambda answer, match: NoMachine(answer.code, answer.text),
    ),
    _Row(_CREATE, "ResourceInUse", "", lambda answer, match: NameTaken(answer.code, _name(answer))),
    _Row(
        _CREATE,
        _INVALID,
        r"No S3 objects found under S3 URL \"?(?P<uri>s3://[^\s\"]+)",
        lambda answer, match: NoInput(answer.code, match.group("uri")),
    ),
    _Row(
        _CREATE,
        _INVALID,
        r"(?:Cannot find (?:the requested image|repository)|Requested image)[: ]+(?P<image>\S+?)"
        r"(?: in registry ID: (?P<registry>\d+).*)?(?:[.,]?\s|[.,]?$)",
        lambda answer, match: NoSuchImage(
            answer.code,
            match.group("image")
            + (" in the registry " + match.group("registry") if match.group("registry") else ""),
        ),
    ),
    _Row(
        _CREATE,
        _INVALID,
        "Access denied for repository",
        lambda answer, match: ImageDenied(answer.code, answer.text),
    ),
    _Row(
        _CREATE,
        _INVALID,
        "Invalid training image|valid Amazon Elastic Container Registry path",
        lambda answer, match: BadImage(answer.code, answer.text, answer.region),
    ),
    _Row(
        _CREATE,
        _INVALID,
        r"(?i)could not assume role (?P<role>arn:\S+?)[.,]?(\s|$)",
        lambda answer, match: BadRole(match.group("role"), "cannot be assumed by SageMaker", answer.code),
    ),
    _Row(
        _CREATE,
        _INVALID,
        "MaxWaitTimeInSeconds|MaxRuntimeInSeconds",
        lambda answer, match: BadTimeLimit(answer.code, answer.text),
    ),
    _Row(
        "(Describe|Stop)TrainingJob",
        "ValidationException|ResourceNotFound",
        "(?i)not found|^$",
        lambda answer, match: NoSuchJob(_name(answer), place="on AWS in " + answer.region),
    ),
    _Row(_CREATE, _INVALID, "", lambda answer, match: BadRequest(answer.code, answer.text)),
)  # type: Tuple[_Row, ...]


# Jobs that failed


class Failure(NamedTuple):
    """A way in which jobs fail."""

    pattern: str  # found in FailureReason or in the last lines of the log
    what: str
    fix: str


CAPACITY = r"CapacityError|[Ii]nsufficient capacity|requested ML compute capacity"

FAILURES = (
    Failure(
        CAPACITY,
        "AWS has no free machine of this type at the moment",
        "Train again later, or set SAGEMAKER_INSTANCE_TYPE to a list of types to try one after the other.",
    ),
    Failure(
        r"sts:AssumeRole",
        "SageMaker may not take the role of SAGEMAKER_ROLE_ARN",
        "Add sts:AssumeRole for the service sagemaker.amazonaws.com to the trust policy of that role.",
    ),
    Failure(
        r"manifest media type|application/vnd\.oci\.image",
        "the training image has an OCI manifest, which SageMaker does not read",
        "Build it again with `docker build --platform linux/amd64 --provenance=false` and push it.",
    ),
    Failure(
        r"exec format error",
        "the training image was built for another processor",
        "Build it again with `docker build --platform linux/amd64 --provenance=false` and push it.",
    ),
    Failure(
        r"\"train\": executable file not found",
        "the training image does not answer to `train`",
        "Give the image an ENTRYPOINT, or an executable `train` on its PATH.",
    ),
    Failure(
        r"Cannot pull algorithm container",
        "the training image could not be fetched: it is not there, too big for the disk, or the role may not",
        "Set SAGEMAKER_VOLUME_GB to a bigger disk; if the image is no bigger, let the role of "
        "SAGEMAKER_ROLE_ARN pull from ECR.",
    ),
    Failure(
        r"Insufficient disk space|No space left on device|\[Errno 28\]",
        "the job's disk was full",
        "Set SAGEMAKER_VOLUME_GB to a bigger disk.",
    ),
    Failure(
        r"[Ee]xit code:? 137|OutOfMemory|out of memory|\bOOM\b|ResourceExhaustedError",
        "the job ran out of memory",
        "Set SAGEMAKER_INSTANCE_TYPE to a bigger type, or BATCH_SIZE in myconfig.py to a smaller number.",
    ),
    Failure(
        r"illegal char sub-sequence '//'",
        "a path in the bucket has two slashes in a row, which SageMaker does not read",
        "Set SAGEMAKER_PREFIX to one without.",
    ),
    Failure(
        r"No S3 objects found under S3 URL|[Dd]ata download failed|Failed to download data",
        "the job could not read its data in the bucket",
        "Give the role of SAGEMAKER_ROLE_ARN s3:ListBucket and s3:GetObject on the bucket.",
    ),
    Failure(
        r"Artifact upload failed|Failed to upload",
        "the job could not write its model into the bucket",
        "Give the role of SAGEMAKER_ROLE_ARN s3:PutObject on the bucket.",
    ),
    Failure(
        r"InternalServerError",
        "SageMaker failed, not the training",
        "Train again: what was sent is kept.",
    ),
)  # type: Tuple[Failure, ...]

_MEND = "Mend what it names and train again; nothing in the car has changed."


def explain_failure(reason: str, last_lines: List[str]) -> Tuple[str, str]:
    """What a failed job's FailureReason means, and the one thing to do.

    Args:
        reason: FailureReason as SageMaker tells it; the trainer's own words stand behind "AlgorithmError: ".
        last_lines: the last lines of the job's log.
    Returns:
        (what, fix)
    """
    cause = reason.partition("\nTraceback (most recent call last):")[0].strip()  # the log has it whole
    own_words = re.sub(r"^AlgorithmError:? ?|,? ?[Ee]xit code:? \d+$", "", cause)
    # The log is full of words that mean nothing bad; it is read where the container left none of its own.
    for text in [reason] if own_words else [reason] + last_lines[::-1]:
        for failure in FAILURES:
            if re.search(failure.pattern, text):
                return "{} [{}]".format(failure.what, cause), failure.fix
    return own_words or cause or "it ended without a model", _MEND


def is_capacity_failure(reason: str) -> bool:
    """Whether the job failed for want of a machine: another type, or a later time, may do."""
    return re.search(CAPACITY, reason) is not None


def _option(profile: Optional[str]) -> str:
    return " --profile " + profile if profile else ""


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
