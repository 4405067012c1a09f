"""sagemaker-console at the terminal."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from console_process import ConsoleProcess
from donkey_sagemaker import cli

pytestmark = pytest.mark.minutes


@pytest.fixture
def car(tmp_path: Path) -> Path:
    """A car's folder without anything recorded."""
    (tmp_path / "config.py").write_text("")
    return tmp_path


def test_a_service(car: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """The unit starts the console with the same options, and the commands that install it are printed."""
    (car / "my.py").write_text("")
    words = ["console", "--service", "--lan", "--local", "--port=9000", "--myconfig=my.py"]
    assert cli.main(words, car_path=str(car)) == 0
    unit = (car / "donkey-console.service").read_text()
    assert " -m donkey_sagemaker console --lan --local --port=9000 --myconfig=my.py\nNice" in unit
    out = capsys.readouterr().out.splitlines()
    assert f"  sudo cp {car}/donkey-console.service /etc/systemd/system/" in out
    assert "  sudo systemctl enable --now donkey-console.service" in out
    assert not (car / ".sagemaker").exists()


def test_the_port_is_taken(car: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """Such as by another console."""
    pytest.importorskip("tornado", reason="the console needs it")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        assert cli.main(["console", f"--port={port}"], car_path=str(car)) == 2
    assert capsys.readouterr().err == (
        f"The console cannot listen on port {port}: Address already in use.\n"
        f"If another console runs, stop it, or choose another port: --port={port + 1}\n"
    )


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_no_such_port(car: Path, port: str, capsys: "pytest.CaptureFixture[str]") -> None:
    """A port is a number up to 65535."""
    assert cli.main(["console", f"--port={port}"], car_path=str(car)) == 2
    assert (
        capsys.readouterr().err == f"There is no port {port}.\nChoose one from 1024 to 65535: --port=8890\n"
    )


def test_without_tornado(car: Path) -> None:
    """A Python without donkeycar may lack it."""
    code = (
        "import sys; sys.modules['tornado'] = None; from donkey_sagemaker.cli import main; "
        "sys.exit(main(['console']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=str(car), stderr=subprocess.PIPE, universal_newlines=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "The console needs tornado, and this Python does not have it.\n"
        "Install it: `python -m pip install tornado`\n"
    )


def test_a_qr_code_for_phones(car: Path) -> None:
    """With --lan, each address of this machine is printed, and the code of the first one."""
    pytest.importorskip("tornado", reason="the console needs it")
    console = ConsoleProcess(car, "--lan")
    assert console.end() == 0
    addresses = [line for line in console.printed if "/enter?token=" in line]
    assert addresses and "127.0.0.1" not in "".join(addresses)
    assert sum("█" in line for line in console.printed) > 15
    assert console.printed[-1] == "The console has ended. Commands that it has started go on."
