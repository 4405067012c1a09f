"""AWS Batch's service jobs: trainings that wait in a job queue until a machine is free for them.

A service job has the name of our job, and its payload is the request. When its turn has come, Batch starts a
training job for it, under a name of its own (cloud/job_queue.py). boto3 before 1.40 does not know all this.
"""

import contextlib
import json
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import boto3

from ..cloud.fleet import FleetJob, read_fleet_job
from ..cloud.images import OWN_REPOSITORY
from ..cloud.job import JobState, Transition, read_job_state
from ..cloud.job_queue import WAITING, describe_place
from ..cloud.partitions import find_partition
from ..errors import CloudRefused
from ..findings import CannotCheck
from ..untrusted_json import parse_json
from .answers import is_description
from .connection import Connection
from .errors import AwsError

DEFAULT_QUEUE = OWN_REPOSITORY  # the one that sagemaker-setup creates
CAR_TAG = "car"  # of a service job; a car may end only those with its own

_QUEUED = ("SUBMITTED", "PENDING", "RUNNABLE")
_ENDED = ("SUCCEEDED", "FAILED")
_TYPE = "SAGEMAKER_TRAINING"
_GONE = ("ClientException", "404")  # what Batch answers about a job that it no longer knows
# Batch itself waits where AWS has no machine. It does not where jobs outside of the queue use the quota, so
# it is asked to try that again. What else ends a job would end it again.
_REASON = "Received status from SageMaker: "
_RETRIES = {
    "attempts": 10,
    "evaluateOnExit": [
        {"action": "RETRY", "onStatusReason": _REASON + "The account-level service limit*"},
        {"action": "RETRY", "onStatusReason": _REASON + "ResourceLimitExceeded*"},
        {"action": "EXIT", "onStatusReason": "*"},
    ],
}
_STOPPED = "Stopped with sagemaker-stop"


class NoSuchQueue(CloudRefused):
    def __init__(self, queue: str, region: str) -> None:
        super().__init__(
            f"There is no job queue named {queue} in {region}.",
            "As an administrator, create one for as many instances as your quota has, for example"
            " `python manage.py sagemaker-setup --job-queue=1`. Otherwise remove SAGEMAKER_JOB_QUEUE from"
            " myconfig.py: a job then waits only while the command runs.",
        )


class QueueClosed(CloudRefused):
    """
    Args:
        problem: a predicate, as "is disabled".
    """

    def __init__(self, queue: str, problem: str, *, region: str) -> None:
        page = find_partition(region).console_url(region, f"batch/home?region={region}#queues")
        super().__init__(
            f"The job queue {queue} {problem}, so no job can be added to it.",
            f"Name another queue in SAGEMAKER_JOB_QUEUE, or change this one at {page}",
        )


class CannotAskQueue(CloudRefused):
    def __init__(self, job: str) -> None:
        super().__init__(
            f"{job} was put into a job queue of AWS Batch, which boto3 {boto3.__version__} cannot ask.",
            "Wait until it trains, then run the command again, or run it with Python 3.9 or newer.",
        )


class ServiceJob(NamedTuple):
    """What DescribeServiceJob says about a job."""

    id: str
    arn: str
    name: str
    status: str
    reason: str
    created: Optional[float]  # seconds since the epoch
    is_terminated: bool
    training_job: str  # the name that Batch gave it; empty as long as it has started none
    request: Dict[str, Any]  # CreateTrainingJob's arguments

    @property
    def is_queued(self) -> bool:
        return self.status in _QUEUED

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED


def is_known(operations: Any) -> bool:
    """Whether boto3 knows service jobs.

    Args:
        operations: the names of Batch's operations in botocore's model.
    """
    return "SubmitServiceJob" in operations


def describe_too_old(boto3_version: str, wait_s: float) -> str:
    """What an old boto3 means for a car with a queue.

    Args:
        wait_s: SAGEMAKER_QUOTA_WAIT_S.
    """
    minutes = f"{wait_s / 60:.0f} minutes"
    return (
        f"boto3 {boto3_version} cannot use job queues, which need 1.40 and Python 3.9. Without the queue,"
        f" this command waits up to {minutes} for other jobs to end, if they use all of the quota"
    )


class JobQueue:
    """One job queue of the account.

    Args:
        name: None for the queue that sagemaker-setup creates, in which an earlier job may wait.
    """

    def __init__(self, connection: Connection, name: Optional[str]) -> None:
        self.name = name or DEFAULT_QUEUE
        self._connection = connection
        self._ids: Dict[str, str] = {}  # of service jobs, by name

    @property
    def is_known(self) -> bool:
        return is_known(self._connection.client("batch").meta.service_model.operation_names)

    def check(self, *, wait_s: float) -> str:
        """
        Raises:
            NoSuchQueue, QueueClosed
            CannotCheck: boto3 is too old, or the car may not ask.
        """
        if not self.is_known:
            raise CannotCheck(describe_too_old(boto3.__version__, wait_s))
        found = self._call("DescribeJobQueues", jobQueues=[self.name])["jobQueues"]
        if not found:
            raise NoSuchQueue(self.name, self._connection.region)
        (queue,) = found
        if queue.get("jobQueueType") != _TYPE:
            raise QueueClosed(self.name, "is not one for SageMaker", region=self._connection.region)
        if queue["state"] != "ENABLED" or queue.get("status", "VALID") != "VALID":
            problem = f"is {queue['state'].lower()} ({queue.get('status', '-').lower()})"
            raise QueueClosed(self.name, problem, region=self._connection.region)
        return self.name

    def submit(self, request: Dict[str, Any], *, share: str, car: str) -> None:
        """Adds a job. Batch rejects a second one with the same token, so it never trains twice.

        Without a time limit of Batch's: SageMaker ends a job that takes too long, and keeps its best model.
        """
        name = request["TrainingJobName"]
        self._call(
            "SubmitServiceJob",
            jobName=name,
            jobQueue=self.name,
            serviceJobType=_TYPE,
            serviceRequestPayload=json.dumps(request),
            shareIdentifier=share,
            retryStrategy=_RETRIES,
            tags={CAR_TAG: car},
            clientToken=name,
        )

    def find(self, name: str) -> Optional[ServiceJob]:
        """None if Batch does not know it: it never did, or the job ended some days ago."""
        if not self.is_known:
            return None
        if name in self._ids:
            found = self._describe(self._ids[name])
            if found is not None:
                return found
        filters = [{"name": "JOB_NAME", "values": [name]}]
        for each in self._list(filters=filters):
            if each["jobName"] == name:
                self._ids[name] = each["jobId"]
                return self._describe(each["jobId"])
        return None

    def read_state(self, job: ServiceJob) -> JobState:
        """The state of a job that has no training job (yet)."""
        if job.has_ended:
            status = "Stopped" if job.is_terminated else "Failed"
            reason = "" if job.is_terminated else job.reason[job.reason.startswith(_REASON) * len(_REASON) :]
            return _make_state(job, status, status, message="")._replace(failure_reason=reason)
        if not job.is_queued:
            return starting_state(job)
        return _make_state(job, "InProgress", WAITING, message=self._describe_place(job))

    def list_waiting(self) -> List[FleetJob]:
        """The jobs that are in the queue, the newest first."""
        found = []
        for status in _QUEUED:
            for each in self._list(jobStatus=status):
                job = self._describe(each["jobId"])
                if job and job.is_queued:
                    state = _make_state(job, "InProgress", WAITING, message="")
                    found.append(
                        read_fleet_job(_as_description(job.request, job.name, state.status))._replace(
                            state=state
                        )
                    )
        return sorted(found, key=lambda job: job.state.created or 0, reverse=True)

    def terminate(self, job: ServiceJob) -> None:
        self._call("TerminateServiceJob", jobId=job.id, reason=_STOPPED)

    def _describe_place(self, job: ServiceJob) -> str:
        front = self._call("GetJobQueueSnapshot", jobQueue=self.name).get("frontOfQueue") or {}
        arns = [each["jobArn"] for each in front.get("jobs") or []]
        place = arns.index(job.arn) + 1 if job.arn in arns else None
        return describe_place(self.name, place=place, jobs=len(arns))

    def _describe(self, job_id: str) -> Optional[ServiceJob]:
        try:
            return read_service_job(self._call("DescribeServiceJob", jobId=job_id))
        except AwsError as error:
            if error.code not in _GONE:
                raise
            return None

    def _list(self, **parameters: Any) -> Iterator[Dict[str, Any]]:
        parameters["jobQueue"] = self.name
        for page in self._connection.pages("batch", "ListServiceJobs", parameters):
            yield from page["jobSummaryList"]

    def _call(self, operation: str, **parameters: Any) -> Dict[str, Any]:
        return self._connection.call("batch", operation, parameters)


def read_service_job(response: Dict[str, Any]) -> ServiceJob:
    """Reads DescribeServiceJob's response."""
    attempt = response.get("latestAttempt") or {}
    arn = (attempt.get("serviceResourceId") or {}).get("value", "")
    request: Dict[str, Any] = {}
    with contextlib.suppress(ValueError):  # any car may have sent it
        request = parse_json((response.get("serviceRequestPayload") or "{}").encode("utf-8", "replace"))
    return ServiceJob(
        id=response["jobId"],
        arn=response.get("jobArn", ""),
        name=response["jobName"],
        status=response["status"],
        reason=response.get("statusReason", ""),
        created=response["createdAt"] / 1000 if response.get("createdAt") else None,
        is_terminated=bool(response.get("isTerminated")),
        training_job=arn.rpartition("training-job/")[2],
        request=request if is_description(_as_description(request, "", "InProgress")) else {},
    )


def starting_state(job: ServiceJob) -> JobState:
    """Of a job for which Batch is about to start a training job."""
    return _make_state(job, "InProgress", "Starting", message="")


def _as_description(request: Any, name: str, status: str) -> Any:
    """The job of a request as DescribeTrainingJob would describe it."""
    own = {"TrainingJobName": name, "TrainingJobStatus": status}
    return dict(request, **own) if isinstance(request, dict) else request


def _make_state(job: ServiceJob, status: str, secondary_status: str, *, message: str) -> JobState:
    return read_job_state(_as_description(job.request, job.name, status))._replace(
        secondary_status=secondary_status,
        transitions=[Transition(secondary_status, message)],
        created=job.created,
    )
