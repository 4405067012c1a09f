"""SageMaker as played by this machine: buckets are folders, a job is a process over a /opt/ml of its own.

The same methods as the AWS side, and the same contract for the trainer: it reads nothing but what was put
into the bucket. Folder layout under the car's `.sagemaker/local/`:

    buckets/local/KEY           objects
    jobs/NAME/request.json      what was asked for
    jobs/NAME/job.json          its state, as DescribeTrainingJob tells it
    jobs/NAME/log               what the container printed
    jobs/NAME/alive             locked as long as the job's own process lives
    jobs/NAME/stop              there when the job has been asked to stop
    jobs/NAME/opt_ml/           the container's /opt/ml, removed at the end
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..atomic import write_bytes, write_json
from ..aws.errors import NoSuchJob
from ..child_process import module_command
from ..cloud.images import Image
from ..cloud.prices import Price
from ..errors import CloudRefused
from ..findings import Finding
from ..training.watch import RUNNING

BUCKET = "local"
STOP_NAME = "stop"


class NoSuchObject(CloudRefused):
    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is not in the local bucket.", "Train again: it is sent anew.")


class LocalCloud:
    """Buckets and training jobs of one car, on this machine.

    Args:
        folder: `.sagemaker/local` of the car.
        python: interpreter of the trainer, one that has donkeycar and TensorFlow.
    """

    bucket = BUCKET
    place = "on this machine"
    bills = False
    poll_s = 0.2  # between two looks at a job
    log_lag_s = 0.0  # after a job's end, until its log is whole
    role_arn = "local"

    def __init__(self, folder: str, *, python: str) -> None:
        self.folder = folder
        self.python = python

    # Before a job

    def choose_image(self, generation: str, *, instance_type: str) -> Image:
        """The interpreter stands in for the image, and knows nothing of us."""
        return Image("local", stock=True)

    def check(self, requests: Sequence[Dict[str, Any]]) -> Iterator[Finding]:
        """Nothing can be wrong but the interpreter, and that was found out before."""
        return iter(())

    def login_ends(self) -> str:
        return "good until taken back"

    def hourly_price(self, instance_type: str) -> Optional[Price]:
        return None

    # Objects

    def list_objects(self, prefix: str) -> Dict[str, int]:
        """Size in bytes of every object whose key starts with `prefix`."""
        root = self._object_path("")
        sizes = {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                key = os.path.relpath(path, root).replace(os.sep, "/")
                if key.startswith(prefix) and not name.startswith("."):
                    sizes[key] = os.path.getsize(path)
        return sizes

    def put(self, key: str, body: Union[bytes, bytearray]) -> None:
        path = self._object_path(key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_bytes(path, body)

    def download(self, key: str, path: str, *, advance: Callable[[int], None]) -> None:
        """Copies an object to `path`, telling `advance` the bytes of each step."""
        try:
            with open(self._object_path(key), "rb") as source, open(path, "wb") as target:
                for block in iter(lambda: source.read(1 << 20), b""):
                    target.write(block)
                    advance(len(block))
        except FileNotFoundError as error:
            raise NoSuchObject(key) from error

    def _object_path(self, key: str) -> str:
        return os.path.join(self.folder, "buckets", BUCKET, *key.split("/"))

    # Jobs

    def start_job(self, request: Dict[str, Any]) -> None:
        """CreateTrainingJob: starts the job's own process and returns at once."""
        folder = self._job_path(request["TrainingJobName"])
        if os.path.exists(os.path.join(folder, "request.json")):
            return  # it was started before a power cut
        os.makedirs(folder, exist_ok=True)
        write_json(os.path.join(folder, "request.json"), request)
        with open(os.path.join(folder, "alive"), "w") as alive, open(
            os.path.join(folder, "log"), "ab"
        ) as log:
            fcntl.flock(alive, fcntl.LOCK_EX)  # goes over to the child with the file, and ends with it
            subprocess.Popen(
                module_command(__package__ + ".job", self.folder, request["TrainingJobName"], self.python),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive.fileno()],
                start_new_session=True,  # a Ctrl-C in the terminal is for the watcher alone
            )

    def describe_job(self, name: str) -> Dict[str, Any]:
        """DescribeTrainingJob. A job whose process is gone without a last word has failed."""
        folder = self._job_path(name)
        if not os.path.exists(os.path.join(folder, "request.json")):
            raise NoSuchJob(name, place=self.place)
        # Asked before the state is read: a job that ends in between has written its last word.
        gone = not self._alive(folder)
        state = self._read_state(folder, name)
        if gone and state["TrainingJobStatus"] in RUNNING:
            state = dict(
                state,
                TrainingJobStatus="Failed",
                SecondaryStatus="Failed",
                FailureReason="InternalServerError: the job's process is gone (power cut? memory?)",
            )
            write_json(os.path.join(folder, "job.json"), state)
            shutil.rmtree(os.path.join(folder, "opt_ml"), ignore_errors=True)
        return state

    def list_jobs(self) -> List[Dict[str, Any]]:
        """Descriptions of all jobs, the newest first."""
        root = os.path.join(self.folder, "jobs")
        names = os.listdir(root) if os.path.isdir(root) else []
        return [self.describe_job(name) for name in sorted(names, key=lambda name: name[-17:], reverse=True)]

    def stop_job(self, name: str) -> None:
        """StopTrainingJob: the trainer gets SIGTERM and two minutes to leave its best model.

        A job that has only just been started, and has not yet told its process, finds a file.
        """
        if self.describe_job(name)["TrainingJobStatus"] != "InProgress":
            return
        with open(os.path.join(self._job_path(name), STOP_NAME), "w"):
            pass
        state = self.describe_job(name)
        if state["TrainingJobStatus"] == "InProgress" and "ProcessId" in state:
            os.kill(state["ProcessId"], signal.SIGTERM)

    def read_log(self, name: str, position: Any) -> Tuple[List[str], Any]:
        """Whole lines printed since `position` (None: since the start), and the position to ask for next."""
        position = position or 0
        try:
            with open(os.path.join(self._job_path(name), "log"), "rb") as file:
                file.seek(position)
                text = file.read()
        except FileNotFoundError:
            return [], position
        end = text.rfind(b"\n") + 1
        return text[:end].decode("utf-8", "replace").splitlines(), position + end

    def _job_path(self, name: str) -> str:
        return os.path.join(self.folder, "jobs", os.path.basename(name))

    @staticmethod
    def _alive(folder: str) -> bool:
        with open(os.path.join(folder, "alive"), "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @staticmethod
    def _read_state(folder: str, name: str) -> Dict[str, Any]:
        try:
            with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {"TrainingJobName": name, "TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
