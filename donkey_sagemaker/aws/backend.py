"""Training jobs on AWS."""

import json
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..cloud import images, machines, prices
from ..cloud.cloud import Cloud, blocks_other_checks
from ..cloud.errors import NoQuota, NoSuchJob, NotAllowed, Unreachable
from ..cloud.fleet import FleetJob
from ..cloud.job import RUNNING, JobState
from ..cloud.job_queue import is_queued_name, training_prefix
from ..cloud.partitions import find_partition
from ..errors import CloudRefused, DonkeySagemakerError
from ..findings import Finding, run_check
from ..settings import Settings
from . import limits, preferences, preflight
from .bucket import Bucket
from .connection import Connection
from .errors import AwsError, JobNameTaken, NoBucket, NoRole, NoSuchImage, with_alternative
from .jobs import describe_job, is_same_job, list_jobs, release_instances, search_jobs
from .logs import LOG_GROUP, AwsJobLog
from .queued_jobs import QueuedJobs
from .quotas import Quotas
from .tuning import AwsTuner


class AwsCloud(Cloud):
    """One account in one region."""

    provider = "AWS"
    bills = True
    poll_s = 5.0
    log_lag_s = 10.0

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._quotas = Quotas(connection)
        self._queued = QueuedJobs(settings, connection)
        self._prices: Dict[str, Optional[prices.Price]] = {}
        self.place = connection.place

    @property
    def bucket(self) -> str:
        if self._settings.bucket is None:
            raise NoBucket(self._connection.region)
        return self._settings.bucket

    @property
    def role_arn(self) -> str:
        if self._settings.role_arn is None:
            raise NoRole()
        return self._settings.role_arn

    # Objects

    def list_objects(self, prefix: str) -> Dict[str, int]:
        return self._objects.list_objects(prefix)

    def put(self, key: str, body: Union[bytes, bytearray], *, once: bool = False) -> None:
        self._objects.put(key, body, once=once)

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        self._objects.download(key, path, advance=advance)

    @property
    def _objects(self) -> Bucket:
        return Bucket(self._connection, self.bucket, kms_key=self._settings.kms_key)

    # Jobs

    @property
    def queue(self) -> Optional[str]:
        return self._queued.queue

    def start_job(self, request: Dict[str, Any], *, others: Sequence[Dict[str, Any]] = ()) -> None:
        """CreateTrainingJob. If the job was created but the response was lost, that job counts as started.

        A job with the name of a queued one is put into the job queue. There it waits for its first type.

        Raises:
            RequestOutOfLimits: AWS would reject the request, so it is not sent.
            JobNameTaken: there is a different job of that name.
            NoCapacity: another instance type may do.
            Unreachable: the job may have been started.
        """
        self._check_request(request)
        is_queued = is_queued_name(request["TrainingJobName"])
        if others and not is_queued and preferences.are_known(self._request_shape):
            chosen = preferences.choose_preferences(request, others, self._quotas)
            if len(chosen) > 1:
                try:
                    self._start(preferences.merge(chosen))
                    return
                except (Unreachable, NotAllowed):
                    raise
                except CloudRefused:
                    pass  # the first type alone may be accepted; otherwise its error is the one to show
        try:
            self._start(request)
        except NoQuota as error:
            alternative = self._quotas.find_alternative(request)
            raise with_alternative(error, alternative, region=self._connection.region) from error

    def _start(self, request: Dict[str, Any]) -> None:
        lost: List[Unreachable] = []

        def create() -> None:
            try:
                self._create_job(request)
            except Unreachable as error:
                lost.append(error)
                raise

        # What a queue is asked is repeated one request at a time
        is_queued = is_queued_name(request["TrainingJobName"])
        pauses_s = () if is_queued else self._connection.timing.pauses_s
        try:
            self._connection.retry(create, pauses_s=pauses_s)
        except Unreachable:
            raise
        except DonkeySagemakerError as error:
            # A job whose response was lost, or that another process has started, has taken its name, and
            # perhaps the quota
            if (lost or isinstance(error, (JobNameTaken, NoQuota))) and self._is_started(request):
                return
            raise

    def _is_started(self, request: Dict[str, Any]) -> bool:
        try:
            return is_same_job(self.describe_job(request["TrainingJobName"]), request)
        except NoSuchJob:
            return False
        except DonkeySagemakerError as error:  # that is not known, so the job must not be forgotten
            raise Unreachable(error.what, error.fix) from error

    def _check_request(self, request: Dict[str, Any]) -> None:
        limits.check_request(request, self._request_shape)

    @property
    def _request_shape(self) -> Any:
        model = self._connection.client("sagemaker").meta.service_model
        return model.operation_model("CreateTrainingJob").input_shape

    def _create_job(self, request: Dict[str, Any]) -> None:
        if is_queued_name(request["TrainingJobName"]):
            self._queued.submit(request)
            return
        self._create("CreateTrainingJob", request, "TrainingJobName")

    def _create(self, operation: str, request: Dict[str, Any], name: str) -> None:
        """Sends the complete request: an old botocore does not know all of its members, but AWS does.

        Args:
            name: of the member that has the name.
        """
        body = json.dumps(request).encode("utf-8")
        events = self._connection.client("sagemaker").meta.events

        def replace_body(params: Dict[str, Any], **_others: Any) -> None:
            params["body"] = body

        events.register(f"before-call.sagemaker.{operation}", replace_body)
        try:
            self._connection.call_once("sagemaker", operation, {name: request[name]})
        finally:
            events.unregister(f"before-call.sagemaker.{operation}", replace_body)

    @property
    def tuner(self) -> AwsTuner:
        return AwsTuner(self._connection, self._create)

    def reach(self, name: str) -> None:
        """Nothing: every job of the account is within reach."""

    def describe_job(self, name: str) -> JobState:
        if is_queued_name(name):
            return self._queued.describe(name)
        return describe_job(self._connection, name)

    def list_jobs(self, *, since: float = 0.0) -> List[JobState]:
        waiting = [job.state for job in self._queued.list_waiting()]
        return waiting + list_jobs(self._connection, since=since)

    def list_fleet(self, *, since: float) -> List[FleetJob]:
        return self._queued.list_waiting() + search_jobs(self._connection, since=since)

    def stop_job(self, name: str) -> None:
        training_job = self._queued.stop(name) if is_queued_name(name) else name
        if training_job is None:  # it was still in the queue, or has ended
            return
        try:
            self._connection.call("sagemaker", "StopTrainingJob", {"TrainingJobName": training_job})
        except AwsError:
            if self.describe_job(name).status in RUNNING:
                raise

    def release_instances(self, name: str) -> bool:
        """False also where boto3 is too old to know that instances are kept: their time ends by itself."""
        if not self.describe_job(name).keeps_instances:
            return False
        training_job = self._queued.find_training_job(name) if is_queued_name(name) else name
        release_instances(self._connection, training_job or name)
        return True

    def job_links(self, name: str) -> List[Tuple[str, str]]:
        region = self._connection.region
        partition = find_partition(region)
        is_queued = is_queued_name(name)
        page = f"sagemaker/home?region={region}#/jobs/{name}"
        if is_queued:
            page = f"batch/home?region={region}#queues"
        prefix = training_prefix(name) if is_queued else name
        log = (
            f"cloudwatch/home?region={region}#logStream:group={LOG_GROUP};prefix={prefix};"
            "streamFilter=typeLogStreamPrefix"
        )
        return [
            ("Its queue" if is_queued else "Its page on AWS", partition.console_url(region, page)),
            ("Its log", partition.console_url(region, log)),
        ]

    def open_log(self, name: str) -> AwsJobLog:
        prefix = training_prefix(name) if is_queued_name(name) else name + "/"
        return AwsJobLog(self._connection, prefix)

    def clean_up(self) -> None:
        """Nothing: its objects and jobs are not on this machine."""

    # Before a job is started

    def preflight(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        yield run_check("request", lambda: self._check_requests(requests))
        is_blocked = False
        for finding in preflight.check_account(
            self._connection,
            requests,
            bucket=self._settings.bucket,
            folder=self._settings.folder,
            prefix=self._settings.prefix,
            role_arn=self._settings.role_arn,
            quotas=self._quotas,
        ):
            yield finding
            is_blocked = is_blocked or blocks_other_checks(finding)
        if self._settings.job_queue and not is_blocked:
            yield run_check("job queue", self._queued.check)

    def _check_requests(self, requests: Sequence[Dict[str, Any]]) -> str:
        for request in requests:
            self._check_request(request)
        return "within SageMaker's limits"

    def memory_bytes(self, instance_type: str) -> Optional[int]:
        return machines.memory_bytes(instance_type)

    def choose_image(self, generation: str, *, instance_type: str) -> images.Image:
        """The image in SAGEMAKER_IMAGE; for "auto" the one that sagemaker-image built, or AWS's own."""
        built = None
        if self._settings.image == "auto":
            built = self._find_built_image(images.own_image_tag(generation, instance_type))
        return images.choose_image(
            self._settings.image, built=built, region=self._connection.region, instance_type=instance_type
        )

    def _find_built_image(self, tag: str) -> Optional[str]:
        repository = images.OWN_REPOSITORY
        image = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
        try:
            self._connection.call("ecr", "DescribeImages", image)
            found = self._connection.call("ecr", "DescribeRepositories", {"repositoryNames": [repository]})
        except (NoSuchImage, NotAllowed):
            return None
        return f"{found['repositories'][0]['repositoryUri']}:{tag}"

    def hourly_price(self, instance_type: str) -> Optional[prices.Price]:
        """The price in AWS's price list, or in this program's own table."""
        if instance_type not in self._prices:
            self._prices[instance_type] = self._get_price(instance_type) or prices.list_price(
                instance_type, self._connection.region
            )
        return self._prices[instance_type]

    def _get_price(self, instance_type: str) -> Optional[prices.Price]:
        """None if the price list does not respond at once or may not be read: it is not worth waiting for."""
        query = prices.make_price_query(instance_type, self._connection.region)
        try:
            products = self._connection.call_once("pricing", "GetProducts", query)["PriceList"]
        except DonkeySagemakerError:
            return None
        return prices.read_price(products, instance_type, self._connection.region)
