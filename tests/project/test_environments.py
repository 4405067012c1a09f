"""The builder of environments says what a machine lacks."""

import subprocess
import sys
from pathlib import Path
from typing import Tuple

import pytest

import environments


def ask(*arguments: str, path: str, pyenv: Path) -> Tuple[int, str]:
    """Exit status and output of environments.py on a machine with those Pythons."""
    done = subprocess.run(
        [sys.executable, environments.__file__] + list(arguments),
        env={"PATH": path, "PYENV_ROOT": str(pyenv)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    return done.returncode, done.stdout


def make_python(path: Path, answer: str) -> None:
    """An executable that prints what environments.py asks an interpreter for."""
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)


def test_no_python(tmp_path: Path) -> None:
    """Each way to a donkeycar environment is named."""
    assert ask("--pick", path=str(tmp_path), pyenv=tmp_path) == (
        1,
        "dk53 needs Python 3.11, which is neither on the PATH nor in pyenv. "
        "pyenv install 3.11, or on Debian 12: apt-get install python3.11 python3.11-venv\n"
        "dk54 needs Python 3.12, which is neither on the PATH nor in pyenv. pyenv install 3.12\n"
        "One of them is enough.\n",
    )


def test_python_without_venv(tmp_path: Path) -> None:
    """Debian's own Python without its venv package is found out before anything is built."""
    python = tmp_path / "bin" / "python3.11"
    make_python(python, f"3.11 False 3.11.2 {python}")
    assert ask("--require", "dk53", path=str(python.parent), pyenv=tmp_path) == (
        1,
        f"{python} cannot make virtual environments. On Debian: apt-get install python3.11-venv\n",
    )


def test_missing_python_is_skipped(tmp_path: Path) -> None:
    """Without --require a generation whose Python is missing is skipped with a line that says so."""
    assert ask("dk22", path=str(tmp_path), pyenv=tmp_path) == (
        0,
        "dk22: skipped. dk22 needs Python 3.6, which is neither on the PATH nor in pyenv. "
        "pyenv install 3.6\n",
    )


def test_pyenv_is_searched(tmp_path: Path) -> None:
    """An interpreter that only pyenv knows is used, and a shim on the PATH that is none is passed over."""
    shim = tmp_path / "shims" / "python3.11"
    make_python(shim, "pyenv: python3.11: command not found")
    python = tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python"
    make_python(python, f"3.12 True 3.12.1 {python}")
    assert ask("--pick", path=str(shim.parent), pyenv=tmp_path / "pyenv") == (
        0,
        "dk54\n",
    )


def test_uv_gets_the_settings_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From pip's file and from its variables, which override the file; a variable of uv's own stays."""
    for name in ("UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_CONSTRAINT", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\nconstraint = a.txt\nfind-links = /wheels\n /more\n"
        "[install]\nconstraint = b.txt\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://two.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels /more")
    monkeypatch.setenv("UV_INDEX", "https://three.example/simple")
    environment = environments.make_uv_environment(sys.executable)
    assert environment["UV_DEFAULT_INDEX"] == "https://two.example/simple"
    assert environment["UV_INDEX"] == "https://three.example/simple"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more"
    assert environment["UV_CONSTRAINT"] == "b.txt"
    assert environment["PATH"]
