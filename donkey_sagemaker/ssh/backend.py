"""Training jobs on a host: the car's side. `ssh/host.py` is what answers there."""

import re
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

from ..cloud.cloud import CarId, Cloud, JobLog
from ..cloud.errors import NoSuchJob, NoSuchObject
from ..cloud.fleet import FleetJob
from ..cloud.images import Image
from ..cloud.job import JobState, read_job_state
from ..cloud.partial_download import PartialDownload
from ..cloud.prices import Price
from ..errors import DonkeySagemakerError
from ..findings import Finding, run_check
from ..local.backend import BUCKET, check_state
from ..settings import Settings
from . import errors
from .address import parse_host
from .connection import Connection, Refusal
from .messages import BLOCK_BYTES
from .queued import CAR_ID
from .session import Answer

_LEAST_FREE_BYTES = 2**30  # on the host, for the tubs, the trainer's files and the model
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class SshJobLog(JobLog):
    """A file on the host that the job appends to."""

    def __init__(self, cloud: "SshCloud", name: str) -> None:
        self._cloud = cloud
        self._name = name
        self._position = 0

    def read(self) -> List[str]:
        text = self._cloud.ask("read_log", name=self._name, offset=self._position).body
        self._position += len(text)
        return text.decode("utf-8", "replace").splitlines()


class SshCloud(Cloud):
    """The bucket and the jobs of one car on a host, which other cars may share.

    Args:
        python: SAGEMAKER_PYTHON, a path there.
    """

    bucket = BUCKET
    role_arn = "local"
    bills = False
    poll_s = 3.0
    log_lag_s = 0.0

    def __init__(self, connection: Connection, car_id: CarId, *, python: Optional[str]) -> None:
        self.connection = connection
        self.host = connection.host
        self.provider = self.host.name
        self.place = "on " + self.host.name
        self._car_id = car_id
        self._lock = threading.Lock()  # two threads that upload must not make two ids
        self._python = python
        self._owners: Dict[str, str] = {}  # of jobs of other cars, by name

    def ask(
        self, verb: str, *, body: Union[bytes, bytearray] = b"", once: bool = False, **fields: Any
    ) -> Answer:
        """An answer to a request for this car.

        Args:
            once: whoever calls tries again.
        """
        send = self.connection.ask_once if once else self.connection.ask
        with self._lock:
            car_id = self._car_id.make()
        try:
            return send(verb, body=body, car=self._find_owner(fields) or car_id, **fields)
        except Refusal as refusal:
            raise self._explain(refusal, fields) from refusal

    def _find_owner(self, fields: Dict[str, Any]) -> Optional[str]:
        """The other car that a request is about, by the name of its job, alone or in a key."""
        names = [fields.get("name"), *(fields.get("key") or fields.get("prefix") or "").split("/")]
        return next((self._owners[name] for name in names if name in self._owners), None)

    def reach(self, name: str) -> None:
        if not _JOB_NAME.fullmatch(name) or name in self._owners:
            return
        owner = self.ask("find_owner", name=name).fields.get("owner")
        if owner is None or owner == self._car_id.find():
            return
        if not isinstance(owner, str) or not CAR_ID.fullmatch(owner):
            raise self._foreign()
        self._owners[name] = owner

    def _explain(self, refusal: Refusal, fields: Dict[str, Any]) -> DonkeySagemakerError:
        host, kind, text = self.host, refusal.kind, refusal.text
        if kind == "NoSuchJob":
            return NoSuchJob(str(fields.get("name")), place=self.place)
        if kind == "NoSuchObject":
            return NoSuchObject(f"s3://{BUCKET}/{fields.get('key')}")
        if kind == "NoQueue":
            return errors.NoQueue(host)
        if kind == "QueueFailed":
            return errors.QueueFailed(host, text)
        if kind == "CannotTrain":
            return errors.CannotTrainThere(host, text, self.connection.program.path)
        if kind == "DiskFull":
            return errors.HostDiskFull(host, text)
        return errors.HostFailed(host, text)

    def _foreign(self) -> DonkeySagemakerError:
        """The connection is not used any further: what else it brings is not to be trusted either."""
        self.connection.close()
        return errors.HostUnreachable(self.host, "the answer is not one of this program")

    # Objects

    def list_objects(self, prefix: str) -> Dict[str, int]:
        if self._car_id.find() is None:
            return {}
        sizes = self.ask("list_objects", prefix=prefix).fields.get("sizes")
        if not isinstance(sizes, dict) or not all(
            key.startswith(prefix) and type(size) is int and size >= 0 for key, size in sizes.items()
        ):
            raise self._foreign()
        return sizes

    def put(self, key: str, body: Union[bytes, bytearray], *, once: bool = False) -> None:
        self.connection.retry(
            lambda: self.ask("put", body=body, once=True, key=key, keep=once),
            pauses_s=self.connection.timing.transfer_pauses_s,
        )

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        partial = PartialDownload(path, advance)
        while not partial.is_complete():
            self.connection.retry(
                lambda: self._download_more(key, partial), pauses_s=self.connection.timing.transfer_pauses_s
            )
        partial.finish()

    def _download_more(self, key: str, partial: PartialDownload) -> None:
        """The next block; all of it again if the object has changed."""
        answer = self.ask("get", once=True, key=key, offset=partial.size)
        etag, total = answer.fields.get("etag"), answer.fields.get("total")
        if not isinstance(etag, str) or type(total) is not int or total < 0:
            raise self._foreign()
        if partial.total < 0 or (etag, total) != (partial.etag, partial.total):
            is_start = partial.size == 0
            partial.begin(etag=etag, total=total, is_md5=False)
            if not is_start:
                return
        if len(answer.body) != min(BLOCK_BYTES, total - partial.size):
            raise self._foreign()
        partial.add(answer.body)

    # Jobs

    def start_job(self, request: Dict[str, Any], *, others: Sequence[Dict[str, Any]] = ()) -> None:
        self.ask("start_job", request=request, name=request["TrainingJobName"], python=self._python)

    def describe_job(self, name: str) -> JobState:
        if self._car_id.find() is None:
            raise NoSuchJob(name, place=self.place)
        state = self._read_state(self.ask("describe_job", name=name).fields.get("state"))
        if state.name != name:
            raise self._foreign()
        return state

    def list_jobs(self, *, since: float = 0.0) -> List[JobState]:
        if self._car_id.find() is None:
            return []
        states = self.ask("list_jobs").fields.get("states")
        if not isinstance(states, list):
            raise self._foreign()
        return list(map(self._read_state, states))

    def _read_state(self, state: Any) -> JobState:
        try:
            checked = check_state(state)
            if not _JOB_NAME.fullmatch(state["TrainingJobName"]):
                raise ValueError("not the name of a job")
            return read_job_state(dict(checked, TrainingJobName=state["TrainingJobName"]))
        except (ValueError, TypeError, KeyError) as error:
            raise self._foreign() from error

    def list_fleet(self, *, since: float) -> List[FleetJob]:
        return []

    def stop_job(self, name: str) -> None:
        if self._car_id.find() is None:
            raise NoSuchJob(name, place=self.place)
        self.ask("stop_job", name=name)

    def open_log(self, name: str) -> SshJobLog:
        return SshJobLog(self, name)

    def clean_up(self) -> None:
        """Nothing: its objects and jobs are not on this machine. The host cleans up when a job starts."""

    # Before a job is started

    def preflight(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        finding = run_check("host", self._check_host)
        yield finding
        if finding.error:
            return
        yield run_check("queue", self._check_queue)
        yield run_check("python", self._check_python)
        yield run_check("room", self._check_room)

    def _check_host(self) -> str:
        answer = self._ask_host("describe_host")
        system, gpus = errors.clean(answer.get("system")), answer.get("gpus")
        if not isinstance(gpus, list):
            raise self._foreign()
        names = ", ".join(errors.clean(each) for each in gpus)
        return f"{self.host.address}: {system}, {names or 'no NVIDIA GPU'}"

    def _check_queue(self) -> str:
        answer = self._ask_host("check_queue")
        waiting = answer.get("waiting")
        if type(waiting) is not int:
            raise self._foreign()
        jobs = "no job waits" if not waiting else "1 job waits" if waiting == 1 else f"{waiting} jobs wait"
        return f"{errors.clean(answer.get('queue'))}, {jobs}"

    def _check_python(self) -> str:
        answer = self._ask_host("check_python", python=self._python)
        versions = answer.get("versions")
        if not isinstance(versions, dict):
            raise self._foreign()
        texts = [errors.clean(f"{name} {version}") for name, version in sorted(versions.items())]
        return f"{errors.clean(answer.get('path'))}, {', '.join(texts)}"

    def _check_room(self) -> str:
        free_bytes = self._ask_host("describe_host").get("free_bytes")
        if type(free_bytes) is not int:
            raise self._foreign()
        text = f"{free_bytes / 1e9:.1f} GB free"
        if free_bytes < _LEAST_FREE_BYTES:
            raise errors.HostDiskFull(self.host, text)
        return text

    def _ask_host(self, verb: str, **fields: Any) -> Dict[str, Any]:
        """About the host itself, whichever car asks."""
        try:
            return self.connection.ask(verb, **fields).fields
        except Refusal as refusal:
            raise self._explain(refusal, fields) from refusal

    def choose_image(self, generation: str, *, instance_type: str) -> Image:
        """A Python on the host takes the place of the image; it does not contain the trainer."""
        return Image("local", stock=True)

    def memory_bytes(self, instance_type: str) -> Optional[int]:
        try:
            memory = self._ask_host("describe_host").get("memory_bytes")
        except DonkeySagemakerError:
            return None  # the preflight reports it
        return memory if type(memory) is int and memory > 0 else None

    def hourly_price(self, instance_type: str) -> Optional[Price]:
        return None


def open_host(settings: Settings, car_id: CarId) -> SshCloud:
    """The host that SAGEMAKER_HOST names; nothing is sent yet.

    Raises:
        NoHost
    """
    if settings.host is None:
        raise errors.NoHost()
    return SshCloud(Connection(parse_host(settings.host)), car_id, python=settings.python)
