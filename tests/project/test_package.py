"""What is installed: the wheel and the source archive hold all that the command needs."""

import glob
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable, Dict

import pytest

import donkey_sagemaker
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


def run_command(python: str, *command: str) -> str:
    """Standard output of a command of that environment, run in a folder outside the checkout."""
    folder = os.path.dirname(python)
    done = subprocess.run(
        [os.path.join(folder, command[0])] + list(command[1:]),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_help_and_version_need_no_dependency(tmp_path: Path, wheel_path: str) -> None:
    """The command answers before boto3 and rich are installed, and so does not wait for them."""
    python = make_empty_environment(sys.executable, tmp_path)
    environments.install(python, "--no-deps", "--no-index", wheel_path)
    assert "usage: donkey-sagemaker" in run_command(python, "donkey-sagemaker", "--help")
    assert "usage: donkey-sagemaker" in run_command(python, "python", "-m", "donkey_sagemaker", "--help")
    version = f"donkey-sagemaker {donkey_sagemaker.__version__}\n"
    assert run_command(python, "donkey-sagemaker", "--version") == version
    assert run_command(python, "python", "-m", "donkey_sagemaker", "--version") == version


@pytest.mark.generations
@pytest.mark.parametrize("name, pip", [("py36", environments.OLD_PIP), ("dk53", ""), ("py313", "pip")])
def test_install_in_an_empty_environment(
    tmp_path: Path, generation_python: Callable[[str], str], name: str, pip: str
) -> None:
    """`pip install .` works and finds every dependency: with the oldest pip and the newest.

    That it works in every generation's complete environment, tests/environments.py shows: it types the same.
    """
    python = make_empty_environment(generation_python(name), tmp_path)
    if pip:
        environments.install(python, "--upgrade", pip)
    environments.install_project(python)
    environments.run(python, "-m", "pip", "check")
    assert "usage: donkey-sagemaker" in run_command(python, "donkey-sagemaker", "--help")


@pytest.mark.generations
def test_the_package_index_would_take_it(tmp_path: Path, generation_python: Callable[[str], str]) -> None:
    """`twine check --strict` passes on the source archive and on the wheel that is built from it."""
    python = generation_python("check")
    project, built = environments.copy_project(str(tmp_path)), tmp_path / "dist"
    environments.run(python, "-m", "build", "--no-isolation", "--outdir", str(built), project)
    paths = sorted(str(path) for path in built.iterdir())
    assert [path.rpartition("-")[2] for path in paths] == [
        "any.whl",
        f"{donkey_sagemaker.__version__}.tar.gz",
    ]
    printed = run_command(python, "python", "-m", "twine", "check", "--strict", *paths)
    assert printed.count("PASSED") == 2, printed


def test_the_license_travels_with_the_wheel(wheel_path: str, repo_path: str) -> None:
    """And the description is the README."""
    with zipfile.ZipFile(wheel_path) as wheel:
        (license_name,) = [name for name in wheel.namelist() if name.endswith("LICENSE")]
        (metadata_name,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
        text, metadata = wheel.read(license_name).decode(), wheel.read(metadata_name).decode()
    with open(os.path.join(repo_path, "LICENSE")) as file:
        assert text == file.read()
    assert "\nLicense: MIT\n" in metadata and "\n# donkey-sagemaker\n" in metadata
