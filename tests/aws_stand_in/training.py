"""SageMaker's API for training jobs."""

import datetime
import shutil
import threading
from typing import Any, Callable, Dict, List, Tuple

from .access import check_permission
from .account import ACCOUNT_ID, REGION, Account
from .aws_error import AwsError
from .clock import Clock
from .images import Images
from .job import TrainingJob
from .logs import Logs
from .rules import check_rules, quota_name, with_each_type

DESCRIBED = (  # of the request
    "HyperParameters AlgorithmSpecification RoleArn InputDataConfig OutputDataConfig ResourceConfig "
    "VpcConfig StoppingCondition CheckpointConfig RetryStrategy Environment"
).split()
SWITCHES = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


# What this project searches for: by name and operator, whether a value matches
_OPERATORS: Dict[Tuple[str, str], Callable[[Any, str], bool]] = {
    ("TrainingJobName", "Contains"): lambda value, wanted: wanted in value,
    ("CreationTime", "GreaterThanOrEqualTo"): lambda value, wanted: value >= _seconds(wanted),
}


def _seconds(text: str) -> float:
    """Since the epoch."""
    return datetime.datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()


class TrainingApi:
    """Each operation is a method, whose input has been checked against the service model."""

    def __init__(self, account: Account, clock: Clock, images: Images, logs: Logs, *, folder: str) -> None:
        self.account = account
        self.clock = clock
        self._images = images
        self._logs = logs
        self._folder = folder
        self._lock = threading.Lock()
        self._jobs: Dict[str, TrainingJob] = {}

    def end(self) -> None:
        """Ends all jobs immediately."""
        for job in self._jobs.values():
            job.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def find(self, name: str) -> TrainingJob:
        if name not in self._jobs:
            raise AwsError("ValidationException", "Requested resource not found.")
        return self._jobs[name]

    def CreateTrainingJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        name = parameters["TrainingJobName"]
        self._allow("CreateTrainingJob", name)
        if parameters.get("Tags"):
            self._allow("AddTags", name)
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        check_permission("iam:PassRole", parameters["RoleArn"], self.account, passed)
        return {"TrainingJobArn": self.start_job(parameters).arn}

    def start_job(self, parameters: Dict[str, Any]) -> TrainingJob:
        """Whoever asks for it, if the rules and quotas allow it."""
        name = parameters["TrainingJobName"]
        with self._lock:
            if name in self._jobs:
                raise AwsError(
                    "ResourceInUse",
                    "Training job names must be unique within an AWS account and region, and a training job "
                    f"with this name already exists ({self._jobs[name].arn})",
                )
            self.check(parameters)
            job = self._jobs[name] = TrainingJob(
                parameters,
                account=self.account,
                clock=self.clock,
                images=self._images,
                logs=self._logs,
                folder=self._folder,
            )
        return job

    def check(self, parameters: Dict[str, Any]) -> None:
        """Raises AWS's error for a training job that cannot be started now."""
        running: Dict[str, int] = {}
        for job in list(self._jobs.values()):
            if job.running:
                used = with_each_type(job.request)[0]
                quota = quota_name(used)
                running[quota] = running.get(quota, 0) + used["ResourceConfig"]["InstanceCount"]
        check_rules(parameters, self.account, running=running)

    def log_lines(self, prefix: str) -> List[str]:
        """What jobs have printed to the streams of that prefix, delayed or not."""
        return self._logs.lines(prefix)

    def DescribeTrainingJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("DescribeTrainingJob", parameters["TrainingJobName"])
        return self._describe(self.find(parameters["TrainingJobName"]))

    @staticmethod
    def _describe(job: TrainingJob) -> Dict[str, Any]:
        response = {name: job.request[name] for name in DESCRIBED if name in job.request}
        response.update({name: job.request.get(name, False) for name in SWITCHES})
        response.update(job.describe(), TrainingJobName=job.name, TrainingJobArn=job.arn)
        return response

    def StopTrainingJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("StopTrainingJob", parameters["TrainingJobName"])
        job = self.find(parameters["TrainingJobName"])
        if not job.running:
            status = job.describe()["TrainingJobStatus"]
            raise AwsError(
                "ValidationException",
                f"The request was rejected because the training job is in status {status}.",
            )
        job.stop()
        return {}

    def UpdateTrainingJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("UpdateTrainingJob", parameters["TrainingJobName"])
        job = self.find(parameters["TrainingJobName"])
        if job.describe().get("WarmPoolStatus", {}).get("Status") != "Available":
            raise AwsError("ValidationException", "The job has no warm pool that is available")
        job.keep_until(parameters["ResourceConfig"]["KeepAlivePeriodInSeconds"])
        return {"TrainingJobArn": job.arn}

    def ListTrainingJobs(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("ListTrainingJobs", "*")
        summaries = [self._summary(job) for job in list(self._jobs.values())]
        found = [
            each
            for each in summaries
            if parameters.get("NameContains", "") in each["TrainingJobName"]
            and parameters.get("StatusEquals", each["TrainingJobStatus"]) == each["TrainingJobStatus"]
            and parameters.get("WarmPoolStatusEquals") in (None, each.get("WarmPoolStatus", {}).get("Status"))
            and parameters.get("CreationTimeAfter", 0) <= each["CreationTime"]
            and each["CreationTime"] <= parameters.get("CreationTimeBefore", each["CreationTime"])
        ]
        sort_by = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(
            parameters.get("SortBy", "CreationTime"), "CreationTime"
        )
        found.sort(key=lambda each: each[sort_by], reverse=parameters.get("SortOrder") != "Ascending")
        start = int(parameters.get("NextToken", "0"))
        end = start + parameters.get("MaxResults", 10)
        response: Dict[str, Any] = {"TrainingJobSummaries": found[start:end]}
        if end < len(found):
            response["NextToken"] = str(end)
        return response

    def Search(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._allow("Search", "*")
        if parameters["Resource"] != "TrainingJob":
            raise AwsError("ValidationException", "The stand-in searches training jobs only")
        jobs = [dict(self._describe(job), Tags=job.request.get("Tags", [])) for job in self._jobs.values()]
        for wanted in parameters.get("SearchExpression", {}).get("Filters", []):
            matches = _OPERATORS[wanted["Name"], wanted["Operator"]]
            jobs = [job for job in jobs if matches(job[wanted["Name"]], wanted["Value"])]
        jobs.sort(
            key=lambda job: job[parameters.get("SortBy", "CreationTime")],
            reverse=parameters.get("SortOrder", "Descending") == "Descending",
        )
        start = int(parameters.get("NextToken", "0"))
        end = start + parameters.get("MaxResults", 10)
        response: Dict[str, Any] = {"Results": [{"TrainingJob": job} for job in jobs[start:end]]}
        if end < len(jobs):
            response["NextToken"] = str(end)
        return response

    @staticmethod
    def _summary(job: TrainingJob) -> Dict[str, Any]:
        state = job.describe()
        result = (
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
            "SecondaryStatus",
            "WarmPoolStatus",
        )
        summary = {name: state[name] for name in result if name in state}
        summary.update(TrainingJobName=job.name, TrainingJobArn=job.arn)
        return summary

    def ListTags(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        name = parameters["ResourceArn"].rsplit("/", 1)[-1]
        self._allow("ListTags", name)
        found: List[Dict[str, str]] = next(
            (
                job.request.get("Tags", [])
                for job in self._jobs.values()
                if job.arn == parameters["ResourceArn"]
            ),
            [],
        )
        return {"Tags": found}

    def _allow(self, operation: str, name: str) -> None:
        resource = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:training-job/{name.lower()}"
        check_permission("sagemaker:" + operation, resource, self.account)
