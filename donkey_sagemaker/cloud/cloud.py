"""The seam between the steps of a training and whoever runs its job: AWS, this machine or a host."""

from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from ..findings import Finding
from .errors import Unreachable
from .fleet import FleetJob
from .images import Image
from .job import JobState
from .prices import Price
from .tuning import Tuner


class CarId(NamedTuple):
    """How a cloud learns which car it works for."""

    find: Callable[[], Optional[str]]  # None as long as the car has launched no job
    make: Callable[[], str]  # the same id, made if there is none


class JobLog(ABC):
    """The log of one job, read as it grows."""

    @abstractmethod
    def read(self) -> List[str]:
        """The complete lines that were added since the last call.

        Raises:
            NotAllowed, Unreachable: the next call returns what this one could not.
        """


class Cloud(ABC):
    """A bucket and the training jobs that read from it and write to it.

    An implementation holds no state that a job depends on: a job keeps running when this process ends, and
    another process can watch it. Failures are raised as one of `cloud.errors` or as another
    DonkeySagemakerError, never as an exception of a library.
    """

    place: str  # where jobs run, as "on AWS in eu-west-1"
    provider: str  # who runs them, as "AWS"
    bills: bool  # whether a job costs money
    poll_s: float  # seconds between two requests for a job's state
    log_lag_s: float  # seconds after a job's end until its log is complete
    disk_path: Optional[str] = None  # where the bucket lies on this machine; None if it does not

    @property
    def queue(self) -> Optional[str]:
        """The job queue that new jobs wait in for a machine; None where they start at once or are refused.

        Jobs with the names that `job_queue.make_queued_name` makes are put into it.
        """
        return None

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
    def put(self, key: str, body: Union[bytes, bytearray], *, once: bool = False) -> None:
        """Stores one object, completely or not at all. May be called from several threads.

        Args:
            once: leave an object of that key as it is.
        Raises:
            Unreachable: even after repeated tries.
        """

    @abstractmethod
    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        """Downloads an object to `path`, continuing an interrupted download.

        Args:
            advance: called with the bytes of each step; a negative number if data has to be downloaded again.
        Raises:
            NoSuchObject, Unreachable
        """

    # Jobs

    @abstractmethod
    def start_job(self, request: Dict[str, Any], *, others: Sequence[Dict[str, Any]] = ()) -> None:
        """Starts a job and returns immediately. Starting the same job twice starts it once.

        Args:
            request: CreateTrainingJob's arguments.
            others: the same for other instance types; the cloud may take one of them if the first lacks
                capacity. `JobState` says which one it is.
        Raises:
            NoCapacity: another instance type may do.
            Unreachable: the job may have been started.
        """

    @abstractmethod
    def reach(self, name: str) -> None:
        """Makes a job that the user has named usable, where other cars' jobs are out of reach otherwise."""

    @abstractmethod
    def describe_job(self, name: str) -> JobState:
        """
        Raises:
            NoSuchJob
        """

    @abstractmethod
    def list_jobs(self, *, since: float = 0.0) -> List[JobState]:
        """All jobs of this program, the newest first, with just their name, status and times.

        Args:
            since: seconds since the epoch; jobs that were created earlier may be left out.
        """

    @abstractmethod
    def list_fleet(self, *, since: float) -> List[FleetJob]:
        """The jobs of all cars that are billed together, the newest first; none where nothing is billed.

        Args:
            since: seconds since the epoch; only jobs that were created later.
        """

    @abstractmethod
    def stop_job(self, name: str) -> None:
        """Asks a job to stop and to save its best model; does nothing if the job has ended.

        Raises:
            NoSuchJob
        """

    def release_instances(self, name: str) -> bool:
        """Gives back the instances that an ended job has kept for the next one; whether it had kept any.

        Raises:
            NoSuchJob
        """
        return False

    @abstractmethod
    def open_log(self, name: str) -> JobLog:
        """The log of a job, from its beginning; it is empty until the job prints something."""

    @property
    def tuner(self) -> Optional[Tuner]:
        """Runs tunings; None where each trial has to be started as a job."""
        return None

    def job_links(self, name: str) -> List[Tuple[str, str]]:
        """Pages about a job: (what it is, its address)."""
        return []

    @abstractmethod
    def clean_up(self) -> None:
        """Removes what a power cut left on this machine. Only one process may do so at a time."""

    # Before a job is started

    @abstractmethod
    def preflight(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        """Checks everything that these jobs need, the cheapest check first, each one when it is asked for.

        Nothing is changed. The checks end early where `blocks_other_checks`.

        Args:
            requests: CreateTrainingJob's arguments, once for each instance type that may be tried.
        """

    @abstractmethod
    def choose_image(self, generation: str, *, instance_type: str) -> Image:
        """The training image for a car of that generation, as "dk54"."""

    @abstractmethod
    def memory_bytes(self, instance_type: str) -> Optional[int]:
        """The memory of the machine that trains; None if it is not known."""

    @abstractmethod
    def hourly_price(self, instance_type: str) -> Optional[Price]:
        """The price of an on-demand instance; None if nothing is billed or no price is known."""


def blocks_other_checks(finding: Finding) -> bool:
    """Whether all further checks would fail for the same reason, such as wrong credentials or no network."""
    if isinstance(finding.error, Unreachable):
        return True
    return finding.error is not None and finding.subject in ("credentials", "clock")
