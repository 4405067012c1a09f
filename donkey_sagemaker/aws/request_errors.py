"""The rows of the error table for any request: this machine, the network, who asks, and what passes. Pure."""

import json
import re
from typing import Any, Dict, Tuple

from ..cloud.errors import NotAllowed, Unreachable
from ..errors import BadInput, CloudRefused
from .error_rows import AGAIN, ANY, ATTACH, Row, says
from .errors import FailedRequest, WrongClock


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
    """One object, job or stream becomes all of its kind: the next one would be denied as well."""
    for pattern in (r"(:::[^/]+/[^/]+/).+", r"(:training-job/donkey-).+", r"(:log-stream:).+"):
        resource = re.sub(pattern, r"\1*", resource)
    return resource


def _wrong_clock(request: FailedRequest) -> WrongClock:
    return WrongClock(local=request.local_time, aws=request.aws_time, code=request.code)


_DENIED = (
    r"(User: (?P<user>\S+) is not authorized to perform: (?P<action>[\w:-]+)"
    r"(.*? on resource: \"?(?P<resource>[^\s\",]+)\"?)?(.*? (because|with) (?P<reason>.+))?)?"
)

busy = says(
    Unreachable,
    "AWS could not handle {operation}, even after several tries [{code}]: {text}",
    "Wait a few minutes, " + AGAIN,
)

REQUEST_ROWS: Tuple[Row, ...] = (
    # This machine: botocore's exceptions, by their names
    Row(
        ANY,
        "ProfileNotFound",
        r"\((?P<profile>.+)\)",
        says(
            BadInput,
            "There is no AWS profile named {profile} [{code}].",
            "Create it with `aws configure --profile {profile}`; "
            "`aws configure list-profiles` lists the others.",
        ),
    ),
    Row(
        ANY,
        "(No|Partial)CredentialsError|MetadataRetrievalError",
        "",
        says(
            BadInput,
            "There are no AWS credentials {in_profile} [{code}].",
            "Enter the access key of your IAM user: `aws configure{option}`.",
        ),
    ),
    Row(
        ANY,
        "CredentialRetrievalError|MissingDependencyException",
        "",
        says(
            BadInput,
            "The AWS credentials {of_profile} could not be loaded [{code}]: {text}",
            "Do what that says; if a login has expired, log in again: `aws login` or `aws sso login`.",
        ),
    ),
    Row(
        ANY,
        "ConfigParseError|ConfigNotFound|Invalid(Region|Config)Error|InfiniteLoopConfigError"
        "|UnknownCredentialError",
        "",
        says(
            BadInput,
            "The AWS configuration of this machine is not valid [{code}]: {text}",
            "Fix ~/.aws/config and ~/.aws/credentials, or write them again with `aws configure`.",
        ),
    ),
    Row(
        ANY,
        "SSLError",
        "(?i)certificate.verify.failed",
        says(
            CloudRefused,
            "The certificate of AWS could not be verified at {now}, by this machine's clock [{code}]: {text}",
            "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. Otherwise something "
            "on the network intercepts TLS: set AWS_CA_BUNDLE to its certificate.",
        ),
    ),
    Row(
        ANY,
        "(EndpointConnection|Connect(ion|Timeout)|ReadTimeout|ConnectionClosed|ProxyConnection|SSL|HTTPClient"
        "|ResponseStreaming|IncompleteRead|ResponseParser|Protocol)Error|IncompleteRead|InvalidChunkLength",
        "",
        says(
            Unreachable,
            "AWS cannot be reached [{code}]: {text}",
            "Check the network and SAGEMAKER_REGION, " + AGAIN,
        ),
    ),
    # Who sends the request, and when
    Row(ANY, "RequestTimeTooSkewed", "", _wrong_clock),
    Row(ANY, ANY, "^Signature (expired|not yet current)", _wrong_clock),
    Row(
        ANY,
        "ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired|UnauthorizedSSOTokenError"
        "|SSOTokenLoadError|TokenRetrievalError|LoginRefreshRequired|LoginTokenLoadError|NoAuthTokenError",
        "",
        says(
            CloudRefused,
            "Your AWS login has expired [{code}]. A job that has started keeps running.",
            "Log in again (`aws sso login{option}`, or enter new keys) and repeat the command. To return "
            "to a job: " + ATTACH + ".",
        ),
    ),
    Row(
        ANY,
        "InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|AuthFailure"
        "|InvalidSignatureException|InvalidToken|(IncompleteSignature|MissingAuthenticationToken)(Exception)?",
        "",
        says(
            CloudRefused,
            "AWS does not accept the credentials {of_profile} in {region} [{code}].",
            "Create a new access key in the IAM console and enter it: `aws configure{option}`. (A region "
            "that is off by default must be enabled first.)",
        ),
    ),
    Row(
        ANY,
        "OptInRequired|SubscriptionRequiredException|AccountProblem",
        "",
        says(
            CloudRefused,
            "This AWS account is not ready for use [{code}]: {text}",
            "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for the "
            "confirmation e-mail.",
        ),
    ),
    Row(ANY, "AccessDenied(Exception)?|UnauthorizedOperation|403", _DENIED, _not_allowed),
    # Temporary: what botocore itself would retry, and a body that was truncated or changed on its way
    Row(
        ANY,
        "Throttl.*|RequestThrottled.*|TooManyRequests.*|(Request|Bandwidth)LimitExceeded|LimitExceededException"
        "|ProvisionedThroughputExceeded.*|TransactionInProgress.*|PriorRequestNotComplete|SlowDown"
        "|RequestTimeout(Exception)?|Internal(Error|Failure|ServerError|ServerException)"
        "|Service(Unavailable(Exception)?|Exception)|408|429|IncompleteBody|BadDigest"
        "|XAmzContentSHA256Mismatch|OperationAborted",
        "",
        busy,
    ),
)
