"""SageMaker, S3 and what belongs to them, on AWS. The only module that imports boto3 or botocore.

Every request goes through `Connection.ask_once`: what botocore raises becomes one of `refusals`. Of these
`Unreachable` passes, so it is asked again after a pause of ours; botocore's own retries are off, as they know
neither a cut body nor a test's clock.
"""

import base64
import datetime
import email.utils
import hashlib
import json
import random
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from .. import __version__
from ..cloud import images, prices
from ..errors import DonkeySagemakerError
from ..findings import Finding, run_check
from ..settings import Settings
from ..training.watch import RUNNING
from . import limits, preflight
from .builder import Builder
from .error_table import explain_refusal
from .errors import (
    Answer,
    NameTaken,
    NoBucket,
    NoQuota,
    NoRegion,
    NoRole,
    NoSuchImage,
    NotAllowed,
    ObjectChanged,
    ObjectDamaged,
    Refused,
    Unreachable,
)
from .partial_download import Partial
from .preflight import Quotas

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
JOB_PREFIX = "donkey-"

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
CONNECTIONS = 16  # shards are sent side by side
LONGEST_TEXT = 1000  # of AWS's own words in a message; a proxy may answer with a page
PRICE_LIST_REGION = "us-east-1"  # one of three that have the price list, each that of all regions
BLOCK_BYTES = 1 << 16  # of a download

# Pauses in seconds between two tries. A watcher asks again by itself; a shard has nobody else to ask for it.
SHORT_PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
LONG_PATIENCE = SHORT_PATIENCE + (15.0,) * 4 + (30.0,) * 60  # half an hour

# Where IAM's word for an action is not service:Operation
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListServiceQuotas": "servicequotas:ListServiceQuotas",
    "ListAWSDefaultServiceQuotas": "servicequotas:ListAWSDefaultServiceQuotas",
}

_S3_TOKENS = ("ContinuationToken", "NextContinuationToken")
_LOG_TOKENS = ("nextToken", "nextToken")

# All that boto3 is known to raise; the last two escape from it while a response is read
_FAULTS = (BotoCoreError, ClientError, ResponseParserError, HTTPError)

T = TypeVar("T")


class AwsCloud:
    """One account in one region, by the same methods as `LocalCloud`.

    Args:
        settings: SAGEMAKER_PROFILE, SAGEMAKER_REGION and SAGEMAKER_ENDPOINT_URL say which; what is not set is
            found in the usual way of AWS's tools.
        sleep, now: clocks, in seconds.
    Raises:
        NoRegion, NoProfile, BadConfigFile
    """

    bills = True
    poll_s = 5.0  # between two looks at a job
    log_lag_s = 10.0  # after a job's end, until its log is whole

    def __init__(
        self,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._aws = Connection(settings, sleep=sleep, now=now)
        self._quotas = Quotas(self._aws)
        self._prices: Dict[str, Optional[prices.Price]] = {}
        self.place = self._aws.place

    @property
    def bucket(self) -> str:
        if self._settings.bucket is None:
            raise NoBucket(self._aws.region)
        return self._settings.bucket

    @property
    def role_arn(self) -> str:
        if self._settings.role_arn is None:
            raise NoRole()
        return self._settings.role_arn

    # Objects

    def list_objects(self, prefix: str) -> Dict[str, int]:
        """Size in bytes of every object whose key starts with `prefix`."""
        parameters = dict(self._in_bucket(), Prefix=prefix)
        pages = self._aws.pages("s3", "ListObjectsV2", parameters, tokens=_S3_TOKENS)
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}

    def put(self, key: str, body: Union[bytes, bytearray]) -> None:
        """Sends one object, through any fault of the network; S3 checks what arrives by its SHA-256.

        Raises:
            Unreachable: after half an hour of trying.
        """
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")

        def send() -> None:
            parameters = dict(self._in_bucket(), Key=key, Body=body, ChecksumSHA256=digest)
            self._aws.ask_once("s3", "PutObject", parameters)

        self._aws.patiently(send, pauses=LONG_PATIENCE)

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        """Fetches an object to `path`, going on from what an earlier try left at `path` + ".part".

        Args:
            advance: told the bytes of each step, first those of the earlier try; less than none where all
                has to be fetched again.
        Raises:
            NoSuchObject, ObjectDamaged, Unreachable: after half an hour of trying.
        """
        partial = Partial(path, advance)
        for _ in range(3):
            while not partial.is_whole():
                self._aws.patiently(lambda: self._fetch_more(key, partial), pauses=LONG_PATIENCE)
            if partial.is_sound():
                partial.finish()
                return
            partial.drop()
        raise ObjectDamaged(f"s3://{self.bucket}/{key}")

    def _fetch_more(self, key: str, partial: Partial) -> None:
        """Fetches the rest of an object, or as much of it as comes before the next fault."""
        parameters = dict(self._in_bucket(), Key=key)
        if partial.size:
            parameters.update(Range=f"bytes={partial.size}-", IfMatch=partial.etag)
        try:
            response = self._aws.ask_once("s3", "GetObject", parameters)
        except ObjectChanged:
            partial.drop()
            raise
        if not partial.size:
            is_md5 = "-" not in response["ETag"] and response.get("ServerSideEncryption") in (None, "AES256")
            partial.begin(etag=response["ETag"], total=response["ContentLength"], is_md5=is_md5)
        start = partial.size
        while not partial.is_whole():
            try:
                block = response["Body"].read(BLOCK_BYTES)
                if not block:
                    raise IncompleteReadError(actual_bytes=partial.size, expected_bytes=partial.total)
            except _FAULTS as error:
                if partial.size > start:
                    return  # it does come, if in pieces: no reason to lose patience
                raise self._aws.explain(error, "s3", "GetObject", parameters) from error
            partial.add(block)

    def _in_bucket(self) -> Dict[str, Any]:
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self._aws.account()}

    # Jobs

    def start_job(self, request: Dict[str, Any]) -> None:
        """CreateTrainingJob. Where our own request was done but its answer lost, the job there is taken.

        Raises:
            BadInput: a setting asks for what no job may have.
            NameTaken: the job there is not the one that we asked for.
            NoCapacity: another type may do.
        """
        self._check_request(request)
        try:
            self._create(request)
        except NameTaken:
            if _likeness(self.describe_job(request["TrainingJobName"])) != _likeness(request):
                raise
        except NoQuota as refusal:
            instead = self._quotas.propose(request)
            if instead is None:
                raise
            raise refusal.with_instead(instead) from refusal

    def _check_requests(self, requests: Sequence[Dict[str, Any]]) -> str:
        for request in requests:
            self._check_request(request)
        return "within SageMaker's limits"

    def _check_request(self, request: Dict[str, Any]) -> None:
        model = self._aws.client("sagemaker").meta.service_model
        limits.check_request(request, model.operation_model("CreateTrainingJob").input_shape)

    def _create(self, request: Dict[str, Any]) -> None:
        """Sends the request whole: an old botocore does not know all of its members, but AWS does."""
        body = json.dumps(request).encode("utf-8")
        events = self._aws.client("sagemaker").meta.events

        def replace_body(params: Dict[str, Any], **_others: Any) -> None:
            params["body"] = body

        events.register("before-call.sagemaker.CreateTrainingJob", replace_body)
        try:
            self._aws.ask("sagemaker", "CreateTrainingJob", {"TrainingJobName": request["TrainingJobName"]})
        finally:
            events.unregister("before-call.sagemaker.CreateTrainingJob", replace_body)

    def describe_job(self, name: str) -> Dict[str, Any]:
        """DescribeTrainingJob, its moments as seconds since the epoch.

        Raises:
            NoSuchJob
        """
        return _plain(self._aws.ask("sagemaker", "DescribeTrainingJob", {"TrainingJobName": name}))

    def list_jobs(self) -> List[Dict[str, Any]]:
        """Summaries of all our jobs in this account and region, the newest first."""
        parameters = {"NameContains": JOB_PREFIX, "SortBy": "CreationTime", "SortOrder": "Descending"}
        return [
            _plain(job)
            for page in self._aws.pages("sagemaker", "ListTrainingJobs", parameters)
            for job in page["TrainingJobSummaries"]
            if job["TrainingJobName"].startswith(JOB_PREFIX)
        ]

    def stop_job(self, name: str) -> None:
        """StopTrainingJob; nothing happens to a job that has ended."""
        try:
            self._aws.ask("sagemaker", "StopTrainingJob", {"TrainingJobName": name})
        except Refused:
            if self.describe_job(name)["TrainingJobStatus"] in RUNNING:
                raise

    def read_log(self, name: str, position: Any) -> Tuple[List[str], Any]:
        """Whole lines that came since `position` (None: all), and the position to ask for next.

        A position is {stream: [token, number of lines read]}.
        """
        parameters = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": name + "/"}
        positions = dict(position or {})
        events: List[Dict[str, Any]] = []
        try:
            for page in self._aws.pages("logs", "DescribeLogStreams", parameters, tokens=_LOG_TOKENS):
                for stream in page["logStreams"]:
                    stream_name = stream["logStreamName"]
                    new_events, positions[stream_name] = self._read_stream(
                        stream_name, *positions.get(stream_name, (None, 0))
                    )
                    events += new_events
        except Refused as refusal:
            if refusal.code != "ResourceNotFoundException":  # an account's first job makes the log group
                raise
        events.sort(key=lambda event: event["timestamp"])
        return [line for event in events for line in event["message"].splitlines()], positions

    def _read_stream(
        self, stream: str, token: Optional[str], count: int
    ) -> Tuple[List[Dict[str, Any]], List[Any]]:
        """The events after a token, up to where the token repeats itself."""
        events: List[Dict[str, Any]] = []
        skipped = 0
        while True:
            parameters = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
            if token is not None:
                parameters["nextToken"] = token
            try:
                page = self._aws.ask("logs", "GetLogEvents", parameters)
            except Refused as refusal:
                if refusal.code != "InvalidParameterException" or token is None:
                    raise
                # A token lives for a day. The stream is read from its head, and what is known left out.
                token, skipped = None, count
                continue
            events += page["events"]
            if page["nextForwardToken"] == token:
                return events[skipped:], [token, count + len(events) - skipped]
            token = page["nextForwardToken"]

    # Before anything is sent or billed

    def check(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        """Looks at all that a job needs and changes nothing; the cheapest first, each when it is asked for.

        Args:
            requests: CreateTrainingJob's, one for each type that may be tried.
        """
        yield run_check("request", lambda: self._check_requests(requests))
        yield from preflight.look(
            self._aws,
            requests,
            bucket=self._settings.bucket,
            prefix=self._settings.prefix,
            role_arn=self._settings.role_arn,
            quotas=self._quotas,
        )

    def login_ends(self) -> str:
        """Until when the credentials are good, in a few words; nothing of themselves."""
        credentials = self._aws.find_credentials()
        ends = getattr(credentials, "_expiry_time", None)  # botocore tells it nowhere else
        if ends:
            return f"good until {ends.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"
        return "temporary" if credentials and credentials.token else "good until taken back"

    # What a job is to run in, and costs

    def choose_image(self, generation: str, *, instance_type: str) -> images.Image:
        """What SAGEMAKER_IMAGE asks for; for "auto" our own, where this account's registry has it."""
        pushed = None
        if self._settings.image == "auto":
            pushed = self._find_pushed(images.own_image_tag(generation, instance_type))
        return images.choose_image(
            self._settings.image, pushed=pushed, region=self._aws.region, instance_type=instance_type
        )

    def _find_pushed(self, tag: str) -> Optional[str]:
        parameters = {"repositoryName": images.OWN_REPOSITORY, "imageIds": [{"imageTag": tag}]}
        try:
            self._aws.ask("ecr", "DescribeImages", parameters)
            repositories = self._aws.ask(
                "ecr", "DescribeRepositories", {"repositoryNames": [images.OWN_REPOSITORY]}
            )
        except (NoSuchImage, NotAllowed):
            return None
        return "{}:{}".format(repositories["repositories"][0]["repositoryUri"], tag)

    def builder(self) -> Builder:
        """What builds our own images."""
        return Builder(self._aws)

    def hourly_price(self, instance_type: str) -> Optional[prices.Price]:
        """What one machine costs on demand, if that is known: by AWS's price list, else by our table."""
        if instance_type not in self._prices:
            self._prices[instance_type] = self._ask_price(instance_type) or prices.list_price(
                instance_type, self._aws.region
            )
        return self._prices[instance_type]

    def _ask_price(self, instance_type: str) -> Optional[prices.Price]:
        """None where the list does not answer at once, or we may not read it: it is not worth waiting for."""
        query = prices.make_price_query(instance_type, self._aws.region)
        try:
            products = self._aws.ask_once("pricing", "GetProducts", query)["PriceList"]
        except DonkeySagemakerError:
            return None
        return prices.read_price(products, instance_type, self._aws.region)


class Connection:
    """Sends requests to AWS; what goes wrong comes out as one of `refusals`.

    Args:
        settings, sleep, now: as of `AwsCloud`.
    Raises:
        NoRegion, NoProfile, BadConfigFile
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.now = now
        self._profile = settings.profile
        self._endpoint_url = settings.endpoint_url
        self.sleep = sleep
        self._lock = threading.RLock()  # of the two below: shards are sent by several threads
        self._clients: Dict[str, Any] = {}
        self._caller: Dict[str, Any] = {}
        self.region = settings.region or ""
        try:
            self._session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
        except BotoCoreError as error:
            raise self.explain(error, "boto3", "Session", {}) from error
        if self._session.profile_name != "default":  # it may be that of AWS_PROFILE
            self._profile = self._session.profile_name
        self.region = self._session.region_name
        if not self.region:
            raise NoRegion()
        self.place = "on AWS in " + self.region

    def who(self) -> Dict[str, Any]:
        """GetCallerIdentity, asked once."""
        with self._lock:
            if not self._caller:
                self._caller = self.ask("sts", "GetCallerIdentity", {})
            return self._caller

    def server_time(self) -> Optional[float]:
        """AWS's clock, in seconds since the epoch, if it tells it."""
        return _server_time(self.ask("sts", "GetCallerIdentity", {})["ResponseMetadata"])

    def find_credentials(self) -> Any:
        """botocore's, or None; looked for on this machine alone."""
        try:
            return self._session.get_credentials()
        except BotoCoreError as error:
            raise self.explain(error, "boto3", "Session", {}) from error

    def account(self) -> str:
        return self.who()["Account"]

    def pages(
        self,
        service: str,
        operation: str,
        parameters: Dict[str, Any],
        *,
        tokens: Tuple[str, str] = ("NextToken", "NextToken"),
    ) -> Iterator[Dict[str, Any]]:
        """Every page; `tokens` are the names of the token in the request and in the response."""
        asked, told = tokens
        while True:
            page = self.ask(service, operation, parameters)
            yield page
            if not page.get(told):
                return
            parameters = dict(parameters, **{asked: page[told]})

    def ask(self, service: str, operation: str, parameters: Dict[str, Any]) -> Dict[str, Any]:
        return self.patiently(lambda: self.ask_once(service, operation, parameters), pauses=SHORT_PATIENCE)

    def patiently(self, step: Callable[[], T], *, pauses: Sequence[float]) -> T:
        """Does the step until it gets through or the pauses, in seconds, are used up."""
        for pause in pauses:
            try:
                return step()
            except Unreachable:
                # Drawn from half to whole, lest all threads come back at once
                self.sleep(pause * random.uniform(0.5, 1.0))
        return step()

    def ask_once(self, service: str, operation: str, parameters: Dict[str, Any]) -> Dict[str, Any]:
        try:
            return getattr(self.client(service), xform_name(operation))(**parameters)
        except _FAULTS as error:
            raise self.explain(error, service, operation, parameters) from error

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                client = self._session.client(
                    service,
                    region_name=PRICE_LIST_REGION if service == "pricing" else self.region,
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        max_pool_connections=CONNECTIONS,
                        retries={"total_max_attempts": 1, "mode": "standard"},
                        user_agent_extra="donkey-sagemaker/" + __version__,
                        # What botocore knows of a job's request may be years old; see _create
                        parameter_validation=service != "sagemaker",
                    ),
                )
                client.meta.events.register("after-call", _check_whole)
                self._clients[service] = client
            return self._clients[service]

    def explain(
        self, error: Exception, service: str, operation: str, parameters: Dict[str, Any]
    ) -> DonkeySagemakerError:
        code, text, response = type(error).__name__, str(error), {}
        if isinstance(error, ClientError):
            response = error.response.get("ResponseMetadata", {})
            code = error.response["Error"].get("Code", "")
            text = error.response["Error"].get("Message", "")
            operation = error.operation_name  # where a role had to be assumed first, it is that
        return explain_refusal(
            Answer(
                operation=operation,
                code=code,
                text=" ".join(text.split())[:LONGEST_TEXT],
                action=_action(service, operation),
                resource=self._resource(parameters),
                region=self.region,
                profile=self._profile,
                status=response.get("HTTPStatusCode", 0),
                our_time=self.now(),
                their_time=_server_time(response),
            )
        )

    def _resource(self, parameters: Dict[str, Any]) -> str:
        """What a request is about, as an IAM statement names it where we can tell."""
        if "Bucket" in parameters:
            return "arn:aws:s3:::" + "/".join(
                parameters[name] for name in ("Bucket", "Key") if name in parameters
            )
        if "TrainingJobName" in parameters:
            return "arn:aws:sagemaker:{}:{}:training-job/{}".format(
                self.region, self._caller.get("Account", "*"), parameters["TrainingJobName"]
            )
        if "RoleName" in parameters:
            return "arn:aws:iam::{}:role/{}".format(self._caller.get("Account", "*"), parameters["RoleName"])
        if "imageIds" in parameters:
            (image_id,) = parameters["imageIds"]
            return "{}:{}".format(parameters["repositoryName"], *image_id.values())
        return "*"


def _check_whole(http_response: Any, model: Any, **_others: Any) -> None:
    """A hook for botocore: urllib3 1 takes a body that was cut for a whole one, and {} is read in it."""
    expected = http_response.headers.get("content-length")
    if expected is None or model.has_streaming_output or model.http["method"] == "HEAD":
        return
    if len(http_response.content) != int(expected):
        raise IncompleteReadError(actual_bytes=len(http_response.content), expected_bytes=int(expected))


def _action(service: str, operation: str) -> str:
    """What IAM calls an operation."""
    return _ACTIONS.get(operation, f"{service}:{operation}")


def _likeness(job: Dict[str, Any]) -> Tuple[Any, ...]:
    """By what we know a job again: of a request and of a description alike."""
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in job["InputDataConfig"]
    }
    return job["AlgorithmSpecification"]["TrainingImage"], job["RoleArn"], channels


def _plain(value: Any) -> Any:
    """A response as JSON could hold it: moments in seconds since the epoch, nothing of the transport."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.timestamp() if isinstance(value, datetime.datetime) else value


def _server_time(response: Dict[str, Any]) -> Optional[float]:
    """The Date of a response, from its metadata."""
    try:
        return email.utils.parsedate_to_datetime(response["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
