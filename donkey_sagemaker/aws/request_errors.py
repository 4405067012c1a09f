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
    """One object of a car, job or stream becomes all of its kind: the next one would be denied as well."""
    for pattern in (
        r"(:::(?:.+/cars/[^/]+/|[^/]+/[^/]+/)).+",
        r"(:training-job/(?:AWSBatch|awsbatch)?donkey-).+",
        r"(:hyper-parameter-tuning-job/donkey-).+",
        r"(:service-job/).+",
        r"(:log-stream:).+",
    ):
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
        "EOFError",
        "",
        says(
            BadInput,
            "The credentials {of_profile} need an MFA code, but there is nobody to type it [{code}].",
            "Run the command in a terminal, or set SAGEMAKER_PROFILE to a profile without mfa_serial.",
        ),
    ),
    Row(
        ANY,
        "AccessDenied|ValidationError|ParamValidationError",
        "MultiFactorAuthentication failed|(?i:tokenCode)",
        says(
            BadInput,
            "AWS does not accept the MFA code [{code}]: {text}",
            "Run the command again, and type the six digits that the device shows then.",
        ),
    ),
    Row(
        ANY,
        "HTTPClientError",  # without {text}: it contains the key or the session token
        "Invalid header value|bytes pattern",
        says(
            BadInput,
            "The AWS access key {of_profile} contains a line end or another character that no key has"
            " [{code}].",
            "Enter the key again: `aws configure{option}`. If AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN is set, "
            "correct that instead.",
        ),
    ),
    Row(
        ANY,
        "SSLError",  # of Python, when it loads the file
        r"\[Errno (2|13|20|21)\]|PEM lib|(?i:no.certificate.or.crl.found|bad base64)",
        says(
            BadInput,
            "{ca_bundle} has no certificates that can be loaded [{code}]: {text}",
            "Set AWS_CA_BUNDLE to a file of certificates in PEM format. If no proxy intercepts TLS here, "
            "remove it: `unset AWS_CA_BUNDLE`.",
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
        "|ResponseStreaming|IncompleteRead|FlexibleChecksum|Protocol)Error|IncompleteRead|InvalidChunkLength",
        "",
        says(
            Unreachable,
            "AWS cannot be reached [{code}]: {text}",
            "Check the network and SAGEMAKER_REGION, " + AGAIN,
        ),
    ),
    Row(
        ANY,
        "ForeignAnswer",
        "",
        says(
            Unreachable,
            "The answer to {operation} is not from AWS [{code}]: {text} A captive portal or a proxy may have"
            " sent it.",
            "Open a web page in a browser on this network and log in, or use another network; " + AGAIN,
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
        r"(KMS\.)?Throttl.*|KMS\.(KMSInternal|DependencyTimeout)Exception|RequestThrottled.*|TooManyRequests.*|(Request|Bandwidth)LimitExceeded|LimitExceededException"
        "|ProvisionedThroughputExceeded.*|TransactionInProgress.*|PriorRequestNotComplete|SlowDown"
        "|RequestTimeout(Exception)?|Internal(Error|Failure|ServerError|ServerException)"
        "|Service(Unavailable(Exception)?|Exception)|408|429|IncompleteBody|BadDigest"
        "|XAmzContentSHA256Mismatch|OperationAborted|ConditionalRequestConflict",
        "",
        busy,
    ),
)
