"""A host on the loopback: a real sshd with keys of its own, a home folder, and a wire that can be cut."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from donkey_sagemaker.cloud.cloud import CarId
from donkey_sagemaker.ssh.address import parse_host
from donkey_sagemaker.ssh.backend import SshCloud
from donkey_sagemaker.ssh.connection import Connection, Timing

NAME = "pc.local"  # in the ssh configuration of the tests
QUICK = Timing(quiet_s=20, pauses_s=(0.05,) * 4, transfer_pauses_s=(0.05,) * 6)


class Wire:
    """Passes on what an ssh client and the sshd send each other, until it is cut.

    Attributes:
        limits: how many bytes of the next connections may pass, one number for each; then it breaks.
    """

    def __init__(self, port: int) -> None:
        self.limits: List[int] = []
        self._target = port
        self._pairs: List[List[socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Breaks all connections at once, as a WiFi does."""
        for pair in self._pairs:
            for each in pair:
                _break(each)
        self._pairs.clear()

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                pair = [client, socket.create_connection(("127.0.0.1", self._target))]
            except OSError:
                client.close()
                continue
            self._pairs.append(pair)
            budget = [self.limits.pop(0) if self.limits else sys.maxsize]
            for source, target in (pair, pair[::-1]):
                threading.Thread(target=self._pass_on, args=(source, target, budget), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, budget: List[int]) -> None:
        try:
            for block in iter(lambda: source.recv(1 << 14), b""):
                budget[0] -= len(block)
                if budget[0] < 0:
                    break
                target.sendall(block)
        except OSError:
            pass
        _break(source)
        _break(target)


def _break(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    each.close()


class SshHost:
    """
    Attributes:
        home: the home folder there.
        client: a folder with the car's program `ssh`, which knows the host and has a key for it.
    """

    def __init__(self, folder: str) -> None:
        self.home, self.client = os.path.join(folder, "home"), os.path.join(folder, "client")
        self._folder = folder
        self._ssh = shutil.which("ssh")
        self._daemon: Optional["subprocess.Popen[bytes]"] = None
        for path in (self.home, self.client):
            os.mkdir(path)
        for key in ("host_key", "car_key", "other_key"):
            subprocess.check_call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._path(key)])
        shutil.copy(self._path("car_key.pub"), self._path("authorized_keys"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.wire = Wire(self._port)
        self.variables: Dict[str, str] = {"HOME": self.home, "PATH": self._path("bin")}
        os.mkdir(self._path("bin"))
        self.install("python3", "tsp")
        self.trust("host_key")
        self.write_client()

    @property
    def root(self) -> str:
        """The program's folder there."""
        return os.path.join(self.home, ".donkey-sagemaker")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def trust(self, key: Optional[str]) -> None:
        """Which host key the car knows; none if None."""
        with open(self._path("known_hosts"), "w") as known:
            if key:
                with open(self._path(key + ".pub")) as file:
                    known.write(f"{NAME} {file.read()}")

    def write_client(self, *, key: str = "car_key", port: Optional[int] = None) -> None:
        """The car's ssh, whose configuration is not the developer's."""
        with open(self._path("ssh_config"), "w") as file:
            file.write(
                f"Host *\n User {getpass.getuser()}\n IdentityFile {self._path(key)}\n IdentitiesOnly yes\n"
                f" UserKnownHostsFile {self._path('known_hosts')}\n GlobalKnownHostsFile /dev/null\n"
                f"Host {NAME}\n HostName 127.0.0.1\n Port {port or self.wire.port}\n HostKeyAlias {NAME}\n"
            )
        path = os.path.join(self.client, "ssh")
        with open(path, "w") as file:
            file.write(f'#!/bin/sh\nexec {self._ssh} -F {self._path("ssh_config")} "$@"\n')
        os.chmod(path, 0o700)

    def install(self, *programs: str) -> None:
        """The only programs that can be found there."""
        for program in programs:
            # The Python that this environment was made of: what is in PATH may be a script that looks for one
            path = os.path.realpath(sys.executable) if program == "python3" else str(shutil.which(program))
            os.symlink(path, os.path.join(self._path("bin"), program))

    def uninstall(self, program: str) -> None:
        os.remove(os.path.join(self._path("bin"), program))

    def start(self) -> None:
        with open(self._path("sshd_config"), "w") as file:
            variables = " ".join(f'"{name}={value}"' for name, value in self.variables.items())
            file.write(
                f"Port {self._port}\nListenAddress 127.0.0.1\nHostKey {self._path('host_key')}\n"
                f"AuthorizedKeysFile {self._path('authorized_keys')}\nStrictModes no\nUsePAM no\n"
                "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                "PermitRootLogin prohibit-password\nPidFile none\nMaxStartups 100\nPrintMotd no\n"
                f"SetEnv {variables}\n"
            )
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        with open(self._path("sshd.log"), "ab") as log:
            self._daemon = subprocess.Popen([sshd, "-D", "-e", "-f", self._path("sshd_config")], stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("sshd does not start: " + self.read_log())

    def stop(self) -> None:
        """Switches the host off: nothing there runs any more, and nothing is reached."""
        if self._daemon:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
        self.wire.cut()

    def read_log(self) -> str:
        """What sshd has printed."""
        with open(self._path("sshd.log")) as file:
            return file.read()

    def spooler(self, *arguments: str) -> str:
        """What task-spooler says about the queue there."""
        environment = dict(os.environ, TS_SOCKET=os.path.join(self.root, "queue"))
        done = subprocess.run(["tsp", *arguments], env=environment, stdout=subprocess.PIPE)
        return done.stdout.decode()

    def end_jobs(self, number: int = signal.SIGKILL) -> None:
        """Ends all jobs and the queue with a signal."""
        if not os.path.exists(os.path.join(self.root, "queue")):
            return
        numbers = [line.split()[0] for line in self.spooler("-l").splitlines() if " running " in line]
        processes = [int(self.spooler("-p", number)) for number in numbers]
        self.spooler("-K")
        for process in processes:
            try:
                os.killpg(os.getpgid(process), number)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        self.end_jobs()
        self.stop()
        self.wire.close()


OpenCar = Callable[..., SshCloud]


@pytest.fixture
def ssh_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[SshHost]:
    """A host with a real sshd and task-spooler. `ssh` in this process and its children reaches it."""
    missing = [name for name in ("ssh", "ssh-keygen", "tsp") if shutil.which(name) is None]
    if not (shutil.which("sshd") or os.path.exists("/usr/sbin/sshd")):
        missing.append("sshd")
    if missing:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"no {', '.join(missing)}; on Debian: apt-get install openssh-server openssh-client task-spooler")
    folder = tempfile.mkdtemp(prefix="host")  # short: a socket's path has at most 107 characters
    host = SshHost(folder)
    monkeypatch.setenv("PATH", host.client + os.pathsep + os.environ["PATH"])
    try:
        host.start()
        yield host
    finally:
        host.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def open_ssh_car(ssh_host: SshHost) -> Iterator[OpenCar]:
    """A function that makes a car's cloud on that host."""
    opened: List[SshCloud] = []

    def open_car(number: int = 1, *, python: str = sys.executable, host: str = NAME) -> SshCloud:
        car_id = f"{number:012x}"
        connection = Connection(parse_host(host), timing=QUICK)
        opened.append(SshCloud(connection, CarId(lambda: car_id, lambda: car_id), python=python))
        return opened[-1]

    yield open_car
    for cloud in opened:
        cloud.connection.close()
