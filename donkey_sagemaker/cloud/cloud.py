"""The seam between the steps of a training and whoever runs its job: AWS, or this machine."""

from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

from ..findings import Finding
from .images import Image
from .job import JobState
from .prices import Price


class JobLog(ABC):
    """The log of one job, read as it grows."""

    @abstractmethod
    def read(self) -> List[str]:
        """The whole lines that were added since the last call.

        Raises:
            NotAllowed, Unreachable: the next call reads what this one could not.
        """


class Cloud(ABC):
    """A bucket and the training jobs that read from it and write to it.

    An implementation holds no state that a job depends on: a job goes on when the process ends, and another
    process can watch it. What goes wrong is raised as one of `cloud.errors` or another DonkeySagemakerError,
    never as an exception of a library.
    """

    place: str  # where jobs run, as "on AWS in eu-west-1"
    bills: bool  # whether a job costs money
    poll_s: float  # seconds between two looks at a job
    log_lag_s: float  # seconds after a job's end until its log is complete

    @property
    @abstractmethod
    def bucket(self) -> str:
        """The bucket's name.

        Raises:
            BadInput: none is set.
        """

    @property
    @abstractmethod
    def role_arn(self) -> str:
        """The role that jobs run as.

        Raises:
            BadInput: none is set.
        """

    # Objects

    @abstractmethod
    def list_objects(self, prefix: str) -> Dict[str, int]:
        """The size in bytes of every object whose key starts with `prefix`."""

    @abstractmethod
    def put(self, key: str, body: Union[bytes, bytearray]) -> None:
        """Stores one object whole. May be called from several threads.

        Raises:
            Unreachable: after the implementation has tried again for as long as makes sense.
        """

    @abstractmethod
    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        """Fetches an object to `path`; continues an interrupted download.

        Args:
            advance: called with the bytes of each step, which are negative where something is fetched again.
        Raises:
            NoSuchObject, Unreachable
        """

    # Jobs

    @abstractmethod
    def start_job(self, request: Dict[str, Any]) -> None:
        """Starts a job and returns at once. Starting the same job twice starts one.

        Args:
            request: CreateTrainingJob's arguments.
        Raises:
            NoCapacity: another instance type may do.
            Unreachable: it may have been started.
        """

    @abstractmethod
    def describe_job(self, name: str) -> JobState:
        """
        Raises:
            NoSuchJob
        """

    @abstractmethod
    def list_jobs(self) -> List[JobState]:
        """All jobs of this program, the newest first; just name, status and times of each."""

    @abstractmethod
    def stop_job(self, name: str) -> None:
        """Asks a job to stop and to keep its best model; does nothing to a job that has ended.

        Raises:
            NoSuchJob
        """

    @abstractmethod
    def open_log(self, name: str) -> JobLog:
        """The log of a job, from its beginning. A job that has not printed anything has an empty one."""

    # Before a job is started

    @abstractmethod
    def preflight(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        """Checks everything that these jobs need, the cheapest check first; changes nothing.

        Args:
            requests: one for each instance type that may be tried.
        """

    @abstractmethod
    def choose_image(self, generation: str, *, instance_type: str) -> Image:
        """The training image for a car of that generation, as "dk54"."""

    @abstractmethod
    def hourly_price(self, instance_type: str) -> Optional[Price]:
        """What an instance costs on demand; None where nothing is billed or no price is known."""
