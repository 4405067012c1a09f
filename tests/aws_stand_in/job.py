"""One training job, as SageMaker runs it: a thread that leads containers through the job's states."""

import json
import math
import os
import re
import shutil
import tarfile
import threading
import time
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from .account import ACCOUNT_ID, REGION, Account
from .clock import Clock
from .container import Container, NotExecutable
from .images import Images
from .logs import Logs
from .rules import is_trusted
from .storage import delete_object, find_bucket, list_keys, read_object, split_uri, write_object

KILL_AFTER_S = 120  # between SIGTERM and SIGKILL
FAILURE_CHARS = 1024
SPOT_SHARE = 0.3  # of the seconds of a spot job that are billed
POLL_S = 0.02  # of real time, between two looks at a container
CAPACITY_MESSAGE = "Insufficient capacity error from EC2 while launching instances, retrying!"
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job was interrupted by a spot instance reclaim",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job exceeded its maximum runtime",
    "MaxWaitTimeExceeded": "Training job exceeded its maximum wait time",
}


class Ended(Exception):
    """The job is over before its containers ended by themselves."""

    def __init__(self, secondary: str, reason: str = "") -> None:
        super().__init__(secondary, reason)
        self.secondary = secondary
        self.reason = reason


class TrainingJob:
    """Starts its thread at once; `state` is what DescribeTrainingJob tells beside the request."""

    def __init__(
        self,
        request: Dict[str, Any],
        *,
        account: Account,
        clock: Clock,
        images: Images,
        logs: Logs,
        folder: str,
    ) -> None:
        self.request = request
        self.name: str = request["TrainingJobName"]
        self.arn = "arn:aws:sagemaker:{}:{}:training-job/{}".format(REGION, ACCOUNT_ID, self.name.lower())
        self._account = account
        self._clock = clock
        self._images = images
        self._logs = logs
        self._folder = os.path.join(folder, self.name)
        self._lock = threading.Lock()
        self._state: Dict[str, Any] = {"CreationTime": clock.now(), "SecondaryStatusTransitions": []}
        self._containers: List[Container] = []
        self._attempt = 0
        self._stop = ""  # the secondary status that the job was asked to end with
        self._interrupted = False
        self._aborted = False
        self._checkpoints: Dict[str, Any] = {}  # (size, time) by path, of what S3 has
        self.over = threading.Event()
        self._tell("Starting", "Starting the training job")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    # What others ask and tell it

    def describe(self) -> Dict[str, Any]:
        with self._lock:
            state = json.loads(json.dumps(self._state))
        if state["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            began = "TrainingStartTime" in state
            seconds = _training_seconds(state["SecondaryStatusTransitions"]) if began else 0
            state["TrainingTimeInSeconds"] = seconds
            share = SPOT_SHARE if self.request.get("EnableManagedSpotTraining") else 1
            state["BillableTimeInSeconds"] = math.ceil(seconds * share)
        metrics = self._metrics()
        if metrics:
            state["FinalMetricDataList"] = metrics
        return state

    @property
    def running(self) -> bool:
        with self._lock:
            return self._state["TrainingJobStatus"] in ("InProgress", "Stopping")

    def stop(self, secondary: str = "Stopped") -> None:
        """Asks it to end with that secondary status."""
        with self._lock:
            self._stop = self._stop or secondary
            if self._state["TrainingJobStatus"] == "InProgress":
                self._state["TrainingJobStatus"] = "Stopping"

    def interrupt(self) -> None:
        """Takes its spot machine away."""
        self._interrupted = True

    def end(self) -> None:
        """Ends it at once, with all that runs for it; nothing is uploaded."""
        self._aborted = True
        self._thread.join()

    # Its life

    def _run(self) -> None:
        try:
            self._finish(*self._lead())
        finally:
            self.over.set()

    def _lead(self) -> Tuple[str, str]:
        """Its last secondary status, and the reason for a failure."""
        try:
            return self._attempts()
        except Ended as ended:
            return ended.secondary, ended.reason
        finally:
            for container in self._containers:
                container.kill()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _finish(self, secondary: str, reason: str) -> None:
        status = secondary if secondary in ("Completed", "Failed") else "Stopped"
        changes: Dict[str, Any] = {"TrainingJobStatus": status, "TrainingEndTime": self._clock.now()}
        if reason:
            changes["FailureReason"] = reason[:FAILURE_CHARS]
        if status == "Stopped" and "TrainingStartTime" not in self._state:
            del changes["TrainingEndTime"]
        self._tell(secondary, **changes)

    def _attempts(self) -> Tuple[str, str]:
        """From launch to upload, again after each loss of a spot machine."""
        while True:
            self._attempt += 1
            self._launch()
            self._download()
            codes = self._train()
            if not self._interrupted:
                break
            self._enter("Interrupted")
            self._interrupted = False
        self._enter("Uploading", stoppable=False)
        self._upload()
        if self._stop:
            return self._stop, ""
        failed = [(host, code) for host, code in enumerate(codes) if code]
        return ("Failed", self._reason(*failed[0])) if failed else ("Completed", "")

    def _tell(self, secondary: str, message: str = "", **changes: Any) -> None:
        now = self._clock.now()
        with self._lock:
            transitions = self._state["SecondaryStatusTransitions"]
            if transitions and "EndTime" not in transitions[-1]:
                transitions[-1]["EndTime"] = now
            transitions.append(
                {"Status": secondary, "StartTime": now, "StatusMessage": message or MESSAGES[secondary]}
            )
            if "TrainingJobStatus" not in changes:
                changes["TrainingJobStatus"] = "Stopping" if self._stop else "InProgress"
            else:
                transitions[-1]["EndTime"] = now
            self._state.update(changes, SecondaryStatus=secondary, LastModifiedTime=now)

    def _enter(self, phase: str, *, stoppable: bool = True) -> None:
        """Goes on to a state, and stays as long as the test wants it to."""
        self._tell(phase)
        self._stay(self._account.phase_s.get(phase, 0.0), stoppable=stoppable)
        for failure in list(self._account.failures):
            if failure["phase"] == phase:
                self._account.failures.remove(failure)
                raise Ended("Failed", failure["reason"])

    def _stay(self, seconds: float, *, stoppable: bool = True) -> None:
        until = self._clock.now() + seconds
        while True:
            self._check_abort()
            if stoppable:
                self._check_stop()
            if self._clock.now() >= until:
                return
            time.sleep(POLL_S)

    def _check_abort(self) -> None:
        if self._aborted:
            raise Ended("Stopped")

    def _check_stop(self) -> None:
        """Ends a job that has nothing to leave yet."""
        self._check_wait()
        if self._stop:
            self._tell("Stopping")
            raise Ended(self._stop)

    def _check_wait(self) -> None:
        wait = self.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        if wait is not None and self._clock.now() > self._state["CreationTime"] + wait:
            self.stop("MaxWaitTimeExceeded")

    # Before

    def _launch(self) -> None:
        self._enter("Starting")
        lack = self._account.capacity.get(self.request["ResourceConfig"]["InstanceType"])
        if lack:
            self._tell("Starting", CAPACITY_MESSAGE)
            self._stay(lack.get("wait_s", 0.0))
            if lack.get("fails"):
                raise Ended(
                    "Failed",
                    "CapacityError: Unable to provision requested ML compute capacity. "
                    "Please retry using a different ML instance type.",
                )
        if not is_trusted(self.request["RoleArn"]):
            raise Ended(
                "Failed",
                "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is "
                "unable to perform: sts:AssumeRole on the role. Verify the role exists and try again.",
            )

    @property
    def _hosts(self) -> List[str]:
        return [
            "algo-{}".format(number + 1) for number in range(self.request["ResourceConfig"]["InstanceCount"])
        ]

    def _host_folder(self, host: str) -> str:
        return os.path.join(self._folder, str(self._attempt), host)

    def _opt_ml(self, host: str) -> str:
        return os.path.join(self._host_folder(host), "opt_ml")

    def _download(self) -> None:
        with self._lock:
            self._state.setdefault("TrainingStartTime", self._clock.now())
        self._enter("Downloading")
        for number, host in enumerate(self._hosts):
            base = self._opt_ml(host)
            for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
                os.makedirs(os.path.join(base, folder))
            for channel in self.request.get("InputDataConfig", []):
                self._download_channel(channel, base, number)
            self._write_config(base, host)
        self._restore_checkpoints()

    def _download_channel(self, channel: Dict[str, Any], base: str, number: int) -> None:
        source = channel["DataSource"]["S3DataSource"]
        folder = os.path.join(base, "input", "data", channel["ChannelName"])
        os.makedirs(folder)
        files = self._list_channel(source)
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            files = files[number :: len(self._hosts)]
        for bucket, key, name in files:
            if "//" in key:
                self._fail_download("{}: illegal char sub-sequence '//' in S3 key".format(key))
            body = read_object(bucket, key)
            if body is None:
                self._fail_download("no object s3://{}/{}".format(bucket, key))
            path = os.path.join(folder, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(body)

    def _list_channel(self, source: Dict[str, str]) -> List[Any]:
        """(bucket, key, path in the channel's folder) of each object."""
        bucket, prefix = split_uri(source["S3Uri"])
        if source["S3DataType"] == "S3Prefix":
            keys = list_keys(bucket, prefix)
            if "//" in prefix:
                self._fail_download("{}: illegal char sub-sequence '//' in S3 key".format(prefix))
            return [(bucket, key, key[len(prefix) :].lstrip("/") or key.rsplit("/", 1)[-1]) for key in keys]
        try:
            head, *names = json.loads(read_object(bucket, prefix) or b"")
            bucket, prefix = split_uri(head["prefix"])
            return [(bucket, prefix + name, name) for name in names]
        except (ValueError, KeyError, TypeError, AttributeError):
            self._fail_download("{} is not a manifest".format(source["S3Uri"]))

    def _fail_download(self, what: str) -> NoReturn:
        raise Ended("Failed", "ClientError: Data download failed:" + what)

    def _write_config(self, base: str, host: str) -> None:
        kind = self.request["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": self._hosts}
        channels: Dict[str, Any] = {}
        for channel in self.request.get("InputDataConfig", []):
            told = channels[channel["ChannelName"]] = {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            if "ContentType" in channel:
                told["ContentType"] = channel["ContentType"]
        for name, content in (
            ("hyperparameters", self.request.get("HyperParameters", {})),
            ("inputdataconfig", channels),
            (
                "resourceconfig",
                {
                    "current_host": host,
                    "current_instance_type": kind,
                    "current_group_name": "homogeneousCluster",
                    "hosts": self._hosts,
                    "instance_groups": [group],
                    "network_interface_name": "eth0",
                },
            ),
        ):
            with open(os.path.join(base, "input", "config", name + ".json"), "w") as file:
                json.dump(content, file)

    # The containers

    def _train(self) -> List[int]:
        """Runs them to their end; their exit codes."""
        self._enter("Training")
        algorithm = self.request["AlgorithmSpecification"]
        image = self._images.find(algorithm["TrainingImage"])
        if image is None:
            raise Ended(
                "Failed",
                "ClientError: the stand-in was not told what {} runs".format(algorithm["TrainingImage"]),
            )
        environment = dict(
            self.request.get("Environment", {}), TRAINING_JOB_NAME=self.name, TRAINING_JOB_ARN=self.arn
        )
        entrypoint = algorithm.get("ContainerEntrypoint", [])
        command = (entrypoint or image.command) + algorithm.get(
            "ContainerArguments", [] if entrypoint else ["train"]
        )
        try:
            self._containers = [
                Container(
                    self._host_folder(host),
                    image,
                    command=command,
                    environment=environment,
                    tell=self._log(host),
                )
                for host in self._hosts
            ]
        except NotExecutable as error:
            raise Ended("Failed", "AlgorithmError: {}, exit code: 127".format(error)) from None
        codes = self._wait()
        for container in self._containers:
            container.kill()
        self._save_checkpoints()
        return codes

    def _log(self, host: str) -> Any:
        stream = "{}/{}-{}".format(self.name, host, int(self._clock.now()))
        return lambda text: self._logs.append(stream, text)

    def _wait(self) -> List[int]:
        deadline = self._clock.now() + self.request["StoppingCondition"].get("MaxRuntimeInSeconds", 24 * 3600)
        kill_at: Optional[float] = None
        while True:
            codes = [container.poll() for container in self._containers]
            ended = [code for code in codes if code is not None]
            if len(ended) == len(codes) or any(ended):  # one failure ends them all
                return [code or 0 for code in codes]
            self._check_abort()
            self._save_checkpoints()
            self._check_wait()
            now = self._clock.now()
            if now > deadline:
                self.stop("MaxRuntimeExceeded")
            if kill_at is None and (self._stop or self._interrupted):
                if self._stop:
                    self._tell("Stopping")
                kill_at = now + KILL_AFTER_S
                for container in self._containers:
                    container.terminate()
            elif kill_at is not None and now > kill_at:
                for container in self._containers:
                    container.kill()
            time.sleep(POLL_S)

    def _reason(self, number: int, code: int) -> str:
        path = os.path.join(self._opt_ml(self._hosts[number]), "output", "failure")
        text = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        ending = ", exit code: {}".format(code)
        head = "AlgorithmError: "
        return head + text[: FAILURE_CHARS - len(head) - len(ending)] + ending

    def _metrics(self) -> List[Dict[str, Any]]:
        """The last value of each metric that the job defined, read from what it printed."""
        found: List[Dict[str, Any]] = []
        for metric in self.request["AlgorithmSpecification"].get("MetricDefinitions", []):
            values = [re.search(metric["Regex"], line) for line in self._logs.lines(self.name + "/")]
            numbers = [match.group(1) for match in values if match]
            if numbers:
                found.append(
                    {
                        "MetricName": metric["Name"],
                        "Value": float(numbers[-1]),
                        "Timestamp": self._clock.now(),
                    }
                )
        return found

    # Checkpoints: S3 has what the folder has, also when a file in it goes

    @property
    def _checkpoint_key(self) -> Any:
        bucket, prefix = split_uri(self.request["CheckpointConfig"]["S3Uri"])
        return bucket, prefix.rstrip("/") + "/"

    def _checkpoint_folder(self, host: str) -> str:
        local = self.request["CheckpointConfig"].get("LocalPath", "/opt/ml/checkpoints")
        return self._opt_ml(host) + local[len("/opt/ml") :]

    def _restore_checkpoints(self) -> None:
        self._checkpoints = {}
        if "CheckpointConfig" not in self.request:
            return
        bucket, prefix = self._checkpoint_key
        for host in self._hosts:
            for key in list_keys(bucket, prefix):
                path = os.path.join(self._checkpoint_folder(host), *key[len(prefix) :].split("/"))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(read_object(bucket, key) or b"")
        self._checkpoints = self._find_checkpoints()

    def _find_checkpoints(self) -> Dict[str, Any]:
        found: Dict[str, Any] = {}
        root = self._checkpoint_folder(self._hosts[0])
        for folder, _folders, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except FileNotFoundError:  # renamed since it was listed
                    continue
                found[os.path.relpath(path, root)] = (status.st_size, status.st_mtime_ns)
        return found

    def _save_checkpoints(self) -> None:
        if "CheckpointConfig" not in self.request:
            return
        bucket, prefix = self._checkpoint_key
        found = self._find_checkpoints()
        for name in set(self._checkpoints) - set(found):
            delete_object(bucket, prefix + name)
            del self._checkpoints[name]
        for name, status in found.items():
            if self._checkpoints.get(name) == status:
                continue
            try:
                with open(os.path.join(self._checkpoint_folder(self._hosts[0]), name), "rb") as file:
                    write_object(bucket, prefix + name, file.read())
            except FileNotFoundError:
                continue
            self._checkpoints[name] = status

    # After

    def _upload(self) -> None:
        bucket, prefix = split_uri(self.request["OutputDataConfig"]["S3OutputPath"])
        prefix = "/".join(part for part in (prefix.rstrip("/"), self.name, "output") if part)
        if "//" in prefix:
            raise Ended(
                "Failed", "ClientError: Artifact upload failed:illegal char sub-sequence '//' in S3 key"
            )
        if find_bucket(bucket) is None:
            raise Ended(
                "Failed", "ClientError: Artifact upload failed:Bucket {} does not exist".format(bucket)
            )
        for folder, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
            path = os.path.join(self._folder, name)
            with tarfile.open(path, "w:gz") as archive:
                for host in self._hosts:
                    root = os.path.join(self._opt_ml(host), folder)
                    for child in sorted(os.listdir(root)):
                        archive.add(os.path.join(root, child), arcname=child)
                empty = not archive.getmembers()
            if empty:
                continue
            with open(path, "rb") as file:
                write_object(bucket, "{}/{}".format(prefix, name), file.read())
            if name == "model.tar.gz":
                uri = "s3://{}/{}/{}".format(bucket, prefix, name)
                with self._lock:
                    self._state["ModelArtifacts"] = {"S3ModelArtifacts": uri}


def _training_seconds(transitions: List[Dict[str, Any]]) -> int:
    """The time with a machine: from the start of the download to the end of the upload, losses left out."""
    used = ("Downloading", "Training", "Stopping", "Uploading")
    return math.ceil(
        sum(each["EndTime"] - each["StartTime"] for each in transitions if each["Status"] in used)
    )
