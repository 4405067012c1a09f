"""Tunings that SageMaker runs."""

import json
from typing import Any, Callable, Dict, Iterator, List

from ..cloud.errors import NoSuchJob, Unreachable
from ..cloud.job import RUNNING
from ..cloud.tuning import TunedTrial, Tuner, TuningState
from ..errors import DonkeySagemakerError
from .connection import Connection
from .errors import AwsError, JobNameTaken
from .limits import Problem, RequestOutOfLimits, model_problems

_MOST_PARAMETERS = 30  # of a tuning
_MOST_VALUES = 30  # of a parameter
_RANGES = "HyperParameterTuningJobConfig.ParameterRanges"

Create = Callable[[str, Dict[str, Any], str], None]


class AwsTuner(Tuner):
    """
    Args:
        create: sends a complete request: operation, arguments, and which of them is the name.
    """

    def __init__(self, connection: Connection, create: Create) -> None:
        self._connection = connection
        self._create = create

    def check(self, request: Dict[str, Any]) -> None:
        """
        Raises:
            RequestOutOfLimits
        """
        model = self._connection.client("sagemaker").meta.service_model
        shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
        problems = {each.path: each for each in _range_problems(request)}
        for each in model_problems(request, shape):
            problems.setdefault(each.path, each)
        if problems:
            raise RequestOutOfLimits(list(problems.values()), what="tuning")

    def start(self, request: Dict[str, Any]) -> None:
        lost: List[Unreachable] = []
        name = request["HyperParameterTuningJobName"]

        def create() -> None:
            try:
                self._create("CreateHyperParameterTuningJob", request, "HyperParameterTuningJobName")
            except Unreachable as error:
                lost.append(error)
                raise

        try:
            self._connection.retry(create, pauses_s=self._connection.timing.pauses_s)
        except Unreachable:
            raise
        except DonkeySagemakerError as error:
            # The name is this car's own, to the millisecond: what has it is what was asked for
            if (lost or isinstance(error, JobNameTaken)) and self._exists(name):
                return
            raise

    def _exists(self, name: str) -> bool:
        try:
            self.describe(name)
        except NoSuchJob:
            return False
        except DonkeySagemakerError as error:
            raise Unreachable(error.what, error.fix) from error
        return True

    def describe(self, name: str) -> TuningState:
        found = self._call("DescribeHyperParameterTuningJob", name)
        return TuningState(
            name,
            found["HyperParameterTuningJobStatus"],
            trials=found["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"],
            failure_reason=found.get("FailureReason") or "",
        )

    def list_trials(self, name: str) -> List[TunedTrial]:
        parameters = {"HyperParameterTuningJobName": name, "SortBy": "CreationTime", "SortOrder": "Ascending"}
        return [
            TunedTrial(
                name=job["TrainingJobName"],
                status=job["TrainingJobStatus"],
                created=job["CreationTime"].timestamp(),
                texts=job["TunedHyperParameters"],
            )
            for page in self._connection.pages(
                "sagemaker", "ListTrainingJobsForHyperParameterTuningJob", parameters
            )
            for job in page["TrainingJobSummaries"]
        ]

    def stop(self, name: str) -> None:
        try:
            self._call("StopHyperParameterTuningJob", name)
        except AwsError:
            if self.describe(name).status in RUNNING:
                raise

    def _call(self, operation: str, name: str) -> Dict[str, Any]:
        return self._connection.call("sagemaker", operation, {"HyperParameterTuningJobName": name})


def _range_problems(request: Dict[str, Any]) -> Iterator[Problem]:
    """What AWS accepts of the parameters together; each of them may have as many in an older botocore."""
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    count = sum(map(len, ranges.values()))
    if not 1 <= count <= _MOST_PARAMETERS:
        yield Problem(_RANGES, f"has {count} parameters; 1 to {_MOST_PARAMETERS} are allowed")
    for each in ranges.get("CategoricalParameterRanges", []):
        path = f"{_RANGES}.{each['Name']}"
        if len(each["Values"]) > _MOST_VALUES:
            yield Problem(path, f"has {len(each['Values'])} values; the maximum is {_MOST_VALUES}")
        if len(set(each["Values"])) < len(each["Values"]):
            yield Problem(path, f"has a value twice: {json.dumps(each['Values'])}")
