"""AWS Batch's job queues for SageMaker: service jobs wait for room, take turns, and become training jobs."""

import json
import re
import threading
import time
import uuid
from typing import Any, Callable, Dict, List, Optional

from . import service_queues
from .access import check_permission
from .account import ACCOUNT_ID, REGION, Account
from .aws_error import AwsError
from .clock import Clock
from .service_queues import Queue
from .shapes import check_input
from .training import TrainingApi

ARN = f"arn:aws:batch:{REGION}:{ACCOUNT_ID}:"
POLL_S = 0.02
PAUSE_S = 10.0  # of the clock of jobs, after a failure
TOKEN_S = 600.0  # for so long a client token is remembered
QUEUED, ENDED = ("SUBMITTED", "RUNNABLE"), ("SUCCEEDED", "FAILED")
REASON = "Received status from SageMaker: "
# What Batch calls the states of a training job
STATES = {"Pending": "SCHEDULED", "Starting": "SCHEDULED", "Downloading": "STARTING"}
MOST_IN_SNAPSHOT, PAGE = 100, 100


class ServiceJob:
    def __init__(self, request: Dict[str, Any], queue: Queue, *, created: float, number: int) -> None:
        self.request = request
        self.queue = queue
        self.id = str(uuid.uuid4())
        self.number = number  # in the order of submission
        self.created = created
        self.status, self.reason = "SUBMITTED", ""
        self.is_terminated = False
        self.tries = 0
        self.not_before = 0.0  # seconds since the epoch
        self.training_jobs: List[str] = []  # the newest last
        self.payload: Dict[str, Any] = json.loads(request["serviceRequestPayload"])

    @property
    def arn(self) -> str:
        return f"{ARN}service-job/{self.id}"

    @property
    def share(self) -> str:
        return self.request["shareIdentifier"]

    @property
    def instances(self) -> int:
        return self.payload["ResourceConfig"]["InstanceCount"]

    def summary(self) -> Dict[str, Any]:
        found: Dict[str, Any] = {
            "jobArn": self.arn,
            "jobId": self.id,
            "jobName": self.request["jobName"],
            "serviceJobType": "SAGEMAKER_TRAINING",
            "shareIdentifier": self.share,
            "status": self.status,
            "createdAt": int(self.created * 1000),
        }
        if self.reason:
            found["statusReason"] = self.reason
        if self.training_jobs:
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:training-job/{self.training_jobs[-1]}"
            found["latestAttempt"] = {"serviceResourceId": {"name": "TrainingJobArn", "value": arn}}
        return found


class BatchApi:
    """Each operation is a method, whose input has been checked against the service model."""

    def __init__(self, account: Account, clock: Clock, training: TrainingApi) -> None:
        self._account = account
        self._clock = clock
        self._training = training
        self._lock = threading.RLock()
        self._jobs: List[ServiceJob] = []  # the oldest first
        self._thread: Optional[threading.Thread] = None
        self._ends = False

    def end(self) -> None:
        """Starts no more training jobs."""
        self._ends = True
        if self._thread:
            self._thread.join()

    # Operations

    def DescribeJobQueues(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("DescribeJobQueues", "*")
        wanted = parameters.get("jobQueues", list(service_queues.queues))
        found = [service_queues.queues[name] for name in wanted if name in service_queues.queues]
        return {"jobQueues": [queue.describe() for queue in found]}

    def SubmitServiceJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        queue = self._queue(parameters["jobQueue"])
        tags = {f"aws:RequestTag/{key}": value for key, value in parameters.get("tags", {}).items()}
        for resource in (queue.arn, f"{ARN}service-job/{uuid.uuid4()}"):
            self._allow("SubmitServiceJob", resource, tags)
        if tags:
            self._allow("TagResource", resource, tags)
        _check_submission(parameters, queue)
        role = json.loads(parameters["serviceRequestPayload"])["RoleArn"]
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        check_permission("iam:PassRole", role, self._account, passed)
        token = parameters.get("clientToken")
        with self._lock:
            recent = [job for job in self._jobs if self._clock.now() < job.created + TOKEN_S]
            if token and any(job.request.get("clientToken") == token for job in recent):
                raise _rejected("A request with this client token has already been accepted.")
            job = ServiceJob(parameters, queue, created=self._clock.now(), number=len(self._jobs))
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        return {"jobArn": job.arn, "jobId": job.id, "jobName": parameters["jobName"]}

    def DescribeServiceJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("DescribeServiceJob", "*")
        with self._lock:
            job = self._find(parameters["jobId"])
            asked = ("retryStrategy", "serviceRequestPayload", "tags", "timeoutConfig")
            found = {name: job.request[name] for name in asked if name in job.request}
            found.update(job.summary(), jobQueue=job.queue.arn, isTerminated=job.is_terminated, attempts=[])
            return dict(found, startedAt=0)

    def ListServiceJobs(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("ListServiceJobs", "*")
        queue = self._queue(parameters["jobQueue"])
        filters = parameters.get("filters", [])
        if len(filters) > 1:
            raise _rejected("Only one filter can be used at a time")
        with self._lock:
            jobs = [job for job in self._jobs[::-1] if job.queue is queue]
            if filters:
                matches = _matcher(filters[0])
                jobs = [job for job in jobs if matches(job)]
            else:
                jobs = [job for job in jobs if job.status == parameters.get("jobStatus", "RUNNING")]
            summaries = [job.summary() for job in jobs]
        start = int(parameters.get("nextToken", "0"))
        end = start + parameters.get("maxResults", PAGE)
        more = {"nextToken": str(end)} if end < len(summaries) else {}
        return dict(more, jobSummaryList=summaries[start:end])

    def GetJobQueueSnapshot(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        queue = self._queue(parameters["jobQueue"])
        self._allow("GetJobQueueSnapshot", queue.arn)
        with self._lock:
            front = self._in_turn(queue)[:MOST_IN_SNAPSHOT]
            jobs = [{"jobArn": job.arn, "earliestTimeAtPosition": 0} for job in front]
        return {"frontOfQueue": {"jobs": jobs, "lastUpdatedAt": 0}}

    def TerminateServiceJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        with self._lock:
            job = self._find(parameters["jobId"])
            tags = job.request.get("tags", {})
            context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
            self._allow("TerminateServiceJob", job.arn, context)
            if job.status in ENDED:
                return {}
            job.is_terminated = True
            if job.status in QUEUED:
                job.status, job.reason = "FAILED", parameters["reason"]
            else:
                self._training.find(job.training_jobs[-1]).stop()
        return {}

    # Whose turn it is

    def _run(self) -> None:
        while not self._ends:
            with self._lock:
                for job in self._jobs:
                    self._follow(job)
                for queue in list(service_queues.queues.values()):
                    self._dispatch(queue)
            time.sleep(POLL_S)

    def _dispatch(self, queue: Queue) -> None:
        """Starts jobs while there is room; one that needs more than there is holds up the others."""
        for job in self._in_turn(queue):
            if self._clock.now() < job.not_before:
                continue
            running = [
                each for each in self._jobs if each.queue is queue and each.status not in QUEUED + ENDED
            ]
            if sum(each.instances for each in running) + job.instances > queue.capacity:
                return
            self._start(job)

    def _in_turn(self, queue: Queue) -> List[ServiceJob]:
        """The waiting jobs: whichever share has used the least is next, and in a share the oldest job."""
        used: Dict[str, int] = {}
        for job in self._jobs:
            if job.queue is queue and job.training_jobs and self._is_recent(job):
                used[job.share] = used.get(job.share, 0) + job.instances
        waiting = [job for job in self._jobs if job.queue is queue and job.status == "RUNNABLE"]
        ordered: List[ServiceJob] = []
        while waiting:
            job = min(waiting, key=lambda each: (used.get(each.share, 0), each.number))
            waiting.remove(job)
            ordered.append(job)
            used[job.share] = used.get(job.share, 0) + job.instances
        return ordered

    def _is_recent(self, job: ServiceJob) -> bool:
        return self._clock.now() - job.created < job.queue.share_decay_s

    def _start(self, job: ServiceJob) -> None:
        """Batch does so in its service-linked role, which may start jobs with such names only."""
        job.tries, job.not_before = job.tries + 1, self._clock.now() + PAUSE_S
        name = f"AWSBatch{job.payload['TrainingJobName']}{uuid.uuid4().hex}"
        request = dict(job.payload, TrainingJobName=name)
        try:
            check_input("sagemaker", "CreateTrainingJob", request, code="ValidationException")
            self._training.CreateTrainingJob(request)
        except AwsError as error:
            self._fail(job, REASON + error.message)
            return
        job.training_jobs.append(name)
        job.status, job.reason = "SCHEDULED", ""

    def _follow(self, job: ServiceJob) -> None:
        if job.status == "SUBMITTED":
            job.status = "RUNNABLE"
        if job.status in QUEUED + ENDED:
            return
        state = self._training.find(job.training_jobs[-1]).describe()
        status = state["TrainingJobStatus"]
        if status == "InProgress":
            job.status = STATES.get(state["SecondaryStatus"], "RUNNING")
        elif status == "Completed":
            job.status, job.reason = "SUCCEEDED", REASON + "Training job completed"
        elif status in ("Failed", "Stopped"):
            reason = state.get("FailureReason", "Training job stopped")
            if reason.startswith("CapacityError"):  # this costs no attempt
                job.status, job.tries = "RUNNABLE", job.tries - 1
            elif status == "Stopped":
                job.status, job.reason = "FAILED", REASON + reason
            else:
                self._fail(job, REASON + reason)

    @staticmethod
    def _fail(job: ServiceJob, reason: str) -> None:
        """Ends it, or puts it back into the queue if its own rules say so."""
        strategy = job.request.get("retryStrategy", {"attempts": 1})
        rules = strategy.get("evaluateOnExit", [])
        actions = [each["action"] for each in rules if _globs(each["onStatusReason"], reason)]
        again = (actions or ["RETRY"])[0] == "RETRY" and job.tries < strategy["attempts"]
        job.status, job.reason = "RUNNABLE" if again else "FAILED", reason

    def _find(self, job_id: str) -> ServiceJob:
        for job in self._jobs:
            if job.id == job_id:
                return job
        raise _rejected(f"Service job {job_id} does not exist", status=404)

    @staticmethod
    def _queue(name: str) -> Queue:
        if name not in service_queues.queues:
            raise _rejected(f"JobQueue {name} not found.")
        return service_queues.queues[name]

    def _allow(self, operation: str, resource: str, context: Optional[Dict[str, str]] = None) -> None:
        check_permission("batch:" + operation, resource, self._account, context)


def _check_submission(parameters: Dict[str, Any], queue: Queue) -> None:
    """What Batch checks itself; the payload is SageMaker's business, once the job's turn has come."""
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,127}", parameters["jobName"], re.ASCII):
        raise _rejected("Job name should match valid pattern")
    if queue.state != "ENABLED":
        raise _rejected(f"Job queue {queue.name} is disabled")
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", parameters.get("shareIdentifier", "")):
        raise _rejected("shareIdentifier must be specified, with alphanumeric characters only")
    strategy = parameters.get("retryStrategy", {"attempts": 1})
    if not 1 <= strategy["attempts"] <= 10 or len(strategy.get("evaluateOnExit", [])) > 5:
        raise _rejected("Invalid retry strategy")
    if any("*" in each["onStatusReason"][:-1] for each in strategy.get("evaluateOnExit", [])):
        raise _rejected("An asterisk can only be the last character of onStatusReason")
    if parameters.get("timeoutConfig", {}).get("attemptDurationSeconds", 60) < 60:
        raise _rejected("attemptDurationSeconds must be at least 60 seconds")
    try:
        if json.loads(parameters["serviceRequestPayload"])["ResourceConfig"]["InstanceCount"] < 1:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _rejected("serviceRequestPayload is not a valid request") from None


def _matcher(wanted: Dict[str, Any]) -> Callable[[ServiceJob], bool]:
    (value,) = wanted["values"]
    if wanted["name"] == "JOB_NAME":
        return lambda job: _globs(value.lower(), job.request["jobName"].lower())
    raise _rejected("The stand-in has no filter " + wanted["name"])


def _globs(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _rejected(message: str, *, status: int = 400) -> AwsError:
    return AwsError("ClientException", message, status=status)
