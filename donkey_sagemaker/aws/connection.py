"""The connection to AWS. The only module that catches what boto3 and botocore raise.

Every request goes through `Connection.call_once`, which turns an exception of botocore into the error that
`error_table` has for it, and rejects an answer that is not AWS's. `Unreachable` is temporary, so the request
is sent again after a pause. botocore's own retries are off: they do not notice a truncated body or a captive
portal, and they cannot use a test's clock.
"""

import contextlib
import email.utils
import os
import random
import threading
import time
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple, TypeVar

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, IncompleteReadError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from .. import __version__
from ..cloud.errors import Unreachable
from ..cloud.partitions import find_partition
from ..errors import DonkeySagemakerError
from ..settings import Settings
from .answers import ForeignAnswer, check_answer, check_rejection, describe_page
from .error_table import make_error
from .errors import FailedRequest, NoRegion

CONNECTIONS = 16  # shards are uploaded in parallel
LONGEST_TEXT = 1000  # characters of AWS's own text in a message; a proxy may answer with a whole page
PRICE_LIST_REGION = "us-east-1"  # one of the three that serve the price list, which covers all regions

# Where IAM's name for an action is not service:Operation
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListServiceQuotas": "servicequotas:ListServiceQuotas",
    "ListAWSDefaultServiceQuotas": "servicequotas:ListAWSDefaultServiceQuotas",
    # Sent by botocore for the credentials of a role, in front of any other request
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "GetRoleCredentials": "sso:GetRoleCredentials",
}
# Names of the page token, in the request and in the response
_TOKENS = {
    "s3": ("ContinuationToken", "NextContinuationToken"),
    "logs": ("nextToken", "nextToken"),
    "batch": ("nextToken", "nextToken"),
}

# What is raised by botocore, by urllib3 while a body is read, and by a prompt for an MFA code
_EXCEPTIONS = (BotoCoreError, ClientError, ForeignAnswer, HTTPError, EOFError)

T = TypeVar("T")


class Timing(NamedTuple):
    """How long to wait for AWS, in seconds."""

    connect_timeout_s: float = 10
    read_timeout_s: float = 60
    # Pauses between two tries. Whoever watches a job asks again anyway; an upload has only these.
    pauses_s: Tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    transfer_pauses_s: Tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0) + (15.0,) * 4 + (30.0,) * 60


DEFAULT_TIMING = Timing()


class Connection:
    """Sends requests to one account in one region.

    Args:
        settings: SAGEMAKER_PROFILE, SAGEMAKER_REGION and SAGEMAKER_ENDPOINT_URL; what is not set comes from
            where AWS's own tools look for it.
        timing: DEFAULT_TIMING if None.
        sleep, now: clocks, in seconds.
    Raises:
        NoRegion
        BadInput: the profile or AWS's configuration files cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        timing: Optional[Timing] = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.timing = timing or DEFAULT_TIMING
        self.sleep = sleep
        self.now = now
        self.region = settings.region or ""
        self._profile = settings.profile
        self._endpoint_url = settings.endpoint_url
        self._lock = threading.RLock()  # guards the two below: shards are uploaded by several threads
        self._clients: Dict[str, Any] = {}
        self._identity: Dict[str, Any] = {}
        self._request = _Request()
        with self.translate_errors("boto3", "Session", {}):
            self._session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        if self._session.profile_name != "default":  # it may come from AWS_PROFILE
            self._profile = self._session.profile_name
        self.region = self._session.region_name
        if not self.region:
            raise NoRegion()
        self.place = "on AWS in " + self.region

    # Who is calling

    def identity(self) -> Dict[str, Any]:
        """GetCallerIdentity's response; the request is sent only once."""
        with self._lock:
            if not self._identity:
                self._identity = self.call("sts", "GetCallerIdentity", {})
            return self._identity

    def account_id(self) -> str:
        return self.identity()["Account"]

    def user_name(self) -> Optional[str]:
        """Of the IAM user who calls; None for a role or the account's root."""
        kind, _, name = self.identity()["Arn"].rpartition(":")[2].partition("/")
        return name.rpartition("/")[2] if kind == "user" else None

    def credentials(self) -> Any:
        """botocore's credentials, or None. A request is sent only for those of a role.

        Loaded before boto3 does it, which then raises whatever a prompt or a program raises.
        """
        with self.translate_errors("sts", "AssumeRole", {}):
            try:
                credentials = self._session.get_credentials()
                if credentials:
                    credentials.get_frozen_credentials()
            except _EXCEPTIONS:
                raise
            except (ResponseParserError, KeyError) as error:  # of STS
                raise ForeignAnswer(_describe_unreadable(error)) from error
            except Exception as error:  # of a program, or while its output is read
                raise CredentialRetrievalError(provider="~/.aws/config", error_msg=str(error)) from error
            return credentials

    def server_time(self) -> Optional[float]:
        """AWS's clock in seconds since the epoch, if the response has a date."""
        return _server_time(self.call("sts", "GetCallerIdentity", {})["ResponseMetadata"])

    # Requests

    def pages(self, service: str, operation: str, parameters: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
        """Every page of a list."""
        request_token, response_token = _TOKENS.get(service, ("NextToken", "NextToken"))
        seen = set()
        while True:
            page = self.call(service, operation, parameters)
            yield page
            token = page.get(response_token)
            if not token:
                return
            if token in seen:  # there would be no end
                with self.translate_errors(service, operation, parameters):
                    raise ForeignAnswer(f"its {response_token} is that of an earlier page.")
            seen.add(token)
            parameters = dict(parameters, **{request_token: token})

    def call(self, service: str, operation: str, parameters: Dict[str, Any]) -> Dict[str, Any]:
        """Sends a request, again after each of `timing.pauses_s` while AWS cannot be reached."""
        return self.retry(
            lambda: self.call_once(service, operation, parameters), pauses_s=self.timing.pauses_s
        )

    def retry(self, step: Callable[[], T], *, pauses_s: Sequence[float]) -> T:
        """Runs a step until it does not raise Unreachable or the pauses are used up."""
        for pause_s in pauses_s:
            try:
                return step()
            except Unreachable:
                # A random part of it, so that the threads do not all come back at the same moment
                self.sleep(pause_s * random.uniform(0.5, 1.0))
        return step()

    def call_once(
        self,
        service: str,
        operation: str,
        parameters: Dict[str, Any],
        *,
        headers: Optional[Dict[str, str]] = None,
    ) -> Dict[str, Any]:
        """Sends a request once.

        Args:
            headers: of HTTP, for what an old botocore has no parameter for.
        Raises:
            Unreachable: also for an answer that lacks what the operation must return.
        """
        with self.translate_errors(service, operation, parameters):
            self.credentials()
            send = getattr(self.client(service), xform_name(operation))
            self._request.is_sent, self._request.headers = False, headers or {}
            try:
                response = send(**parameters)
            except _EXCEPTIONS:
                raise
            except Exception as error:  # botocore has many ways to stumble over an answer
                if not self._request.is_sent:
                    raise
                raise ForeignAnswer(_describe_unreadable(error)) from error
            check_answer(operation, response)
            return response

    @contextlib.contextmanager
    def translate_errors(self, service: str, operation: str, parameters: Dict[str, Any]) -> Iterator[None]:
        """Raises what boto3 raises inside as a DonkeySagemakerError."""
        try:
            yield
        except _EXCEPTIONS as error:
            raise self._make_error(error, service, operation, parameters) from error

    def client(self, service: str) -> Any:
        """boto3's client, made once for each service."""
        with self._lock:
            if service not in self._clients:
                self.credentials()
                with self.translate_errors("boto3", "Session", {}):
                    self._clients[service] = self._make_client(service)
            return self._clients[service]

    def _make_client(self, service: str) -> Any:
        client = self._session.client(
            service,
            region_name=PRICE_LIST_REGION if service == "pricing" else self.region,
            endpoint_url=self._endpoint_url,
            config=Config(
                connect_timeout=self.timing.connect_timeout_s,
                read_timeout=self.timing.read_timeout_s,
                max_pool_connections=CONNECTIONS,
                retries={"total_max_attempts": 1, "mode": "standard"},
                user_agent_extra="donkey-sagemaker/" + __version__,
                # What botocore knows about a job's request may be years old; see AwsCloud.start_job
                parameter_validation=service != "sagemaker",
            ),
        )
        client.meta.events.register("before-call", self._request.add_headers)
        client.meta.events.register("before-send", self._request.mark_sent)
        client.meta.events.register("after-call", _check_body)
        return client

    def _make_error(
        self, error: Exception, service: str, operation: str, parameters: Dict[str, Any]
    ) -> DonkeySagemakerError:
        code, text, response = type(error).__name__, str(error), {}
        if isinstance(error, ClientError):
            try:
                check_rejection(error.response)
            except ForeignAnswer as foreign:
                return self._make_error(foreign, service, operation, parameters)
            response = error.response.get("ResponseMetadata", {})
            code = error.response["Error"]["Code"]
            text = str(error.response["Error"].get("Message") or "")
            operation = error.operation_name  # differs where a role had to be assumed first
        return make_error(
            FailedRequest(
                operation=operation,
                code=code,
                text=" ".join(text.split())[:LONGEST_TEXT],
                action=_ACTIONS.get(operation, f"{service}:{operation}"),
                resource=self._resource(parameters),
                region=self.region,
                profile=self._profile,
                ca_bundle=os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE"),
                status=response.get("HTTPStatusCode", 0),
                local_time=self.now(),
                aws_time=_server_time(response),
            )
        )

    def _resource(self, parameters: Dict[str, Any]) -> str:
        """What a request is about: an ARN for an IAM statement, where one can be made."""
        account_id = self._identity.get("Account", "*")
        partition = find_partition(self.region).name
        if "Bucket" in parameters:
            names = [parameters[name] for name in ("Bucket", "Key") if name in parameters]
            return f"arn:{partition}:s3:::" + "/".join(names)
        if "TrainingJobName" in parameters:
            job = parameters["TrainingJobName"]
            return f"arn:{partition}:sagemaker:{self.region}:{account_id}:training-job/{job}"
        if "HyperParameterTuningJobName" in parameters:
            tuning = parameters["HyperParameterTuningJobName"]
            return f"arn:{partition}:sagemaker:{self.region}:{account_id}:hyper-parameter-tuning-job/{tuning}"
        if "RoleName" in parameters:
            return f"arn:{partition}:iam::{account_id}:role/{parameters['RoleName']}"
        if "imageIds" in parameters:
            (image_id,) = parameters["imageIds"]
            return ":".join([parameters["repositoryName"], *image_id.values()])
        return "*"


class _Request(threading.local):
    """The current request of a thread."""

    is_sent = False
    headers: Dict[str, str] = {}  # to be added to it

    def add_headers(self, params: Dict[str, Any], **_event: Any) -> None:
        """A hook for botocore, before the request is signed."""
        params["headers"].update(self.headers)

    def mark_sent(self, **_event: Any) -> None:
        """A hook for botocore."""
        self.is_sent = True


def _check_body(http_response: Any, model: Any, **_others: Any) -> None:
    """A hook for botocore: urllib3 1 accepts a truncated body, which may be parsed as {}, and so may HTML."""
    if model.has_streaming_output or model.http["method"] == "HEAD":
        return
    expected = http_response.headers.get("content-length")
    if expected is not None and str(len(http_response.content)) != expected.strip():
        raise IncompleteReadError(actual_bytes=len(http_response.content), expected_bytes=expected)
    if http_response.status_code < 300 and "html" in http_response.headers.get("content-type", ""):
        page = describe_page(http_response.text, {})
        if page:
            raise ForeignAnswer(page)


def _describe_unreadable(error: Exception) -> str:
    return describe_page(str(error), {}) or f"it cannot be read ({type(error).__name__}: {error})."


def _server_time(response: Dict[str, Any]) -> Optional[float]:
    """The Date of a response, from its metadata."""
    try:
        return email.utils.parsedate_to_datetime(response["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
