"""A temporary folder with a car, in which commands are run, timed and ended."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from typing import Any, Dict, List, NamedTuple, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)

ENDING_S = 10.0  # between SIGTERM and SIGKILL
LAST_LINES = 30  # of the output, shown when a command fails

_VERSIONS = """
import importlib.metadata, json, platform, tensorflow, donkeycar, donkey_sagemaker
names = "donkeycar", "tensorflow", "keras", "numpy"
versions = {name: importlib.metadata.version(name) for name in names}
print("VERSIONS" + json.dumps(dict({"Python": platform.python_version()}, **versions,
      **{"donkey-sagemaker": donkey_sagemaker.__version__})))
"""


class CommandFailed(Exception):
    """A measured command failed. The message includes its last lines of output."""

    def __init__(self, command: List[str], why: str, output: str) -> None:
        tail = "\n".join("  " + line for line in output.splitlines()[-LAST_LINES:])
        super().__init__(f"{' '.join(command)}: {why}\n{tail}")


class Timed(NamedTuple):
    seconds: float
    peak_bytes: int  # the largest resident size of the command's process and its children
    output: str


class Workbench:
    """A working folder, a Python with donkeycar, and a car made by that donkeycar.

    Attributes:
        python: the Python of the measured environment.
        folder: everything is written below it.
        versions: the packages of the environment and their versions.
    """

    def __init__(self, python: str, folder: str) -> None:
        self.python = python
        self.folder = folder
        self._environment = self._make_environment()
        self._count = 0
        # Also reads TensorFlow's files once, so that the first measurement does not wait for the disk.
        output = self.run([python, "-c", _VERSIONS], cwd=folder).output
        self.versions: Dict[str, str] = json.loads(output.partition("VERSIONS")[2])
        self._car = os.path.join(folder, "car")
        self.run([python, "-m", "donkeycar.management.base", "createcar", "--path", self._car], cwd=folder)
        self.run([python, "-m", "donkey_sagemaker", "install", "--path", self._car], cwd=folder)

    def _make_environment(self) -> Dict[str, str]:
        """The user's environment variables without AWS settings, and this checkout's code on the path."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "SAGEMAKER_", "PYTHON"))
        }
        environment.update(
            PYTHONPATH=os.pathsep.join((REPO, os.path.join(REPO, "container"))),
            AWS_CONFIG_FILE=os.path.join(self.folder, "no-aws-config"),
            AWS_SHARED_CREDENTIALS_FILE=os.path.join(self.folder, "no-aws-credentials"),
            AWS_EC2_METADATA_DISABLED="true",
            MPLBACKEND="Agg",  # `donkey train` plots its losses
            NO_ALBUMENTATIONS_UPDATE="1",  # otherwise its import contacts the package index
        )
        return environment

    def environment(self, **further: str) -> Dict[str, str]:
        """The environment variables of a measured process."""
        return dict(self._environment, **further)

    def make_car(self, settings: Optional[Dict[str, Any]] = None) -> str:
        """A new car with these settings in its myconfig.py."""
        self._count += 1
        path = os.path.join(self.folder, f"car-{self._count}")
        shutil.copytree(self._car, path)
        with open(os.path.join(path, "myconfig.py"), "a") as file:
            file.writelines(f"\n{name} = {value!r}" for name, value in (settings or {}).items())
            file.write("\n")
        return path

    def remove_car(self, path: str) -> None:
        end_jobs(path)
        shutil.rmtree(path)

    def run(self, command: List[str], *, cwd: str, environment: Optional[Dict[str, str]] = None) -> Timed:
        """Runs a command to its end and measures it.

        Args:
            environment: further environment variables.
        Raises:
            CommandFailed: its exit code is not 0.
        """
        result_path = os.path.join(self.folder, "timed.json")
        log_path = os.path.join(self.folder, "output")
        timed = [self.python, "-I", "-S", os.path.join(HERE, "timed.py"), result_path] + command
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                timed,
                cwd=cwd,
                env=self.environment(**(environment or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own, so that all of it can be ended
            )
            try:
                exit_code = process.wait()
            except BaseException:
                end_group(process)
                raise
        with open(log_path, encoding="utf-8", errors="replace") as log_text:
            output = log_text.read()
        if exit_code:
            raise CommandFailed(command, "could not be measured", output)
        with open(result_path) as file:
            result = json.load(file)
        if result["exit_code"]:
            raise CommandFailed(command, f"exit code {result['exit_code']}", output)
        return Timed(result["seconds"], result["peak_bytes"], output)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process that leads its group, and the whole group with it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=ENDING_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def wait_for_jobs(car: str) -> None:
    """Returns when all of the car's local jobs have started."""
    for folder in job_folders(car):
        job_process(folder)


def end_jobs(car: str) -> None:
    """Gives the car's local jobs some time to end, then kills the rest. Their folder can then be removed."""
    for folder in job_folders(car):
        deadline = time.monotonic() + ENDING_S
        while is_alive(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        if is_alive(folder):  # so the process id still belongs to it
            os.killpg(job_process(folder), signal.SIGKILL)
            while is_alive(folder):
                time.sleep(0.1)


def job_folders(car: str) -> List[str]:
    jobs = os.path.join(car, ".sagemaker", "local", "jobs")
    return [os.path.join(jobs, name) for name in os.listdir(jobs)] if os.path.isdir(jobs) else []


def job_process(job_folder: str) -> int:
    """The id of the job's process, which leads its group, as soon as the job has recorded it."""
    deadline = time.monotonic() + ENDING_S
    while True:
        try:
            with open(os.path.join(job_folder, "job.json")) as file:
                return json.load(file)["ProcessId"]
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def is_alive(job_folder: str) -> bool:
    """Whether the job's process still holds its lock."""
    try:
        with open(os.path.join(job_folder, "alive")) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
