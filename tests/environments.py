#!/usr/bin/env python3
"""Builds the virtual environments that the tests, the checks and the demo run in.

    python3 tests/environments.py dk53 py36    builds .environments/dk53 and .environments/py36
    python3 tests/environments.py --pick       prints the donkeycar environment to use on this machine

An environment holds the pinned packages of tests/generations/NAME.txt and this project, installed by the
README's `pip install .`: an editable install would hide files that the wheel lacks. What is up to date is
left alone, and what is half built is built again. Two environments are built at a time, with uv where it
supports the Python and with pip otherwise. Runs with the standard library of any Python from 3.6 on.
"""

import argparse
import ast
import concurrent.futures
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import Dict, Iterator, List, NamedTuple, Optional

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REQUIREMENTS = os.path.join(REPO, "tests", "generations")
ENVIRONMENTS = os.path.join(REPO, ".environments")

PYTHONS = {
    "dk22": "3.6",
    "dk25": "3.6",
    "dk50": "3.9",
    "dk53": "3.11",
    "dk54": "3.12",
    "dk53lite": "3.11",
    "dk54lite": "3.13",
    "py36": "3.6",
    "py313": "3.13",
    "check": "3.11",
    "aws": "3.11",
    "awscli": "3.11",
    "stock": "3.12",
    "notebook": "3.12",
}
# The tests' server, a tool that the benchmark compares with, and the contents of AWS's stock image
WITHOUT_PROJECT = ("aws", "awscli", "stock")
PICKS = ("dk53", "dk54")  # donkeycar environments for the tests and the demo, best first
OLD_PIP = "pip==21.3.1"  # the pip that comes with Python 3.6 installs packages made for newer Pythons
UV = "uv==0.13.8"
AT_ONCE = 2
DEBIAN = {"3.9": "11", "3.11": "12", "3.13": "13"}  # the release that has this Python
# What setup.py reads, and the files that decide how pip runs it
PACKAGED = (
    *("donkey_sagemaker", "container", "templates", "README.md", "LICENSE"),
    *("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in"),
)
# pip's settings, in the environment variables that uv reads
UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}

PROBE = """
import sys
try:
    import ensurepip, venv
    able = True
except ImportError:
    able = False
print("%d.%d" % sys.version_info[:2], able, sys.version.split()[0], sys.executable)
"""


class Interpreter(NamedTuple):
    path: str
    version: str  # all of it, as 3.11.7
    makes_environments: bool  # Debian keeps that in a package of its own


class MissingPython(Exception):
    """No interpreter here can build an environment; the text says what to install."""

    def __init__(self, name: str, version: str, unable: Optional[Interpreter]) -> None:
        if unable:
            what = f"{unable.path} cannot make virtual environments"
            fix = f"On Debian: apt-get install python{version}-venv"
        else:
            what = f"{name} needs Python {version}, which is neither on the PATH nor in pyenv"
            fix = "pyenv install " + version
            if version in DEBIAN:
                fix += (
                    f", or on Debian {DEBIAN[version]}: apt-get install python{version} python{version}-venv"
                )
        super().__init__(f"{what}. {fix}")


def find_python(name: str) -> Interpreter:
    """The interpreter that builds an environment, from the PATH or pyenv.

    Raises:
        MissingPython: there is none, or it lacks what makes virtual environments.
    """
    version = PYTHONS[name]
    unable = None
    for path in python_candidates(version):
        found = probe_python(path, version)
        if found and found.makes_environments:
            return found
        unable = unable or found
    raise MissingPython(name, version, unable)


def python_candidates(version: str) -> List[str]:
    """Paths that may be a Python of that version; a pyenv shim on the PATH may turn out to be none."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    paths = [os.path.join(folder, "python" + version) for folder in folders]
    paths += sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python")), reverse=True)
    return [path for path in paths if os.access(path, os.X_OK)]


def probe_python(path: str, version: str) -> Optional[Interpreter]:
    """What that executable is, or None where it is not a Python of that version."""
    probed = subprocess.run(
        [path, "-I", "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
    )
    if probed.returncode or not probed.stdout.startswith(version + " "):
        return None
    _version, able, full, executable = probed.stdout.rstrip("\n").split(" ", 3)
    return Interpreter(path=executable, version=full, makes_environments=able == "True")


def pick() -> str:
    """The donkeycar environment to use here; ends this program where neither Python is installed."""
    reasons = []
    for name in PICKS:
        try:
            find_python(name)
            return name
        except MissingPython as error:
            reasons.append(str(error))
    raise SystemExit("\n".join(reasons + ["One of them is enough."]))


def build_all(names: List[str], *, require: bool) -> None:
    """Builds environments, two at a time, in the order of their names.

    Raises:
        SystemExit: one failed, or a required Python is missing, which is checked before anything is built.
    """
    interpreters = {}
    for name in names:
        try:
            interpreters[name] = find_python(name)
        except MissingPython as error:
            if require:
                raise SystemExit(str(error)) from None
            print(f"{name}: skipped. {error}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for each in [pool.submit(build, *pair) for pair in interpreters.items()]:
            each.result()


def build(name: str, interpreter: Interpreter) -> None:
    """Makes the environment, or brings it up to date."""
    with locked(name):
        folder = os.path.join(ENVIRONMENTS, name)
        stamp_path = os.path.join(folder, "built.json")
        project = name not in WITHOUT_PROJECT
        wanted = {
            "requirements": hash_requirements(name, interpreter),
            "project": hash_project() if project else "",
        }
        built = read_stamp(stamp_path)
        if built == wanted:
            print(f"{name}: up to date", flush=True)
            return
        python = os.path.join(folder, "bin", "python")
        if built.get("requirements") != wanted["requirements"]:
            print(f"{name}: building with Python {interpreter.version} in {folder}", flush=True)
            make_environment(folder, interpreter)
            install_requirements(python, requirements_path(name), interpreter)
        else:
            os.remove(stamp_path)
        if project:
            print(f"{name}: installing donkey-sagemaker", flush=True)
            install_project(python)
        run(python, "-I", "-m", "pip", "check")
        with open(stamp_path, "w") as file:
            json.dump(wanted, file)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the lock of an environment: two commands at once would build over each other."""
    os.makedirs(ENVIRONMENTS, exist_ok=True)
    with open(os.path.join(ENVIRONMENTS, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment(folder: str, interpreter: Interpreter) -> None:
    """Makes an empty virtual environment, replacing any that is there."""
    if os.path.exists(folder):
        shutil.rmtree(folder)
    run(interpreter.path, "-m", "venv", folder)
    if is_old(interpreter):
        python = os.path.join(folder, "bin", "python")
        install(python, OLD_PIP)
        install(python, "setuptools==59.6.0", "wheel==0.37.1")


def is_old(interpreter: Interpreter) -> bool:
    """Whether this is Python 3.6, which uv does not support."""
    return interpreter.version.startswith("3.6.")


def install_requirements(python: str, path: str, interpreter: Interpreter) -> None:
    """Installs the packages of a requirements file, with uv where that works."""
    uv = None if is_old(interpreter) else find_uv(interpreter)
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", python, "--requirements", path]
        if subprocess.run(command, env=make_uv_environment(python)).returncode == 0:
            return
        print("uv failed: installing with pip", flush=True)
    install(python, "-r", path)


def find_uv(interpreter: Interpreter) -> Optional[str]:
    """The path of uv, which is installed where it is missing; None where that fails."""
    folder = os.path.join(ENVIRONMENTS, "uv")
    path = os.path.join(folder, "bin", "uv")
    with locked("uv"):
        stamp_path = os.path.join(folder, "built.json")
        if read_stamp(stamp_path) != {"requirements": UV}:
            try:
                make_environment(folder, interpreter)
                install(os.path.join(folder, "bin", "python"), UV)
            except SystemExit as error:
                print(f"{error}. Installing with pip", flush=True)
                return None
            with open(stamp_path, "w") as file:
                json.dump({"requirements": UV}, file)
    return path


def make_uv_environment(python: str) -> Dict[str, str]:
    """This process's environment with pip's settings (files and PIP_ variables) in uv's names."""
    listed = subprocess.check_output([python, "-I", "-m", "pip", "config", "list"], universal_newlines=True)
    environment = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip: the best version of all indexes
    for section in ("global", "install", ":env:"):  # pip's own order, the last one counts
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            setting = name[len(section) + 1 :]
            if name == f"{section}.{setting}" and setting in UV_SETTINGS:
                separator = "," if setting == "find-links" else " "
                environment[UV_SETTINGS[setting]] = separator.join(ast.literal_eval(value).split())
    return dict(environment, **os.environ)


def read_stamp(path: str) -> Dict[str, str]:
    """What a finished build left, or nothing: a half-built environment has no stamp."""
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def requirements_path(name: str) -> str:
    return os.path.join(REQUIREMENTS, name + ".txt")


def read_requirements(path: str) -> str:
    """The text of a requirements file and of those that it includes."""
    lines = []
    with open(path) as file:
        for line in file:
            lines.append(line)
            if line.startswith("-r "):
                lines.append(read_requirements(os.path.join(os.path.dirname(path), line[3:].strip())))
    return "".join(lines)


def hash_requirements(name: str, interpreter: Interpreter) -> str:
    text = interpreter.path + interpreter.version + read_requirements(requirements_path(name))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_project() -> str:
    """A digest of every file that can go into the wheel."""
    digest = hashlib.sha256()
    for packaged in PACKAGED:
        path = os.path.join(REPO, packaged)
        found = glob.glob(os.path.join(path, "**"), recursive=True) if os.path.isdir(path) else [path]
        for each in sorted(found):
            if os.path.isfile(each) and not each.endswith(".pyc"):
                with open(each, "rb") as file:
                    digest.update(f"{os.path.relpath(each, REPO)}\0{os.path.getsize(each)}\0".encode())
                    digest.update(file.read())
    return digest.hexdigest()


def copy_project(folder: str) -> str:
    """Copies what is packaged: setuptools leaves files of its own in the folder that it builds in."""
    copy = os.path.join(folder, "project")
    os.mkdir(copy)
    for name in PACKAGED:
        path = os.path.join(REPO, name)
        if os.path.isdir(path):
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(path, os.path.join(copy, name), ignore=ignored)
        elif os.path.exists(path):
            shutil.copy2(path, copy)
    return copy


def build_wheel(python: str, folder: str) -> str:
    """Builds this project's wheel in a folder and returns its path."""
    project = copy_project(folder)
    run(python, "-I", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, project)
    (wheel,) = glob.glob(os.path.join(folder, "*.whl"))
    return wheel


def install_project(python: str) -> None:
    """Types the README's `pip install .` in a clean copy of the checkout."""
    with tempfile.TemporaryDirectory() as work:
        run(
            python,
            "-I",
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            ".",
            cwd=copy_project(work),
        )


def install(python: str, *what: str) -> None:
    run(python, "-I", "-m", "pip", "install", "-q", "--disable-pip-version-check", *what)


def run(*command: str, cwd: Optional[str] = None) -> None:
    """Runs a command and ends this program where it fails: the command has printed why."""
    if subprocess.run(command, cwd=cwd).returncode:
        raise SystemExit("failed: " + " ".join(command))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Builds the virtual environments of the tests, checks and demo."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PYTHONS))
    parser.add_argument(
        "--require", action="store_true", help="fail where a Python is missing, instead of skipping"
    )
    parser.add_argument("--pick", action="store_true", help="only name the donkeycar environment to use here")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in PYTHONS]
    if unknown or bool(arguments.names) == arguments.pick:
        parser.error("give --pick, or environments out of " + ", ".join(PYTHONS))
    if arguments.pick:
        print(pick())
    build_all(arguments.names, require=arguments.require)


if __name__ == "__main__":
    main()
