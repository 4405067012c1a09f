"""A car whose commands run in processes that are killed, as a power cut kills them."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

RUN = (
    "import sys; from donkey_sagemaker import cli; from donkey_sagemaker.aws.backend import AwsCloud\n"
    "AwsCloud.poll_s, AwsCloud.log_lag_s = 0.1, 0.3\n"
)
RUN_LOCAL = "import sys; from donkey_sagemaker import cli\n"
HALF_WRITTEN = (".part", ".part.json", "sagemaker-stage", ".aside")


class Scene:
    """
    Attributes:
        car: the car's folder; whoever makes a scene puts a car there.
    """

    def __init__(self, folder, *, python=sys.executable, environment=None, code=RUN_LOCAL):
        self.car = folder / "mycar"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._log = str(folder / "log")
        self._python = python
        self._environment = environment or {}
        self._code = code

    def start(self, *words):
        """Starts a command; its output goes to `output`."""
        environment = dict(os.environ, **self._environment)
        environment["TMPDIR"] = str(self.temporary)
        with open(self._log, "wb") as log:
            return subprocess.Popen(
                [self._python, "-c", f"{self._code}sys.exit(cli.main({list(words)}))"],
                cwd=str(self.car),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a power cut takes its children too
            )

    def run(self, *words):
        """Runs a command to its end; returns its exit code."""
        return self.start(*words).wait()

    def output(self):
        with open(self._log, errors="replace") as file:
            return file.read()

    def last_line(self):
        return (self.output().strip().splitlines() or ["starting"])[-1]

    def wait_for(self, words, process):
        """Returns when the process has printed the words, or has ended."""
        while words not in self.output() and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.002)

    def kill(self, process, *, after):
        """Kills it and its children, unless it ends earlier."""
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _wait_for_death({process.pid})

    def kill_jobs(self):
        """Kills the processes of jobs on this machine, which have sessions of their own."""
        killed = set()
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    is_job = os.fsencode(str(self.car)) in file.read()
                if is_job and os.getsid(int(name)) != os.getsid(0):
                    os.kill(int(name), signal.SIGKILL)
                    killed.add(int(name))
        _wait_for_death(killed)

    def ledger(self):
        """The content of each file in the ledger."""
        folder = self.car / ".sagemaker" / "jobs"
        return [json.loads(path.read_text()) for path in folder.glob("*.json")] if folder.exists() else []

    def leftovers(self):
        """Paths of half-written and forgotten files in the car and the temporary folder, and a held lock."""
        found = [str(path) for path in self.car.rglob("*") if path.name.endswith(HALF_WRITTEN)]
        found += [str(path) for path in self.car.glob(".sagemaker/local/jobs/*/opt_ml")]
        for folder in (self.car / ".sagemaker" / "incoming", self.temporary):
            found += [str(path) for path in folder.glob("*")] if folder.exists() else []
        lock = self.car / ".sagemaker" / "lock"
        if lock.exists():
            with open(str(lock)) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    found.append(str(lock))
        return found


def configure_account(car, aws):
    """Puts the account into the car's myconfig.py."""
    with open(str(car / "myconfig.py"), "a") as file:
        file.write(
            f"\nSAGEMAKER_REGION = {aws.region!r}\nSAGEMAKER_BUCKET = {aws.bucket!r}\nSAGEMAKER_ROLE_ARN"
            f" = {aws.role_arn!r}\nSAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n"
        )


def _wait_for_death(processes):
    """Returns when they and their groups are dead: a killed process holds its locks a moment longer."""
    while any(_list_living(processes)):
        time.sleep(0.002)


def _list_living(processes):
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(name)
            with open(f"/proc/{pid}/stat") as file:
                state, _, group = file.read().rpartition(")")[2].split()[:3]
            if state not in "ZX" and (pid in processes or int(group) in processes):
                yield pid
