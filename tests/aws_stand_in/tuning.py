"""SageMaker's API for tuning jobs: it chooses values, starts training jobs with them, and compares them."""

import json
import math
import random
import re
import statistics
import threading
import time
import uuid
from typing import Any, Dict, List, Optional

from . import messages
from .access import check_permission
from .account import ACCOUNT_ID, REGION
from .aws_error import AwsError
from .job import POLL_S, TrainingJob
from .training import TrainingApi

STATIC_NAME = "_tuning_objective_metric"  # a hyperparameter that SageMaker itself adds to each trial
FEWEST_ENDED = 3  # trials, before one is stopped early
MOST_PARAMETERS = 30
ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."
KINDS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
DEFINITION_MEMBERS = (  # of a training job's request
    "RoleArn InputDataConfig OutputDataConfig ResourceConfig StoppingCondition VpcConfig CheckpointConfig "
    "RetryStrategy Environment EnableNetworkIsolation EnableManagedSpotTraining "
    "EnableInterContainerTrafficEncryption"
).split()


class TuningJob:
    """Starts its thread immediately."""

    def __init__(self, request: Dict[str, Any], api: "TuningApi") -> None:
        self.request = request
        self.name: str = request["HyperParameterTuningJobName"]
        self.arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:hyper-parameter-tuning-job/{self.name}"
        self.trials: List[TrainingJob] = []
        self.status = "InProgress"
        self.reason = ""
        self.created = api.clock.now()
        self._api = api
        self._config = request["HyperParameterTuningJobConfig"]
        self._objective = self._config["HyperParameterTuningJobObjective"]["MetricName"]
        self._random = random.Random(self._config.get("RandomSeed", 1))
        self._aborted = False
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.status = "Stopping"

    def end(self) -> None:
        """Ends it immediately; its trials end like all jobs."""
        self._aborted = True
        self._thread.join()

    def values_of(self, trial: TrainingJob) -> List[float]:
        """The values of the objective so far, as SageMaker keeps them."""
        (metric,) = [
            each
            for each in trial.request["AlgorithmSpecification"]["MetricDefinitions"]
            if each["Name"] == self._objective
        ]
        found = [re.search(metric["Regex"], line) for line in self._api.log_lines(trial.name + "/")]
        return [_as_float32(float(match.group(1))) for match in found if match]

    # Its life

    def _run(self) -> None:
        limits = self._config["ResourceLimits"]
        deadline = self.created + limits.get("MaxRuntimeInSeconds", math.inf)
        while not self._aborted:
            running = [trial for trial in self.trials if trial.running]
            if self._api.clock.now() > deadline and self.status == "InProgress":
                self.status = "Stopping"
            if self.status == "Stopping":
                for trial in running:
                    trial.stop()
                if not running:
                    self._finish("Stopped")
                    return
            elif len(self.trials) < limits["MaxNumberOfTrainingJobs"]:
                if len(running) < limits["MaxParallelTrainingJobs"]:
                    self._start_trial()
            elif not running:
                has_result = any(map(self.values_of, self.trials))
                self._finish("Completed" if has_result else "Failed", "" if has_result else ALL_FAILED)
                return
            if self._config.get("TrainingJobEarlyStoppingType") == "Auto":
                for trial in running:
                    self._stop_if_worse(trial)
            time.sleep(POLL_S)

    def _start_trial(self) -> None:
        definition = self.request["TrainingJobDefinition"]
        tuned = {
            each["Name"]: _choose(each, kind, self._random)
            for kind in KINDS
            for each in self._config["ParameterRanges"].get(kind, [])
        }
        request = make_training_request(definition)
        request["TrainingJobName"] = f"{self.name}-{len(self.trials) + 1:03d}-{uuid.uuid4().hex[:8]}"
        request["HyperParameters"].update(tuned, **{STATIC_NAME: self._objective})
        request["Tags"] = self.request.get("Tags", [])
        try:
            trial = self._api.start_job(request)
        except AwsError as error:
            if error.code == "ResourceLimitExceeded":
                return  # others use the quota; it tries again
            self._finish("Failed", str(error))
            self._aborted = True
            return
        self.trials.append(trial)

    def _stop_if_worse(self, trial: TrainingJob) -> None:
        """If its objective is worse than the median of the others' running averages up to the same epoch."""
        values = self.values_of(trial)
        others = [self.values_of(each) for each in self.trials if not each.running]
        averages = [
            statistics.mean(each[: len(values)]) for each in others if values and len(each) >= len(values)
        ]
        if len(averages) >= FEWEST_ENDED and values[-1] > statistics.median(averages):
            trial.stop()

    def _finish(self, status: str, reason: str = "") -> None:
        self.status, self.reason = status, reason
        detail = {
            "HyperParameterTuningJobName": self.name,
            "HyperParameterTuningJobArn": self.arn,
            "HyperParameterTuningJobStatus": status,
            "TrainingJobStatusCounters": self.count(),
            "Tags": {each["Key"]: each["Value"] for each in self.request.get("Tags", [])},
        }
        kind = "SageMaker HyperParameter Tuning Job State Change"
        messages.send_event("aws.sagemaker", kind, arn=self.arn, seconds=self._api.clock.now(), detail=detail)

    def count(self) -> Dict[str, int]:
        states = [trial.describe()["TrainingJobStatus"] for trial in self.trials]
        return {
            "Completed": states.count("Completed"),
            "InProgress": states.count("InProgress") + states.count("Stopping"),
            "RetryableError": 0,
            "NonRetryableError": states.count("Failed"),
            "Stopped": states.count("Stopped"),
        }


def make_training_request(definition: Dict[str, Any]) -> Dict[str, Any]:
    """CreateTrainingJob's arguments, without a name."""
    request = {name: definition[name] for name in DEFINITION_MEMBERS if name in definition}
    request["AlgorithmSpecification"] = definition["AlgorithmSpecification"]
    request["HyperParameters"] = dict(definition.get("StaticHyperParameters", {}))
    return request


def _choose(parameter: Dict[str, Any], kind: str, chooser: random.Random) -> str:
    if kind == "CategoricalParameterRanges":
        return chooser.choice(parameter["Values"])
    low, high = float(parameter["MinValue"]), float(parameter["MaxValue"])
    if parameter.get("ScalingType") == "Logarithmic":
        value = math.exp(chooser.uniform(math.log(low), math.log(high)))
    else:
        value = chooser.uniform(low, high)
    return str(round(value)) if kind == "IntegerParameterRanges" else repr(min(max(value, low), high))


def _as_float32(value: float) -> float:
    return float(f"{value:.7g}")


class TuningApi(TrainingApi):
    """The operations of a tuning beside those of training jobs."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._tunings: Dict[str, TuningJob] = {}

    def end(self) -> None:
        for tuning in self._tunings.values():
            tuning.end()
        super().end()

    def CreateHyperParameterTuningJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        name = parameters["HyperParameterTuningJobName"]
        self._allow_tuning("CreateHyperParameterTuningJob", name)
        if parameters.get("Tags"):
            self._allow_tuning("AddTags", name)
        definition = parameters.get("TrainingJobDefinition")
        if definition is None:
            raise _invalid("The stand-in runs tunings of one TrainingJobDefinition only")
        passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        check_permission("iam:PassRole", definition["RoleArn"], self.account, passed)
        if name in self._tunings:
            raise AwsError(
                "ResourceInUse",
                "Hyper parameter tuning job names must be unique within an AWS account and region, and a"
                f" hyper parameter tuning job with this name already exists ({self._tunings[name].arn})",
            )
        check_tuning(parameters)
        self.check(dict(make_training_request(definition), TrainingJobName=name))
        tuning = self._tunings[name] = TuningJob(parameters, self)
        return {"HyperParameterTuningJobArn": tuning.arn}

    def DescribeHyperParameterTuningJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        tuning = self._find_tuning("DescribeHyperParameterTuningJob", parameters)
        names = ("HyperParameterTuningJobName", "HyperParameterTuningJobConfig", "TrainingJobDefinition")
        response = {name: tuning.request[name] for name in names}
        has_result = [bool(tuning.values_of(each)) for each in list(tuning.trials)]
        response.update(
            HyperParameterTuningJobArn=tuning.arn,
            HyperParameterTuningJobStatus=tuning.status,
            CreationTime=tuning.created,
            TrainingJobStatusCounters=tuning.count(),
            ObjectiveStatusCounters={
                "Succeeded": sum(has_result),
                "Pending": 0,
                "Failed": len(has_result) - sum(has_result),
            },
        )
        if tuning.reason:
            response["FailureReason"] = tuning.reason
        return response

    def ListTrainingJobsForHyperParameterTuningJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        tuning = self._find_tuning("ListTrainingJobsForHyperParameterTuningJob", parameters)
        trials = list(tuning.trials)
        if parameters.get("SortBy", "Name") not in ("Name", "CreationTime"):
            raise _invalid("The stand-in sorts trials by name and time only")
        if parameters.get("SortOrder", "Ascending") == "Descending":
            trials.reverse()
        start = int(parameters.get("NextToken", "0"))
        end = start + parameters.get("MaxResults", 10)
        summaries = [self._summarize_trial(tuning, trial) for trial in trials[start:end]]
        response: Dict[str, Any] = {"TrainingJobSummaries": summaries}
        if end < len(trials):
            response["NextToken"] = str(end)
        return response

    def StopHyperParameterTuningJob(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        tuning = self._find_tuning("StopHyperParameterTuningJob", parameters)
        if tuning.status not in ("InProgress", "Stopping"):
            raise _invalid(f"The request was rejected because the tuning job is in status {tuning.status}.")
        tuning.stop()
        return {}

    @staticmethod
    def _summarize_trial(tuning: TuningJob, trial: TrainingJob) -> Dict[str, Any]:
        state = trial.describe()
        wanted = (
            "CreationTime",
            "TrainingStartTime",
            "TrainingEndTime",
            "TrainingJobStatus",
            "FailureReason",
        )
        summary = {name: state[name] for name in wanted if name in state}
        ranges = tuning.request["HyperParameterTuningJobConfig"]["ParameterRanges"]
        names = [each["Name"] for kind in KINDS for each in ranges.get(kind, [])]
        summary.update(
            TrainingJobName=trial.name,
            TrainingJobArn=trial.arn,
            TunedHyperParameters={name: trial.request["HyperParameters"][name] for name in names},
        )
        values = tuning.values_of(trial)
        if values:
            objective = tuning.request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = dict(objective, Value=values[-1])
        return summary

    def _find_tuning(self, operation: str, parameters: Dict[str, Any]) -> TuningJob:
        name = parameters["HyperParameterTuningJobName"]
        self._allow_tuning(operation, name)
        return self._tuning(name)

    def _tuning(self, name: str) -> TuningJob:
        if name not in self._tunings:
            raise AwsError("ResourceNotFound", f"Requested resource not found: {name}")
        return self._tunings[name]

    def _allow_tuning(self, operation: str, name: str) -> None:
        resource = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:hyper-parameter-tuning-job/{name.lower()}"
        check_permission("sagemaker:" + operation, resource, self.account)


def check_tuning(parameters: Dict[str, Any]) -> None:
    """What is only in AWS's documentation."""
    config = parameters["HyperParameterTuningJobConfig"]
    definition = parameters["TrainingJobDefinition"]
    if config["Strategy"] != "Bayesian":
        raise _invalid("The stand-in tunes by the strategy Bayesian only")
    objective = config.get("HyperParameterTuningJobObjective")
    if not objective:
        raise _invalid("HyperParameterTuningJobObjective is required")
    metrics = [each["Name"] for each in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if objective["MetricName"] not in metrics or len(set(metrics)) < len(metrics):
        raise _invalid(
            f"The objective metric {objective['MetricName']} is not one of the metric definitions, or one of"
            f" these is defined twice: {', '.join(metrics)}"
        )
    limits = config["ResourceLimits"]
    if limits["MaxParallelTrainingJobs"] > limits.get("MaxNumberOfTrainingJobs", 0):
        raise _invalid("MaxParallelTrainingJobs must be at most MaxNumberOfTrainingJobs")
    if "KeepAlivePeriodInSeconds" in definition.get("ResourceConfig", {}):
        raise _invalid("KeepAlivePeriodInSeconds is not supported for hyperparameter tuning jobs")
    if "InstancePreferences" in definition.get("ResourceConfig", {}):
        raise _invalid("InstancePreferences is not supported for hyperparameter tuning jobs")
    _check_ranges(config.get("ParameterRanges", {}), definition.get("StaticHyperParameters", {}))


def _check_ranges(ranges: Dict[str, Any], static: Dict[str, str]) -> None:
    parameters = [(kind, each) for kind in KINDS for each in ranges.get(kind, [])]
    names = [each["Name"] for _kind, each in parameters]
    if not 1 <= len(names) <= MOST_PARAMETERS:
        raise _invalid(f"A tuning job needs 1 to {MOST_PARAMETERS} parameters, and has {len(names)}")
    twice = sorted({name for name in names if names.count(name) > 1 or name in static})
    if twice or STATIC_NAME in static:
        raise _invalid(f"Hyperparameters must be either static or tuned, and once only: {twice}")
    for kind, each in parameters:
        if kind == "CategoricalParameterRanges":
            if len(set(each["Values"])) < len(each["Values"]):
                raise _invalid(f"The values of {each['Name']} are not unique: {json.dumps(each['Values'])}")
            continue
        low, high = _number(each["MinValue"], kind), _number(each["MaxValue"], kind)
        if low is None or high is None or not low < high:
            raise _invalid(f"{each['Name']} must range from a smaller to a larger number")
        if each.get("ScalingType") == "Logarithmic" and low <= 0:
            raise _invalid(f"Logarithmic scaling of {each['Name']} needs values above 0")


def _number(text: str, kind: str) -> Optional[float]:
    try:
        value = float(int(text)) if kind == "IntegerParameterRanges" else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)
