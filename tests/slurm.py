"""Slurm with one node, on the loopback: its real daemons, with a folder and ports of their own."""

import getpass
import os
import platform
import shutil
import socket
import subprocess
import time
from typing import Dict, Iterator, List

import pytest

from ssh_host import SshHost

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
DAEMONS = ("munged", "slurmctld", "slurmd")


def find_daemon(name: str) -> str:
    """The path of a daemon; an owner's PATH may lack their folder."""
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") or ""


class Slurm:
    """
    Args:
        folder: for its files; short, because a socket is among them.
        cores: of the node.
    """

    def __init__(self, folder: str, *, cores: int) -> None:
        self._folder = folder
        self._daemons: List["subprocess.Popen[bytes]"] = []
        self.environment: Dict[str, str] = dict(os.environ, SLURM_CONF=self._path("slurm.conf"))
        for name in ("state", "spool"):
            os.mkdir(self._path(name))
        with open(self._path("key"), "wb") as file:
            file.write(os.urandom(1024))
        os.chmod(self._path("key"), 0o600)
        node = platform.node().partition(".")[0]
        ports = [_free_port() for _ in range(2)]
        with open(self._path("slurm.conf"), "w") as text:
            text.write(
                f"ClusterName=loop\nSlurmctldHost={node}(127.0.0.1)\nSlurmctldPort={ports[0]}\n"
                f"SlurmdPort={ports[1]}\nAuthType=auth/munge\nAuthInfo=socket={self._path('munge')}\n"
                f"CredType=cred/munge\nSlurmUser={getpass.getuser()}\nSlurmdUser={getpass.getuser()}\n"
                f"StateSaveLocation={self._path('state')}\nSlurmdSpoolDir={self._path('spool')}\n"
                f"SlurmctldPidFile={self._path('slurmctld.pid')}\nSlurmdPidFile={self._path('slurmd.pid')}\n"
                "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n"
                "SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nReturnToService=2\n"
                f"NodeName={node} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN\n"
                "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
            )

    def start(self) -> None:
        """Returns when the node is ready."""
        munged = ["--foreground", "--force", f"--key-file={self._path('key')}", "--num-threads=2"]
        munged += [f"--socket={self._path('munge')}", f"--pid-file={self._path('munge.pid')}"]
        munged += [f"--log-file={self._path('munge.log')}", f"--seed-file={self._path('seed')}"]
        self._run("munged", *munged)
        self._wait_for("munged", lambda: os.path.exists(self._path("munge")))
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D")
        self._wait_for("slurmd", lambda: "idle" in self.call("sinfo", "--noheader", "--format=%t"))

    def call(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
        return done.stdout.decode()

    def close(self) -> None:
        self.call("scancel", "--user=" + getpass.getuser())
        deadline = time.monotonic() + 10
        while self.call("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.1)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait()

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _run(self, name: str, *arguments: str) -> None:
        with open(self._path(name + ".log"), "ab") as log:
            self._daemons.append(
                subprocess.Popen(
                    [find_daemon(name), *arguments], env=self.environment, stdout=log, stderr=log
                )
            )

    def _wait_for(self, name: str, is_ready) -> None:  # type: ignore[no-untyped-def]
        for _ in range(300):
            if is_ready():
                return
            time.sleep(0.1)
        with open(self._path(name + ".log"), errors="replace") as file:
            raise AssertionError(f"{name} does not start: {file.read()[-1000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def slurm(ssh_host: SshHost) -> Iterator[Slurm]:
    """The host has Slurm with one node of two cores instead of task-spooler."""
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    missing += [name for name in DAEMONS if not find_daemon(name)]
    if missing:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"no {', '.join(missing)}; on Debian: apt-get install slurm-wlm")
    folder = os.path.join(os.path.dirname(ssh_host.home), "slurm")
    os.mkdir(folder)
    slurm = Slurm(folder, cores=2)
    try:
        slurm.start()
        ssh_host.stop()
        ssh_host.uninstall("tsp")
        ssh_host.install(*COMMANDS)
        ssh_host.variables["SLURM_CONF"] = slurm.environment["SLURM_CONF"]
        ssh_host.start()
        yield slurm
    finally:
        slurm.close()
