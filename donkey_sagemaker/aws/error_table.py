"""From what AWS answers, or botocore raises, to the exception that tells the user. Pure."""

import re
from typing import Callable, NamedTuple, Tuple

from ..errors import DonkeySagemakerError
from . import errors as refusals
from .errors import Answer


class Row(NamedTuple):
    """Operation and code are matched whole, the text in any part; the named groups become `Answer.found`."""

    operation: str
    code: str
    text: str
    make: Callable[[Answer], DonkeySagemakerError]


_ANY = ".*"
_CREATE = "CreateTrainingJob"
_INVALID = "ValidationException|ResourceNotFound"
_WHO_WHAT = (
    r"(User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w:-]+)"
    r"(.*? on resource: \"?(?P<resource>[^\s\",]+)\"?)?(.*? (because|with) (?P<because>.+))?)?"
)

# The first row that fits counts.
ROWS: Tuple[Row, ...] = (
    # This machine: botocore's exceptions by name
    Row(_ANY, "ProfileNotFound", r"\((?P<profile>.+)\)", refusals.NoProfile),
    Row(_ANY, "(No|Partial)CredentialsError|MetadataRetrievalError", "", refusals.NoCredentials),
    Row(_ANY, "CredentialRetrievalError|MissingDependencyException", "", refusals.CredentialsFailed),
    Row(
        _ANY,
        "ConfigParseError|ConfigNotFound|Invalid(Region|Config)Error|InfiniteLoopConfigError|UnknownCredentialError",
        "",
        refusals.BadConfigFile,
    ),
    Row(_ANY, "SSLError", "(?i)certificate.verify.failed", refusals.UntrustedServer),
    Row(
        _ANY,
        "(EndpointConnection|Connect(ion|Timeout)|ReadTimeout|ConnectionClosed|ProxyConnection|SSL|HTTPClient"
        "|ResponseStreaming|IncompleteRead|ResponseParser|Protocol)Error|IncompleteRead|InvalidChunkLength",
        "",
        refusals.Unreachable,
    ),
    # Who asks, and when
    Row(_ANY, "RequestTimeTooSkewed", "", refusals.WrongClock.of),
    Row(_ANY, _ANY, "^Signature (expired|not yet current)", refusals.WrongClock.of),
    Row(
        _ANY,
        "ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired|UnauthorizedSSOTokenError|SSOTokenLoadError"
        "|TokenRetrievalError|LoginRefreshRequired|LoginTokenLoadError|NoAuthTokenError",
        "",
        refusals.LoginExpired,
    ),
    Row(
        _ANY,
        "InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
        "|InvalidSignatureException|InvalidToken|(IncompleteSignature|MissingAuthenticationToken)(Exception)?",
        "",
        refusals.BadCredentials,
    ),
    Row(
        _ANY,
        "OptInRequired|SubscriptionRequiredException|AccountProblem",
        "",
        refusals.NotSignedUp,
    ),
    Row(_ANY, "AccessDenied(Exception)?|UnauthorizedOperation|403", _WHO_WHAT, refusals.NotAllowed),
    # What passes: of botocore's own retries, and a body that was cut or changed on its way
    Row(
        _ANY,
        "Throttl.*|RequestThrottled.*|TooManyRequests.*|(Request|Bandwidth)LimitExceeded|LimitExceededException"
        "|ProvisionedThroughputExceeded.*|TransactionInProgress.*|PriorRequestNotComplete|SlowDown"
        "|RequestTimeout(Exception)?|Internal(Error|Failure|ServerError|ServerException)"
        "|Service(Unavailable(Exception)?|Exception)|408|429|IncompleteBody|BadDigest"
        "|XAmzContentSHA256Mismatch|OperationAborted",
        "",
        refusals.Busy,
    ),
    # S3
    Row(_ANY, "NoSuchBucket", "", refusals.NoSuchBucket),
    Row(
        _ANY,
        "PermanentRedirect|301|AuthorizationHeaderMalformed|IllegalLocationConstraintException",
        r"(expecting '(?P<there>[\w-]+)')?$",
        refusals.WrongRegion.of,
    ),
    Row("GetObject", "NoSuchKey|404", "", refusals.NoSuchObject),
    Row("GetObject", "PreconditionFailed|412|InvalidRange|416", "", refusals.ObjectChanged),
    # IAM and ECR
    Row("GetRole", "NoSuchEntity", "", refusals.BadRole.missing),
    Row("DescribeRepositories", "RepositoryNotFoundException", "", refusals.NoRepository),
    Row("DescribeImages", "(Repository|Image)NotFoundException", "", refusals.NoSuchImage.of),
    # CodeBuild
    Row("StartBuild", "ResourceNotFoundException", "", refusals.NoBuilder),
    # SageMaker
    Row("(Describe|Stop)TrainingJob", _INVALID, "(?i)not f(ou|i)nd", refusals.NoSuchJob.of),
    Row(_CREATE, "ResourceInUse", "", refusals.NameTaken),
    Row(
        _CREATE,
        "ResourceLimitExceeded",
        r"service limit '(?P<quota>[^']+)' is (?P<limit>\d+).*? utilization of (?P<used>\d+)",
        refusals.NoQuota.of,
    ),
    Row(
        _CREATE,
        "ResourceLimitExceeded|ValidationException",
        r"(?P<type>ml\.[\w.-]+) is not available in this region",
        refusals.NotInRegion,
    ),
    Row(
        _CREATE,
        _INVALID,
        r"(?i)unsupported instance type|resourceConfig\.instanceType",
        refusals.UnsupportedType,
    ),
    Row(_CREATE, "ResourceLimitExceeded|(Insufficient)?Capacity.*", "", refusals.NoMachine),
    Row(
        _CREATE,
        _INVALID,
        r"No S3 objects found under S3 URL \"?(?P<uri>s3://[^\s\"]+)",
        refusals.NoInput,
    ),
    Row(
        _CREATE,
        _INVALID,
        r"Cannot find (repository|the requested image): *(?P<image>\S+?( in registry ID: \d+)?)[.,]?(\s|$)",
        refusals.NoSuchImage.of,
    ),
    Row(_CREATE, _INVALID, "Access denied for repository", refusals.ImageDenied),
    Row(_CREATE, _INVALID, "Invalid training image|Elastic Container Registry path", refusals.BadImage),
    Row(_CREATE, _INVALID, r"(?i)assume role:? (?P<role>arn:\S+?)\.?(\s|$)", refusals.BadRole.untrusting),
    Row(_CREATE, _INVALID, "Max(WaitTime|Runtime)InSeconds", refusals.BadTimeLimit),
    Row(_CREATE, _INVALID, "", refusals.BadRequest),
)


def explain_refusal(answer: Answer) -> DonkeySagemakerError:
    """The exception of the first row that fits, and Refused (or Busy for a 5xx) where none does."""
    for row in ROWS:
        if re.fullmatch(row.operation, answer.operation) and re.fullmatch(row.code, answer.code):
            match = re.search(row.text, answer.text)
            if match:
                return row.make(answer._replace(found=match.groupdict()))
    return refusals.Busy(answer) if answer.status >= 500 else refusals.Refused(answer)
