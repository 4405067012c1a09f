"""Training jobs as SageMaker describes them."""

import datetime
from typing import Any, Dict, List, Optional

from ..cloud.fleet import FleetJob, read_fleet_job
from ..cloud.job import JobState, read_job_state
from ..cloud.job_queue import own_name, training_prefix
from .connection import Connection

JOB_PREFIX = "donkey-"


def describe_job(connection: Connection, name: str) -> JobState:
    """
    Raises:
        NoSuchJob
    """
    response = connection.call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": name})
    return read_job_state(_with_plain_times(response))


def list_jobs(connection: Connection, *, status: Optional[str] = None, since: float = 0.0) -> List[JobState]:
    """All jobs of this program in the account and region, the newest first.

    A job that was queued has its own name, and counts once, however often AWS Batch has started it.

    Args:
        status: only those of this status.
        since: only those created since then, in seconds since the epoch.
    """
    parameters: Dict[str, Any] = {
        "NameContains": JOB_PREFIX,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    if status is not None:
        parameters["StatusEquals"] = status
    if since:
        parameters["CreationTimeAfter"] = datetime.datetime.fromtimestamp(since, datetime.timezone.utc)
    jobs: Dict[str, JobState] = {}
    for page in connection.pages("sagemaker", "ListTrainingJobs", parameters):
        for job in page["TrainingJobSummaries"]:
            name = own_name(job["TrainingJobName"])
            if name.startswith(JOB_PREFIX):
                jobs.setdefault(name, read_job_state(_with_plain_times(job))._replace(name=name))
    return list(jobs.values())


def find_training_job(connection: Connection, name: str) -> Optional[str]:
    """The name of the newest training job that AWS Batch has started for a queued job."""
    parameters = {
        "NameContains": training_prefix(name),
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    for page in connection.pages("sagemaker", "ListTrainingJobs", parameters):
        for job in page["TrainingJobSummaries"]:
            if own_name(job["TrainingJobName"]) == name:
                return str(job["TrainingJobName"])
    return None


def search_jobs(connection: Connection, *, since: float) -> List[FleetJob]:
    """All jobs of this program since then, with everything about them, the newest first.

    The index that AWS searches may lag some seconds behind.

    Args:
        since: seconds since the epoch.
    """
    created = datetime.datetime.fromtimestamp(since, datetime.timezone.utc)
    filters = [
        {"Name": "TrainingJobName", "Operator": "Contains", "Value": JOB_PREFIX},
        {
            "Name": "CreationTime",
            "Operator": "GreaterThanOrEqualTo",
            "Value": f"{created:%Y-%m-%dT%H:%M:%S}",
        },
    ]
    parameters = {
        "Resource": "TrainingJob",
        "SearchExpression": {"Filters": filters},
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 100,
    }
    jobs = [
        read_fleet_job(_with_plain_times(result["TrainingJob"]))
        for page in connection.pages("sagemaker", "Search", parameters)
        for result in page["Results"]
    ]
    named = [job._replace(state=job.state._replace(name=own_name(job.state.name))) for job in jobs]
    return [job for job in named if job.state.name.startswith(JOB_PREFIX)]


def list_keepers(connection: Connection) -> List[str]:
    """The names of ended jobs of this program that have kept their instances for the next one.

    Empty where boto3 is too old to ask for them.
    """
    model = connection.client("sagemaker").meta.service_model.operation_model("ListTrainingJobs")
    if "WarmPoolStatusEquals" not in model.input_shape.members:
        return []
    parameters = {"NameContains": JOB_PREFIX, "WarmPoolStatusEquals": "Available"}
    return [
        job["TrainingJobName"]
        for page in connection.pages("sagemaker", "ListTrainingJobs", parameters)
        for job in page["TrainingJobSummaries"]
        if job["TrainingJobName"].startswith(JOB_PREFIX)
    ]


def release_instances(connection: Connection, name: str) -> None:
    """Ends the time for which a job's instances are kept."""
    resources = {"KeepAlivePeriodInSeconds": 0}
    connection.call("sagemaker", "UpdateTrainingJob", {"TrainingJobName": name, "ResourceConfig": resources})


def is_same_job(state: JobState, request: Dict[str, Any]) -> bool:
    """Whether a job runs the same image on the same data as the request asks for."""
    wanted = read_job_state(dict(request, TrainingJobStatus=state.status))
    return (state.image, state.role_arn, state.channels) == (wanted.image, wanted.role_arn, wanted.channels)


def _with_plain_times(response: Dict[str, Any]) -> Dict[str, Any]:
    """A response with its times as seconds since the epoch."""
    return {
        name: value.timestamp() if isinstance(value, datetime.datetime) else value
        for name, value in response.items()
    }
