"""One car's bucket and jobs on the host, where a queue runs the jobs of all cars.

A job is described as it is found: by its own files while and after it runs, by the queue before that. A job
that is in neither was lost, by a crash between the two or by a reboot, and is submitted again. Beside the
files of a local job (local/backend.py) there is

    jobs/NAME/python       the trainer's interpreter
    jobs/NAME/submitted    since it was added to the queue; its content is the host's boot id
"""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import sys
from typing import Any, Dict, Iterator, List, Optional

from ..atomic import write_bytes, write_json
from ..child_process import ALIVE_NAME, is_alive
from ..cloud.errors import NoSuchJob
from ..cloud.job import RUNNING
from ..local.backend import PROCESS_DIED, STOP_NAME, LocalCloud
from ..local.job import LocalJob
from ..untrusted_file import open_own, read_file
from ..untrusted_json import parse_json
from .machine import find_gpus
from .queues import Entry, Queue, make_label

CARS = "cars"  # the folder of their folders
CAR_ID = re.compile(r"[0-9a-f]{12}")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_REMOVED = "the job was removed from the queue"
_KEPT = "checkpoints"  # in /opt/ml, of a job that is run again


class QueuedCloud(LocalCloud):
    """
    Args:
        root: this program's folder on the host.
        car: a car's id.
        program: path of the program that the queue runs.
        machine: what the host calls itself.
    """

    def __init__(self, root: str, car: str, *, queue: Optional[Queue], program: str, machine: str) -> None:
        super().__init__(os.path.join(root, CARS, car), python="")
        self.machine = machine
        self._root = root
        self._car = car
        self._queue = queue
        self._program = program

    def start_queued(self, request: Dict[str, Any], *, python: str) -> None:
        """Starting the same job twice starts it once.

        Raises:
            QueueFailed
        """
        name = request["TrainingJobName"]
        folder = self._job_path(name)
        self.clean_up()
        with self._lock():
            if not self._is_started(folder):
                self._make_folder()
                os.makedirs(folder, exist_ok=True)
                write_bytes(os.path.join(folder, "python"), os.fsencode(python), follows_link=False)
                write_json(os.path.join(folder, "request.json"), request)
            is_new = self._submitted_in(folder) is None and self._find(name, self._entries()) is None
            if self._queue and is_new:
                self._submit(name, self._queue)

    def _is_started(self, folder: str) -> bool:
        """Its process may begin much later."""
        return os.path.isfile(os.path.join(folder, "request.json"))

    def read_description(self, name: str) -> Dict[str, Any]:
        folder = self._job_path(name)
        if not self._is_started(folder):
            raise NoSuchJob(name, place=self.place)
        state = self._look(name, folder)
        if state is None:
            with self._lock():
                # It may have been submitted, or have ended, in between
                state = self._look(name, folder) or self._recover(name, folder)
        return state

    def _look(self, name: str, folder: str) -> Optional[Dict[str, Any]]:
        """The job's state; None if it should run, but neither runs nor waits."""
        state = self._read_state(folder, name)
        if self._is_final(state):
            return state
        if is_alive(folder):
            return state
        entries = self._entries()  # before the rest: the job may start or end in between
        lives = is_alive(folder)
        state = self._read_state(folder, name)
        if lives or self._is_final(state):
            return state
        entry = self._find(name, entries)
        if entry is None:
            return None
        if not entry.is_running:
            _set_pending(state, ahead=sum(not each.is_running for each in entries[: entries.index(entry)]))
        return state

    def _read_state(self, folder: str, name: str) -> Dict[str, Any]:
        state = super()._read_state(folder, name)
        state.setdefault("CreationTime", os.stat(os.path.join(folder, "request.json")).st_mtime)
        return state

    def _recover(self, name: str, folder: str) -> Dict[str, Any]:
        """Submits a lost job again, or says that it has failed."""
        submitted = self._submitted_in(folder)
        is_lost = submitted is None or not (self._survives_reboot or submitted == read_boot_id())
        if os.path.exists(os.path.join(folder, STOP_NAME)):
            return self._end(name, "Stopped")
        if self._queue is None or not is_lost:
            has_begun = os.path.exists(os.path.join(folder, "job.json"))
            return self._end(name, "Failed", PROCESS_DIED if has_begun else _REMOVED)
        self._submit(name, self._queue)
        state = self._read_state(folder, name)
        _set_pending(state, ahead=0)
        return state

    def _end(self, name: str, status: str, reason: str = "") -> Dict[str, Any]:
        """Writes the final state of a job whose process cannot do that."""
        folder = self._job_path(name)
        state = self._read_state(folder, name)
        state.update(TrainingJobStatus=status, SecondaryStatus=status)
        if reason:
            state.setdefault("FailureReason", reason)
        write_json(os.path.join(folder, "job.json"), state)
        shutil.rmtree(os.path.join(folder, "opt_ml"), ignore_errors=True)
        return state

    def stop_job(self, name: str) -> None:
        """A job that waits is removed from the queue; one that runs saves its best model."""
        folder = self._job_path(name)
        if self.read_description(name)["TrainingJobStatus"] != "InProgress":
            return
        write_bytes(os.path.join(folder, STOP_NAME), b"", follows_link=False)
        with self._lock():
            entry = self._find(name, self._entries())
            if entry is None or self._queue is None:
                return
            if not entry.is_running and self._queue.remove(entry):
                self._end(name, "Stopped")
            elif is_alive(folder):  # otherwise it is just starting, and will find the file
                self._queue.terminate(entry)

    def _submit(self, name: str, queue: Queue) -> None:
        folder = self._job_path(name)
        request = parse_json(read_file(os.path.join(folder, "request.json")))
        limit_s = int(request["StoppingCondition"]["MaxRuntimeInSeconds"])
        command = [sys.executable, self._program, "job", self._root, self._car, name]
        queue.submit(make_label(self._car, name), command, limit_s=limit_s)
        write_bytes(os.path.join(folder, "submitted"), read_boot_id(), follows_link=False)

    def _entries(self) -> List[Entry]:
        return self._queue.entries() if self._queue else []

    def _find(self, name: str, entries: List[Entry]) -> Optional[Entry]:
        label = make_label(self._car, name)
        return next((entry for entry in entries if entry.label == label), None)

    @staticmethod
    def _is_final(state: Dict[str, Any]) -> bool:
        return state["TrainingJobStatus"] not in RUNNING

    @staticmethod
    def _submitted_in(folder: str) -> Optional[bytes]:
        """The boot id of the host when the job was added to the queue; None if it was not."""
        try:
            return read_file(os.path.join(folder, "submitted"))
        except OSError:
            return None

    @property
    def _survives_reboot(self) -> bool:
        return self._queue is not None and self._queue.survives_reboot

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time changes the queue, whichever car it works for."""
        with open_own(os.path.join(self._root, "lock")) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_boot_id() -> bytes:
    """It changes with each start of the host; empty where the system has none."""
    try:
        return read_file(_BOOT_ID)
    except OSError:
        return b""


def _set_pending(state: Dict[str, Any], *, ahead: int) -> None:
    jobs = "next in the queue" if not ahead else f"{ahead} job{'s' if ahead > 1 else ''} waiting ahead of it"
    state.update(
        TrainingJobStatus="InProgress",
        SecondaryStatus="Pending",
        SecondaryStatusTransitions=[{"Status": "Pending", "StatusMessage": jobs}],
    )


class QueuedJob(LocalJob):
    """Only its car stops a job. Whatever else ends the process, such as a reboot, lets it run again."""

    def _on_sigterm(self, number: int, frame: Any) -> None:
        if not os.path.exists(os.path.join(self.folder, STOP_NAME)):
            sys.exit(128 + number)
        super()._on_sigterm(number, frame)


def run_job(root: str, car: str, name: str, *, machine: str) -> None:
    """What the queue runs: one job, from its beginning or after a reboot from its last epoch."""
    cloud = QueuedCloud(root, car, queue=None, program="", machine=machine)
    folder = os.path.join(cloud.folder, "jobs", name)
    cloud.python = os.fsdecode(read_file(os.path.join(folder, "python")))
    with open(os.path.join(folder, "log"), "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with open_own(os.path.join(folder, ALIVE_NAME)) as alive:
        # Waits: whoever asks whether it lives holds the lock for a moment
        fcntl.flock(alive, fcntl.LOCK_EX)
        if cloud._is_final(cloud._read_state(folder, name)):
            return
        base = os.path.join(folder, "opt_ml")
        for each in os.listdir(base) if os.path.isdir(base) else []:
            if each != _KEPT:
                shutil.rmtree(os.path.join(base, each))
        with _one_gpu(root):
            _find_cuda(cloud.python)
            QueuedJob(cloud, name).run()


@contextlib.contextmanager
def _one_gpu(root: str) -> Iterator[None]:
    """Takes a GPU that no other job has, unless the queue has given one to this job."""
    if "CUDA_VISIBLE_DEVICES" in os.environ or "SLURM_JOB_ID" in os.environ:
        yield
        return
    with contextlib.ExitStack() as stack:
        for number in range(len(find_gpus())):
            file = stack.enter_context(open_own(os.path.join(root, f"gpu-{number}")))
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.environ["CUDA_VISIBLE_DEVICES"] = str(number)
                break
        yield


def _find_cuda(python: str) -> None:
    """TensorFlow before 2.16 does not find the CUDA that is installed beside it as packages."""
    prefix = os.path.dirname(os.path.dirname(python))
    folders = glob.glob(os.path.join(prefix, "lib", "python3*", "site-packages", "nvidia", "*", "lib"))
    old = os.environ.get("LD_LIBRARY_PATH")
    if folders:
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join([*folders, *([old] if old else [])])
