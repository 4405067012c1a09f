"""SageMaker emulated on this machine: buckets are folders, a job is a process with a /opt/ml of its own.

The trainer reads only what is in the bucket, as on AWS. Layout of the car's `.sagemaker/local/`:

    buckets/local/KEY           objects
    jobs/NAME/request.json      CreateTrainingJob's arguments
    jobs/NAME/job.json          the job's state, as DescribeTrainingJob would return it
    jobs/NAME/log               what the container prints
    jobs/NAME/alive             locked for as long as the job's process lives
    jobs/NAME/stop              exists once the job has been asked to stop
    jobs/NAME/opt_ml/           the container's /opt/ml, removed at the end
"""

import fcntl
import os
import shutil
import signal
import subprocess
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

from ..atomic import sweep_tree, write_bytes, write_json
from ..child_process import ALIVE_NAME, is_alive, module_command
from ..cloud.cloud import Cloud, JobLog
from ..cloud.errors import NoSuchJob, NoSuchObject
from ..cloud.fleet import FleetJob
from ..cloud.images import Image
from ..cloud.job import RUNNING, JobState, read_job_state
from ..cloud.prices import Price
from ..findings import Finding
from ..untrusted_file import MAX_BYTES, UnusableFile, open_own, read_file
from ..untrusted_json import parse_json
from .interpreter import describe_metal

MAX_TIME_S = 2**35  # the year 3058

BUCKET = "local"
STOP_NAME = "stop"
PROCESS_DIED = "the job's process died (power failure? out of RAM?)"


class LocalJobLog(JobLog):
    """A file that the job's process appends to; it may not exist yet."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._position = 0

    def read(self) -> List[str]:
        if not os.path.isfile(self._path):
            return []
        with open(self._path, "rb") as file:
            file.seek(self._position)
            text = file.read(MAX_BYTES)
        end = text.rfind(b"\n") + 1
        self._position += end
        return text[:end].decode("utf-8", "replace").splitlines()


_STATUSES = (*RUNNING, "Completed", "Failed", "Stopped")
_TEXTS = ("SecondaryStatus", "FailureReason")
_TRANSITION = ("Status", "StatusMessage")
_TIMES = ("CreationTime", "TrainingStartTime", "TrainingEndTime")


def check_state(state: Any) -> Dict[str, Any]:
    """What a job's process wrote into job.json, or a host returned.

    Raises:
        ValueError: it did not write that.
    """
    if not isinstance(state, dict) or state.get("TrainingJobStatus") not in _STATUSES:
        raise ValueError("no status")
    if not all(isinstance(state[name], str) for name in _TEXTS if name in state):
        raise ValueError("not a text")
    times = [state[name] for name in _TIMES if name in state]
    if not all(type(each) in (int, float) and 0 <= each < MAX_TIME_S for each in times):
        raise ValueError("not a time")
    transitions = state.get("SecondaryStatusTransitions", [])
    if not (isinstance(transitions, list) and all(map(_is_transition, transitions))):
        raise ValueError("not a list of states")
    process = state.get("ProcessId")
    known = ["SecondaryStatusTransitions", "TrainingJobStatus", "ModelArtifacts", *_TEXTS, *_TIMES]
    if type(process) is int and 1 < process < 2**31:  # a signal to any other number reaches several processes
        known.append("ProcessId")
    return {name: state[name] for name in known if name in state}


def _is_transition(each: Any) -> bool:
    return isinstance(each, dict) and all(isinstance(each.get(name), str) for name in _TRANSITION)


class LocalCloud(Cloud):
    """The bucket and the training jobs of one car.

    Args:
        folder: the car's `.sagemaker/local`.
        python: the trainer's interpreter, which has donkeycar and TensorFlow.
    """

    bucket = BUCKET
    role_arn = "local"
    place = "on this machine"
    provider = machine = "this machine"
    bills = False
    poll_s = 0.2
    log_lag_s = 0.0

    def __init__(self, folder: str, *, python: str) -> None:
        self.folder = folder
        self.disk_path = folder
        self.python = python

    def memory_bytes(self, instance_type: str) -> Optional[int]:
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, ValueError, OSError):
            return None  # Windows

    # Objects

    def list_objects(self, prefix: str) -> Dict[str, int]:
        root = self.object_path("")
        sizes = {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                key = os.path.relpath(path, root).replace(os.sep, "/")
                is_stage = name.startswith(".") or name.endswith(".part")
                if key.startswith(prefix) and not is_stage and os.path.isfile(path):
                    sizes[key] = os.path.getsize(path)
        return sizes

    def put(self, key: str, body: Union[bytes, bytearray], *, once: bool = False) -> None:
        self._make_folder()
        path = self.object_path(key)
        if once and os.path.exists(path):
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_bytes(path, body, follows_link=False)

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        source_path = self.object_path(key)
        if not os.path.isfile(source_path):
            raise NoSuchObject(f"s3://{BUCKET}/{key}")
        with open(source_path, "rb") as source, open(path, "wb") as target:
            for block in iter(lambda: source.read(1 << 20), b""):
                target.write(block)
                advance(len(block))

    def object_path(self, key: str) -> str:
        """The path of an object's file."""
        return os.path.join(self.folder, "buckets", BUCKET, *key.split("/"))

    def _make_folder(self) -> None:
        """Only its owner may read it: it holds copies of myconfig.py, which may contain passwords."""
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o700)

    # Jobs

    def start_job(self, request: Dict[str, Any], *, others: Sequence[Dict[str, Any]] = ()) -> None:
        folder = self._job_path(request["TrainingJobName"])
        if self._is_started(folder):
            return  # it was started before, and then the power failed
        self._make_folder()
        os.makedirs(folder, exist_ok=True)
        write_json(os.path.join(folder, "request.json"), request)
        with open_own(os.path.join(folder, ALIVE_NAME)) as alive, open(
            os.path.join(folder, "log"), "ab"
        ) as log:
            fcntl.flock(alive, fcntl.LOCK_EX)  # the child inherits it with the file, until it ends
            subprocess.Popen(
                module_command(__package__ + ".job", self.folder, request["TrainingJobName"], self.python),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal must not reach the job
            )

    def reach(self, name: str) -> None:
        """Nothing: all jobs here are of this car."""

    def describe_job(self, name: str) -> JobState:
        """A job whose process has died without writing its final state has failed."""
        return read_job_state(self.read_description(name))

    def read_description(self, name: str) -> Dict[str, Any]:
        folder = self._job_path(name)
        if not self._is_started(folder):
            raise NoSuchJob(name, place=self.place)
        # Before the state is read, so that a job which ends in between has written its final state
        is_dead = not is_alive(folder)
        state = self._read_state(folder, name)
        if is_dead and state["TrainingJobStatus"] in RUNNING:
            state = dict(
                state,
                TrainingJobStatus="Failed",
                SecondaryStatus="Failed",
                FailureReason=state.get("FailureReason") or PROCESS_DIED,
            )
            write_json(os.path.join(folder, "job.json"), state)
            shutil.rmtree(os.path.join(folder, "opt_ml"), ignore_errors=True)
        return state

    def list_jobs(self, *, since: float = 0.0) -> List[JobState]:
        return list(map(self.describe_job, self.job_names()))

    def job_names(self) -> List[str]:
        """The newest first, by the time in their names."""
        root = os.path.join(self.folder, "jobs")
        names = os.listdir(root) if os.path.isdir(root) else []
        # A power cut during the start leaves a folder without a request: that is no job.
        names = [name for name in names if self._is_started(os.path.join(root, name))]
        return sorted(names, key=lambda name: name[-17:], reverse=True)

    def list_fleet(self, *, since: float) -> List[FleetJob]:
        return []

    def stop_job(self, name: str) -> None:
        """Sends the trainer SIGTERM; it has two minutes to save its best model.

        A job that has just been started, and has not written its process id yet, finds a file instead.
        """
        if self.read_description(name)["TrainingJobStatus"] != "InProgress":
            return
        write_bytes(os.path.join(self._job_path(name), STOP_NAME), b"", follows_link=False)
        state = self.read_description(name)
        if state["TrainingJobStatus"] == "InProgress" and "ProcessId" in state:
            os.kill(state["ProcessId"], signal.SIGTERM)

    def open_log(self, name: str) -> LocalJobLog:
        return LocalJobLog(os.path.join(self._job_path(name), "log"))

    def clean_up(self) -> None:
        """Removes half-written files, folders of jobs that never started, and /opt/ml of those that died."""
        sweep_tree(self.folder)
        for folder, _, names in os.walk(self.object_path("")):
            for name in names:
                if name.endswith(".part") and not name.startswith("."):  # of an earlier version
                    os.remove(os.path.join(folder, name))
        root = os.path.join(self.folder, "jobs")
        for name in os.listdir(root) if os.path.isdir(root) else []:
            folder = os.path.join(root, name)
            if os.path.islink(folder) or not os.path.isdir(folder):
                continue
            if not self._is_started(folder):
                shutil.rmtree(folder)
            elif os.path.isdir(os.path.join(folder, "opt_ml")):
                self.read_description(name)  # removes it if the job has died

    def _job_path(self, name: str) -> str:
        return os.path.join(self.folder, "jobs", os.path.basename(name))

    def _is_started(self, folder: str) -> bool:
        """Whether its process has begun: the command may be killed when only the request is written."""
        has_request, has_state = (
            os.path.isfile(os.path.join(folder, name)) for name in ("request.json", "job.json")
        )
        return has_request and (has_state or is_alive(folder))

    def _read_state(self, folder: str, name: str) -> Dict[str, Any]:
        """The content of job.json, checked; that of a job that is starting where there is none."""
        state = {"TrainingJobName": name, "TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
        try:
            state.update(check_state(parse_json(read_file(os.path.join(folder, "job.json")))))
        except FileNotFoundError:
            pass
        except (UnusableFile, ValueError):
            state["FailureReason"] = "its file job.json is damaged"
        return state

    # Before a job is started

    def preflight(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        """Little to check: whether the interpreter can train was checked when this cloud was opened."""
        warning = describe_metal(self.python) if self.python else None
        if warning:
            yield Finding("trainer", warning, checked=False)

    def choose_image(self, generation: str, *, instance_type: str) -> Image:
        """The interpreter takes the place of the image; it does not contain the trainer."""
        return Image("local", stock=True)

    def hourly_price(self, instance_type: str) -> Optional[Price]:
        return None
