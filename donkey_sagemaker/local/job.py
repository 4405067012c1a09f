"""The process of one local job: what a SageMaker instance does around a container.

Run as `python -m donkey_sagemaker.local.job FOLDER JOB PYTHON` by `LocalCloud.start_job`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from typing import Any, Dict, List, Optional

from ..atomic import open_atomic, write_json
from ..contract import DISK_FULL, FAILURE_REASON_CHARS
from ..disk_errors import free_text, has_no_room, is_full
from .backend import STOP_NAME, LocalCloud

KILL_AFTER_S = 120  # between SIGTERM and SIGKILL, as on SageMaker
# The variables of this machine that the container sees: enough to run, no credentials, no surprises.
PASSED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


class LocalJob:
    """Takes one job through its states, in SageMaker's order: download, train, upload."""

    def __init__(self, cloud: LocalCloud, name: str) -> None:
        self.cloud = cloud
        self.folder = os.path.join(cloud.folder, "jobs", name)
        request_path = os.path.join(self.folder, "request.json")
        with open(request_path, encoding="utf-8") as file:
            self.request = json.load(file)
        self.base = os.path.join(self.folder, "opt_ml")
        self.state: Dict[str, Any] = {
            "TrainingJobName": name,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": os.stat(request_path).st_mtime,
            "ProcessId": os.getpid(),
        }
        self.stop_status = ""  # the final secondary status, once the job has to stop

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            reason = self._work()
        except OSError as error:
            reason = self._disk_is_full() if is_full(error) else f"the job could not go on: {error}"
        shutil.rmtree(self.base, ignore_errors=True)  # first: the state needs room as well
        if self.stop_status:
            self._end("Stopped", self.stop_status)
        elif reason:
            self._end("Failed", "Failed", reason)
        else:
            self._end("Completed", "Completed")

    def _work(self) -> str:
        """
        Returns:
            the failure's reason; empty if there is none.
        """
        self._update()
        if os.path.exists(os.path.join(self.folder, STOP_NAME)):
            self.stop_status = "Stopped"
        self._update(SecondaryStatus="Downloading")
        self._download()
        self._update(SecondaryStatus="Training", TrainingStartTime=time.time())
        exit_code = self._train()
        self._update(SecondaryStatus="Packing the model", TrainingEndTime=time.time())
        reason = self._failure_reason(exit_code) if exit_code else ""
        self._upload()
        return reason

    def _disk_is_full(self) -> str:
        return f"AlgorithmError: The disk of {self.cloud.machine} is full ({free_text(self.folder)})"

    def _on_sigterm(self, number: int, frame: Any) -> None:
        self.stop_status = "Stopped"

    def _update(self, **changes: Any) -> None:
        self.state.update(changes)
        write_json(os.path.join(self.folder, "job.json"), self.state)

    def _end(self, status: str, secondary: str, reason: str = "") -> None:
        changes = {"TrainingJobStatus": status, "SecondaryStatus": secondary}
        if reason:
            changes["FailureReason"] = reason[:FAILURE_REASON_CHARS]
        self._update(**changes)

    def _failure_reason(self, exit_code: int) -> str:
        if has_no_room(self.base):  # for the trainer's own explanation neither
            return self._disk_is_full()
        try:
            with open(
                os.path.join(self.base, "output", "failure"), encoding="utf-8", errors="replace"
            ) as file:
                cause = file.read()
        except FileNotFoundError:
            cause = f"the trainer ended with exit code {exit_code}"
            if exit_code == -signal.SIGKILL:
                cause += (
                    " (killed: probably out of memory; lower BATCH_SIZE or train on fewer records at a time)"
                )
        if DISK_FULL in cause:  # what follows there is how to get a larger disk from AWS
            return self._disk_is_full()
        return "AlgorithmError: " + cause

    # Download

    def _download(self) -> None:
        for channel in self.request["InputDataConfig"]:
            source = channel["DataSource"]["S3DataSource"]
            target = os.path.join(self.base, "input", "data", channel["ChannelName"])
            os.makedirs(target, exist_ok=True)
            key = source["S3Uri"].split("/", 3)[3]
            if source["S3DataType"] == "ManifestFile":
                with open(self.cloud.object_path(key), encoding="utf-8") as file:
                    head, *names = json.load(file)
                prefix = head["prefix"].split("/", 3)[3]
            else:
                prefix, names = key, [found[len(key) :] for found in self.cloud.list_objects(key)]
            for name in names:
                path = os.path.join(target, *name.split("/"))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _link(self.cloud.object_path(prefix + name), path)
        for name in ("model", os.path.join("output", "data"), "checkpoints"):
            os.makedirs(os.path.join(self.base, name), exist_ok=True)
        config = os.path.join(self.base, "input", "config")
        os.makedirs(config)
        write_json(os.path.join(config, "hyperparameters.json"), self.request["HyperParameters"])
        write_json(
            os.path.join(config, "inputdataconfig.json"),
            {
                channel["ChannelName"]: {
                    "TrainingInputMode": "File",
                    "S3DistributionType": "FullyReplicated",
                    "RecordWrapperType": "None",
                }
                for channel in self.request["InputDataConfig"]
            },
        )
        write_json(
            os.path.join(config, "resourceconfig.json"),
            {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"},
        )

    # The container

    def _train(self) -> int:
        environment = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
        environment.update(self.request["Environment"])
        environment.update(
            SAGEMAKER_BASE_DIR=self.base,
            TRAINING_JOB_NAME=self.request["TrainingJobName"],
            PYTHONUNBUFFERED="1",
        )
        command = [
            self._translate(word) for word in self.request["AlgorithmSpecification"]["ContainerEntrypoint"]
        ]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            container = subprocess.Popen(
                command, cwd=self.base, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            return self._wait(container)
        finally:
            if container.poll() is None:  # this process is about to end
                container.kill()
                container.wait()

    def _translate(self, word: str) -> str:
        """Replaces the container's python3 and /opt/ml by those of this machine."""
        if word == "python3":
            return self.cloud.python
        return self.base + word[len("/opt/ml") :] if word.startswith("/opt/ml/") else word

    def _wait(self, container: "subprocess.Popen[bytes]") -> int:
        deadline = time.monotonic() + self.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        kill_at: Optional[float] = None
        while True:
            try:
                return container.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            if not self.stop_status and now > deadline:
                self.stop_status = "MaxRuntimeExceeded"
            if self.stop_status and kill_at is None:
                self._update(TrainingJobStatus="Stopping", SecondaryStatus="Stopping")
                container.terminate()
                kill_at = now + KILL_AFTER_S
            elif kill_at is not None and now > kill_at:
                container.kill()

    # Upload

    def _upload(self) -> None:
        output = self.request["OutputDataConfig"]["S3OutputPath"].split("/", 3)[3]
        for source, name in (("model", "model.tar.gz"), (os.path.join("output", "data"), "output.tar.gz")):
            folder = os.path.join(self.base, source)
            if not os.listdir(folder):
                continue
            key = "/".join([output, self.request["TrainingJobName"], "output", name])
            path = self.cloud.object_path(key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open_atomic(path, follows_link=False) as file:
                with tarfile.open(fileobj=file, mode="w:gz") as archive:
                    for child in sorted(os.listdir(folder)):
                        archive.add(os.path.join(folder, child), arcname=child)
            if name == "model.tar.gz":
                self._update(ModelArtifacts={"S3ModelArtifacts": f"s3://{self.cloud.bucket}/{key}"})


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system, or one without hard links
        shutil.copyfile(source, target)


def main(arguments: List[str]) -> None:
    folder, name, python = arguments
    LocalJob(LocalCloud(folder, python=python), name).run()


if __name__ == "__main__":
    main(sys.argv[1:])
