"""One training job, as SageMaker runs it: a thread that takes containers through the job's states."""

import json
import math
import os
import re
import shutil
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from . import messages
from .account import ACCOUNT_ID, REGION, Account
from .checkpoints import Checkpoints
from .clock import Clock
from .container import Container, NotExecutable
from .images import Images
from .logs import Logs
from .opt_ml import export, fill
from .principals import act_as
from .rules import is_trusted, with_each_type
from .storage import TransferFailed

KILL_AFTER_S = 120  # between SIGTERM and SIGKILL
FAILURE_CHARS = 1024
SPOT_SHARE = 0.3  # of the seconds of a spot job that are billed
POLL_S = 0.02  # of real time, between two looks at a container
CAPACITY_MESSAGE = "Insufficient capacity error from EC2 while launching instances, retrying!"
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Pending": "Training job waiting for capacity",
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
    """The job has ended before its containers did."""

    def __init__(self, secondary: str, reason: str = "") -> None:
        super().__init__(secondary, reason)
        self.secondary = secondary
        self.reason = reason


class TrainingJob:
    """Starts its thread immediately; `state` is what DescribeTrainingJob adds to the request."""

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
        self.arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:training-job/{self.name.lower()}"
        self._account = account
        self._clock = clock
        # As of now: what a test makes of an image later is for later jobs
        self._image = images.find(request["AlgorithmSpecification"]["TrainingImage"])
        self._logs = logs
        self._folder = os.path.join(folder, self.name)
        self._lock = threading.Lock()
        self._state: Dict[str, Any] = {"CreationTime": clock.now(), "SecondaryStatusTransitions": []}
        self._containers: List[Container] = []
        self._attempt = 0
        self._stop = ""  # the final secondary status, once the job has to stop
        self._interrupted = False
        self._aborted = False
        self._kept_s = 0.0  # where another time than that of the request
        self._checkpoints: List[Checkpoints] = []  # of each host
        self.over = threading.Event()
        self._set_status("Starting", "Starting the training job")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    # Called by others

    def describe(self) -> Dict[str, Any]:
        with self._lock:
            state = json.loads(json.dumps(self._state))
        if state["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            began = "TrainingStartTime" in state
            seconds = _training_seconds(state["SecondaryStatusTransitions"]) if began else 0
            state["TrainingTimeInSeconds"] = seconds
            share = SPOT_SHARE if self.request.get("EnableManagedSpotTraining") else 1
            state["BillableTimeInSeconds"] = math.ceil(seconds * share)
            status = self._warm_pool_status(state)
            if status:
                state["WarmPoolStatus"] = {"Status": status}
        metrics = self._metrics()
        if metrics:
            state["FinalMetricDataList"] = metrics
        return state

    def _warm_pool_status(self, state: Dict[str, Any]) -> str:
        """Of the instances of a job that has ended; empty if none are kept."""
        used = with_each_type(self.request)[0]
        kept_s = self._kept_s or used["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
        quota = self._account.quota(f"{used['ResourceConfig']['InstanceType']} for training warm pool usage")
        if state["TrainingJobStatus"] != "Completed" or not kept_s or quota < 1:
            return ""
        is_over = self._clock.now() > state["TrainingEndTime"] + kept_s
        return "Terminated" if is_over else "Available"

    def keep_until(self, seconds: float) -> None:
        """For so long after its end its instances are kept, in place of what the request said."""
        self._kept_s = seconds or -1.0

    @property
    def running(self) -> bool:
        with self._lock:
            return self._state["TrainingJobStatus"] in ("InProgress", "Stopping")

    def stop(self, secondary: str = "Stopped") -> None:
        """Makes it end with that secondary status."""
        with self._lock:
            self._stop = self._stop or secondary
            if self._state["TrainingJobStatus"] == "InProgress":
                self._state["TrainingJobStatus"] = "Stopping"

    def interrupt(self) -> None:
        """Interrupts its spot instance."""
        self._interrupted = True

    def end(self) -> None:
        """Ends it immediately with all its processes; nothing is uploaded."""
        self._aborted = True
        self._thread.join()

    # Its life

    def _run(self) -> None:
        act_as(self.request["RoleArn"])
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
        except TransferFailed as error:
            return "Failed", str(error)
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
        self._set_status(secondary, **changes)

    def _attempts(self) -> Tuple[str, str]:
        """From launch to upload, again after each interruption of a spot instance."""
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

    def _set_status(self, secondary: str, message: str = "", **changes: Any) -> None:
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
            detail = make_event_detail(self.request, self._state, arn=self.arn)
        kind = "SageMaker Training Job State Change"
        messages.send_event("aws.sagemaker", kind, arn=self.arn, seconds=now, detail=detail)

    def _enter(self, phase: str, *, stoppable: bool = True) -> None:
        """Enters a state, and stays there for as long as the test wants."""
        self._set_status(phase)
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
        """Ends a job that has no results yet."""
        self._check_wait()
        if self._stop:
            self._set_status("Stopping")
            raise Ended(self._stop)

    def _check_wait(self) -> None:
        wait = self.request["StoppingCondition"].get("MaxWaitTimeInSeconds")
        if wait is not None and self._clock.now() > self._state["CreationTime"] + wait:
            self.stop("MaxWaitTimeExceeded")

    # Before

    def _launch(self) -> None:
        self._enter("Starting")
        if "Pending" in self._account.phase_s:  # which many jobs never are
            self._enter("Pending")
        lack = self._select_type()
        if lack:
            self._set_status("Starting", CAPACITY_MESSAGE)
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

    def _select_type(self) -> Dict[str, Any]:
        """Takes the first type that has capacity; returns what that one lacks, if anything."""
        for each in with_each_type(self.request):
            resources = each["ResourceConfig"]
            lack = self._account.capacity.get(resources["InstanceType"], {})
            if not lack.get("fails"):
                break
        else:
            return lack
        if "InstancePreferences" in self.request["ResourceConfig"]:
            selected = {
                "SelectedInstanceType": resources["InstanceType"],
                "SelectedInstanceCount": resources["InstanceCount"],
            }
            self.request = dict(self.request, ResourceConfig=dict(self.request["ResourceConfig"], **selected))
        return lack

    @property
    def _hosts(self) -> List[str]:
        return [f"algo-{number + 1}" for number in range(self._count)]

    @property
    def _count(self) -> int:
        return with_each_type(self.request)[0]["ResourceConfig"]["InstanceCount"]

    def _host_folder(self, host: str) -> str:
        return os.path.join(self._folder, str(self._attempt), host)

    def _opt_ml(self, host: str) -> str:
        return os.path.join(self._host_folder(host), "opt_ml")

    def _download(self) -> None:
        with self._lock:
            self._state.setdefault("TrainingStartTime", self._clock.now())
        self._enter("Downloading")
        self._checkpoints = []
        for host in self._hosts:
            fill(self._opt_ml(host), self.request, hosts=self._hosts, host=host)
            config = self.request.get("CheckpointConfig")
            if config:
                local = config.get("LocalPath", "/opt/ml/checkpoints")[len("/opt/ml") :]
                self._checkpoints.append(Checkpoints(config["S3Uri"], self._opt_ml(host) + local))
        for checkpoints in self._checkpoints:
            checkpoints.restore()

    # The containers

    def _train(self) -> List[int]:
        """Runs them to their end, and returns their exit codes."""
        self._enter("Training")
        algorithm = self.request["AlgorithmSpecification"]
        image = self._image
        if image is None:
            raise Ended(
                "Failed",
                "ClientError: the stand-in has no container for {}".format(algorithm["TrainingImage"]),
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
                    write_line=self._log(host),
                )
                for host in self._hosts
            ]
        except NotExecutable as error:
            raise Ended("Failed", f"AlgorithmError: {error}, exit code: 127") from None
        codes = self._wait()
        for container in self._containers:
            container.kill()
        self._save_checkpoints()
        return codes

    def _save_checkpoints(self) -> None:
        for checkpoints in self._checkpoints:
            checkpoints.save()

    def _log(self, host: str) -> Any:
        stream = f"{self.name}/{host}-{int(self._clock.now())}"
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
                    self._set_status("Stopping")
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
        ending = f", exit code: {code}"
        head = "AlgorithmError: "
        return head + text[: FAILURE_CHARS - len(head) - len(ending)] + ending

    def _metrics(self) -> List[Dict[str, Any]]:
        """The last value of each of the job's metrics, from its output."""
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

    def _upload(self) -> None:
        uri = export([self._opt_ml(host) for host in self._hosts], self.request, work=self._folder)
        if uri:
            with self._lock:
                self._state["ModelArtifacts"] = {"S3ModelArtifacts": uri}


def make_event_detail(request: Dict[str, Any], state: Dict[str, Any], *, arn: str) -> Dict[str, Any]:
    """What AWS documents of the event: times in milliseconds, no metrics, and nothing about the bill."""
    of_request = (
        "TrainingJobName HyperParameters AlgorithmSpecification RoleArn InputDataConfig OutputDataConfig "
        "ResourceConfig VpcConfig StoppingCondition"
    ).split()
    of_state = ("TrainingJobStatus", "SecondaryStatus", "FailureReason")
    times = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime")
    detail = {name: request[name] for name in of_request if name in request}
    detail.update({name: state[name] for name in of_state if name in state})
    detail.update({name: int(state[name] * 1000) for name in times if name in state})
    tags = {each["Key"]: each["Value"] for each in request.get("Tags", [])}
    return dict(detail, TrainingJobArn=arn, Tags=tags, SecondaryStatusTransitions=[])


def _training_seconds(transitions: List[Dict[str, Any]]) -> int:
    """The time on instances: from the start of the download to the end of the upload, without waiting."""
    used = ("Downloading", "Training", "Stopping", "Uploading")
    return math.ceil(
        sum(each["EndTime"] - each["StartTime"] for each in transitions if each["Status"] in used)
    )
