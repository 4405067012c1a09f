"""What all tests share: other generations' environments, real tubs, and no way out of this machine."""

import os
import shutil
import signal
import socket
import sys
import time
from typing import Any, Callable, Iterator

import pytest

from aws_fixture import AwsStandIn
from donkey_sagemaker import ui
from donkey_sagemaker.resources import container_path

sys.path.insert(0, container_path())  # the trainer's package is named `trainer`, as in its image

pytest_plugins = [
    "aws_cloud",
    "rings",
    "shared_cars",
    "small_donkeycar",
    "aws_owner",
    "ssh_host",
    "slurm",
    "stand_in_jobs",
]

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture(scope="session")
def repo_path() -> str:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared_data(repo_path: str) -> str:
    """The folder of real tubs, which lies beside the checkout where there is one."""
    path = os.path.join(os.path.dirname(repo_path), "shared", "data")
    if not os.path.isdir(path):
        pytest.skip("no real tubs at " + path)
    return path


BUILD_LIMIT_S = 900  # for all environments, on two cores that run tests as well


@pytest.fixture(scope="session")
def generation_python(repo_path: str) -> Callable[[str], str]:
    """A function that gives the path of the python of an environment, as "dk22"; skips where it is not built.

    DONKEY_ENVIRONMENTS names another folder of environments than .environments. CI builds all of them while
    the first tests run, so a missing one is waited for there, and fails the test if it does not come.
    """
    ready = os.environ.get("DONKEY_ENVIRONMENTS")
    folder = ready or os.path.join(repo_path, ".environments")
    in_ci = os.environ.get("CI") == "true"

    def find(name: str) -> str:
        python = os.path.join(folder, name, "bin", "python")
        # The last file of a build; environments that others have made have none.
        last = python if ready else os.path.join(folder, name, "built.json")
        deadline = time.monotonic() + (BUILD_LIMIT_S if in_ci else 0)
        while not os.path.exists(last) and time.monotonic() < deadline:
            time.sleep(0.5)
        if not os.path.exists(last):
            say = pytest.fail if in_ci else pytest.skip
            say(f"no environment {name}; python3 tests/environments.py {name} builds it")
        return python

    return find


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a headless browser; CI has one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("no Chromium; on Debian: apt-get install chromium")
    return str(path)


@pytest.fixture(scope="session", autouse=True)
def _default_signals() -> Iterator[None]:
    """Interrupts arrive, in child processes as well, even if pytest was started with nohup."""
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if os.name != "nt":
        defaults[signal.SIGHUP] = signal.SIG_DFL
    ignored = [number for number in defaults if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, defaults[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def _isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the developer's AWS settings (nor do its child processes) or reaches another machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "SAGEMAKER_")):
                patch.delenv(name)
        # Left there by the import of TensorFlow 2, as collecting the tests does it; 1.15 in a child obeys it
        patch.delenv("TF2_BEHAVIOR", raising=False)
        nowhere = tmp_path_factory.mktemp("aws")
        patch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # On a busy machine, lines about what takes long would come between those that a test expects
        patch.setattr(ui, "QUIET_S", 3600.0)
        patch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise its import asks the package index for news
        patch.setattr(socket, "getaddrinfo", _loopback_getaddrinfo)
        patch.setattr(socket.socket, "connect", _loopback_connect)
        yield


@pytest.fixture(scope="session")
def _aws_server(
    generation_python: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory, _isolation: None
) -> Iterator[AwsStandIn]:
    server = AwsStandIn(generation_python("aws"), str(tmp_path_factory.mktemp("aws_stand_in")))
    yield server
    server.close()


@pytest.fixture
def aws(_aws_server: AwsStandIn) -> Iterator[AwsStandIn]:
    """A new account on the AWS stand-in, which serves all tests of a session."""
    _aws_server.reset()
    yield _aws_server
    assert not _aws_server.read_errors()


_getaddrinfo = socket.getaddrinfo
_connect = socket.socket.connect


def _loopback_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    _check_loopback(host)
    return _getaddrinfo(host, *arguments, **options)


def _loopback_connect(self: socket.socket, address: Any) -> None:
    if self.family != socket.AF_UNIX:
        _check_loopback(address[0])
    _connect(self, address)


def _check_loopback(host: Any) -> None:
    if host not in (None, "", "localhost", "::1") and not str(host).startswith("127."):
        pytest.fail(f"a test tried to reach {host}: tests stay on this machine")
