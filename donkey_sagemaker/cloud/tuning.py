"""The seam for a tuning that the cloud itself runs: trials that it chooses, starts and compares."""

import re
import time
from abc import ABC, abstractmethod
from typing import Any, Dict, List, NamedTuple, Optional

from .job import RUNNING

# No name of a job begins like this: `make_job_name` never has two hyphens in a row.
TUNING_PREFIX = "donkey-tune--"

_TRIAL = re.compile(r"(?P<tuning>donkey-tune--\d{6}-\d{6}-\d{3})-(?P<number>\d{3,})-[0-9a-z]+")


def make_tuning_name(*, now: float) -> str:
    """Within SageMaker's 32 characters, and unique in an account."""
    return TUNING_PREFIX + time.strftime("%y%m%d-%H%M%S", time.gmtime(now)) + f"-{int(now * 1000) % 1000:03d}"


def tuning_of(job_name: str) -> Optional[str]:
    """The name of the tuning that a training job is a trial of; None if it is none."""
    match = _TRIAL.fullmatch(job_name)
    return match.group("tuning") if match else None


class TuningState(NamedTuple):
    """What is known about a tuning at one moment."""

    name: str
    status: str  # InProgress, Stopping, Completed, Failed or Stopped
    trials: int  # at most so many
    failure_reason: str = ""

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING


class TunedTrial(NamedTuple):
    """A training job of a tuning."""

    name: str
    status: str  # as of a job
    created: float  # seconds since the epoch
    texts: Dict[str, str]  # the value of each parameter, as JSON

    @property
    def number(self) -> int:
        """Counts from 1; 0 if SageMaker names its trials in another way."""
        match = _TRIAL.fullmatch(self.name)
        return int(match.group("number")) if match else 0

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING


class Tuner(ABC):
    """Runs tunings, which go on when this process ends. Failures are those of a `Cloud`."""

    @abstractmethod
    def check(self, request: Dict[str, Any]) -> None:
        """
        Raises:
            BadInput: the cloud would reject the request.
        """

    @abstractmethod
    def start(self, request: Dict[str, Any]) -> None:
        """Starts a tuning and returns immediately. Starting the same one twice starts it once.

        Args:
            request: CreateHyperParameterTuningJob's arguments.
        Raises:
            Unreachable: it may have been started.
        """

    @abstractmethod
    def describe(self, name: str) -> TuningState:
        """
        Raises:
            NoSuchJob
        """

    @abstractmethod
    def list_trials(self, name: str) -> List[TunedTrial]:
        """Those that have been started so far, the oldest first."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Asks a tuning and its trials to stop, which keep their best models; nothing if it has ended.

        Raises:
            NoSuchJob
        """
