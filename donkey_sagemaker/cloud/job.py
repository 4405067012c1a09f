"""The state of a training job, as a cloud reports it."""

from typing import Any, Dict, List, NamedTuple, Optional

from .failures import is_capacity_failure

RUNNING = ("InProgress", "Stopping")  # a job that is stopping still has its model to upload


class Transition(NamedTuple):
    """A status that a job went through, as "Downloading"."""

    status: str
    message: str


class JobState(NamedTuple):
    """What is known about a job at one moment; from a list of jobs just its name, status and times.

    Times are in seconds since the epoch; None if they are not known (yet).
    """

    name: str
    status: str  # InProgress, Stopping, Completed, Failed or Stopped
    secondary_status: str = ""  # as "Downloading" or "MaxRuntimeExceeded"
    transitions: List[Transition] = []  # the oldest first, up to the current one
    failure_reason: str = ""
    has_model: bool = False  # never of a job that failed, although it may have stored one
    created: Optional[float] = None
    training_started: Optional[float] = None
    training_ended: Optional[float] = None
    billable_s: Optional[float] = None  # seconds that are billed
    training_s: Optional[float] = None  # seconds on the instance; more than billable_s for a spot job
    instance_type: Optional[str] = None  # None also until AWS has taken one of the candidates
    instance_count: int = 1
    candidates: List[str] = []  # instance types among which AWS chooses, in their order
    keeps_instances: bool = False  # it has ended, and its instances wait for the next job, which is billed
    image: Optional[str] = None  # URI of the training image
    has_own_entrypoint: bool = False  # the request overrides the image's entry point
    role_arn: str = ""
    channels: Dict[str, str] = {}  # name -> URI of the data

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def lacks_capacity(self) -> bool:
        """Whether it failed because no instance of its type was available."""
        if self.secondary_status == "MaxWaitTimeExceeded":
            return not self.has_model
        return is_capacity_failure(self.failure_reason)


def read_job_state(description: Dict[str, Any]) -> JobState:
    """Reads a response of DescribeTrainingJob, or a summary of ListTrainingJobs.

    Args:
        description: with its times as seconds since the epoch.
    """
    resources = description.get("ResourceConfig", {})
    algorithm = description.get("AlgorithmSpecification", {})
    secondary_status = description.get("SecondaryStatus", "")
    transitions = [
        Transition(each["Status"], each.get("StatusMessage") or "")
        for each in description.get("SecondaryStatusTransitions") or []
    ]
    return JobState(
        name=description["TrainingJobName"],
        status=description["TrainingJobStatus"],
        secondary_status=secondary_status,
        transitions=transitions or [Transition(secondary_status, "")],
        failure_reason=description.get("FailureReason", ""),
        has_model="ModelArtifacts" in description and description["TrainingJobStatus"] != "Failed",
        created=description.get("CreationTime"),
        training_started=description.get("TrainingStartTime"),
        training_ended=description.get("TrainingEndTime"),
        billable_s=description.get("BillableTimeInSeconds"),
        training_s=description.get("TrainingTimeInSeconds"),
        instance_type=resources.get("SelectedInstanceType", resources.get("InstanceType")),
        instance_count=resources.get("SelectedInstanceCount", resources.get("InstanceCount", 1)),
        candidates=[each["InstanceType"] for each in resources.get("InstancePreferences", [])],
        keeps_instances=description.get("WarmPoolStatus", {}).get("Status") == "Available",
        image=algorithm.get("TrainingImage"),
        has_own_entrypoint="ContainerEntrypoint" in algorithm,
        role_arn=description.get("RoleArn", ""),
        channels={
            channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in description.get("InputDataConfig", [])
        },
    )
