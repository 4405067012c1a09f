"""What is installed: the wheel and the source archive hold all that the command needs."""

import glob
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable, Dict

import pytest

import environments


@pytest.fixture(scope="module")
def wheel_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The wheel, built from a copy of the checkout."""
    return environments.build_wheel(sys.executable, str(tmp_path_factory.mktemp("wheel")))


def read_wheel(path: str) -> Dict[str, bytes]:
    """Every file of a wheel but its own metadata."""
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def read_checkout(repo_path: str, folder: str) -> Dict[str, bytes]:
    """Every file that git would track in a folder of the checkout."""
    contents = {}
    for path in glob.glob(os.path.join(repo_path, folder, "**"), recursive=True):
        if os.path.isfile(path) and "__pycache__" not in path:
            with open(path, "rb") as file:
                contents[os.path.relpath(path, repo_path).replace(os.sep, "/")] = file.read()
    return contents


def test_wheel_holds_everything(wheel_path: str, repo_path: str) -> None:
    """The wheel is the package, with the trainer and the templates inside it, and nothing else."""
    expected = read_checkout(repo_path, "donkey_sagemaker")
    for folder in ("container", "templates"):
        contents = read_checkout(repo_path, folder)
        assert contents
        expected.update({"donkey_sagemaker/" + name: content for name, content in contents.items()})
    assert read_wheel(wheel_path) == expected


def test_source_archive_builds_the_same_wheel(tmp_path: Path, wheel_path: str) -> None:
    """Who installs from the source archive gets the same files."""
    project = environments.copy_project(str(tmp_path))
    subprocess.run([sys.executable, "setup.py", "-q", "sdist", "-d", str(tmp_path)], cwd=project, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run(command + ["-w", str(tmp_path), str(archive)], check=True)
    (rebuilt,) = tmp_path.glob("*.whl")
    assert read_wheel(str(rebuilt)) == read_wheel(wheel_path)


def make_empty_environment(python: str, folder: Path) -> str:
    """Makes a virtual environment and returns its python."""
    subprocess.run([python, "-m", "venv", str(folder / "empty")], check=True)
    return str(folder / "empty" / "bin" / "python")


def ask_for_help(python: str) -> str:
    """What `donkey-sagemaker --help` prints, asked from a folder outside the checkout."""
    commands = os.path.dirname(python)
    asked = subprocess.run(
        [os.path.join(commands, "donkey-sagemaker"), "--help"],
        cwd=commands,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert asked.returncode == 0, asked.stdout
    return asked.stdout


def test_help_needs_nothing_installed(tmp_path: Path, wheel_path: str) -> None:
    """The command answers before boto3 and rich are there, and so without waiting for them."""
    python = make_empty_environment(sys.executable, tmp_path)
    environments.install(python, "--no-deps", "--no-index", wheel_path)
    assert "usage: donkey-sagemaker" in ask_for_help(python)


@pytest.mark.generations
@pytest.mark.parametrize("name", ["py36", "dk53"])
def test_install_in_an_empty_environment(
    tmp_path: Path, wheel_path: str, generation_python: Callable[[str], str], name: str
) -> None:
    """`pip install` finds every dependency on the oldest Python and on a recent one."""
    python = make_empty_environment(generation_python(name), tmp_path)
    if name == "py36":
        environments.install(python, environments.OLD_PIP)
    environments.install(python, wheel_path)
    environments.run(python, "-m", "pip", "check")
    assert "usage: donkey-sagemaker" in ask_for_help(python)
