"""The jobs of a car with SAGEMAKER_JOB_QUEUE: a service job, then a training job."""

from typing import Any, Dict, List, Optional

from ..cloud.errors import NoSuchJob
from ..cloud.fleet import CAR_TAG, TEAM_TAG, FleetJob
from ..cloud.job import JobState
from ..cloud.job_queue import choose_share
from ..settings import Settings
from .connection import Connection
from .errors import AwsError, JobNameTaken
from .jobs import describe_job, find_training_job
from .service_jobs import CannotAskQueue, JobQueue, starting_state


class QueuedJobs:
    """Each method gets the name of our job, which is that of the service job."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._queue = JobQueue(connection, settings.job_queue)

    @property
    def queue(self) -> Optional[str]:
        """The queue that new jobs wait in; None if none is set, or boto3 is too old for it."""
        return self._settings.job_queue if self._settings.job_queue and self._queue.is_known else None

    def check(self) -> str:
        """
        Raises:
            CloudRefused, CannotCheck
        """
        return self._queue.check(wait_s=self._settings.quota_wait_s)

    def submit(self, request: Dict[str, Any]) -> None:
        """
        Raises:
            JobNameTaken: it is in the queue already, or another job of that name is.
        """
        name = request["TrainingJobName"]
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        share = choose_share(tags.get(TEAM_TAG), self._settings.folder, tags.get(CAR_TAG))
        if self._queue.find(name):
            raise _taken(name)
        try:
            self._queue.submit(request, share=share, car=self._settings.folder or share)
        except AwsError as error:
            if self._queue.find(name):  # AWS has received it twice
                raise _taken(name) from error
            raise

    def describe(self, name: str) -> JobState:
        """
        Raises:
            NoSuchJob, CannotAskQueue
        """
        job = self._queue.find(name)
        if job is None:
            return self._describe_training(self._find_forgotten(name), name)
        if job.is_queued or not job.training_job:
            return self._queue.read_state(job)
        try:
            state = self._describe_training(job.training_job, name)
        except NoSuchJob:  # AWS does not know it yet
            return self._queue.read_state(job)
        if state.status == "Failed" and not job.has_ended:  # Batch may start another one
            return starting_state(job)
        if state.status == "Failed" and job.is_terminated:  # while it waited for a machine again
            return self._queue.read_state(job)
        return state

    def find_training_job(self, name: str) -> Optional[str]:
        """The name of its training job; None if it has none (yet)."""
        job = self._queue.find(name)
        return job.training_job or None if job else find_training_job(self._connection, name)

    def stop(self, name: str) -> Optional[str]:
        """Takes a job out of the queue; the name of its training job if that is what has to be stopped.

        Raises:
            NoSuchJob, CannotAskQueue
        """
        job = self._queue.find(name)
        if job is None:
            return self._find_forgotten(name)
        if job.has_ended:
            return None
        if job.training_job and not job.is_queued:
            return job.training_job
        self._queue.terminate(job)
        return None

    def list_waiting(self) -> List[FleetJob]:
        """Those of all cars that are in the queue."""
        return self._queue.list_waiting() if self.queue else []

    def _describe_training(self, training_job: str, name: str) -> JobState:
        return describe_job(self._connection, training_job)._replace(name=name)

    def _find_forgotten(self, name: str) -> str:
        """The training job of a job that Batch no longer knows, or that boto3 cannot ask about.

        Raises:
            NoSuchJob, CannotAskQueue
        """
        training_job = find_training_job(self._connection, name)
        if training_job is not None:
            return training_job
        if not self._queue.is_known:
            raise CannotAskQueue(name)
        raise NoSuchJob(name, place=self._connection.place)


def _taken(name: str) -> JobNameTaken:
    return JobNameTaken(
        f"There is already another job named {name} in the queue.",
        "Train again: `python manage.py sagemaker-train` gives the job a new name.",
    )
