"""`prepare`, for the owner of the host: installs donkeycar and TensorFlow in a folder of their own.

Every generation's environment trains for every car, so the newest one that a Python of this host can run is
taken. The packages are those of the training image (container/generations).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from typing import Callable, List, NamedTuple, Optional, Tuple

from .machine import find_gpus, find_versions

# The newest first, each with the Python of its image
GENERATIONS: Tuple[Tuple[str, str], ...] = (("dk54", "3.12"), ("dk53", "3.11"), ("dk50", "3.9"))


class Preparation(NamedTuple):
    generation: str
    make: List[str]  # the command that makes the environment, without its path


def plan_preparation(find_program: Callable[[str], Optional[str]]) -> Optional[Preparation]:
    """
    Args:
        find_program: the path of a program that runs; None if there is none.
    Returns:
        None if no Python here is one of those that are needed.
    """
    for generation, version in GENERATIONS:
        python = find_program("python" + version)
        if python:
            return Preparation(generation, [python, "-m", "venv"])
    uv = find_program("uv")
    if uv:  # which downloads the Python
        generation, version = GENERATIONS[0]
        return Preparation(generation, [uv, "venv", "--seed", "--python", version])
    return None


def find_working(name: str) -> Optional[str]:
    """The path of uv, or of a Python that can make environments: Debian's needs another package for that."""
    path = shutil.which(name)
    check = ["--version"] if name == "uv" else ["-c", "import ensurepip, venv"]
    if path is None or subprocess.call([path, *check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        return None
    return path


def prepare(root: str, program: str) -> int:
    """Makes ROOT/python/GENERATION and prints what it does.

    Args:
        program: the zip that has the lists of packages.
    Returns:
        the exit code.
    """
    plan = plan_preparation(find_working)
    if plan is None:
        versions = " or ".join(version for _generation, version in reversed(GENERATIONS))
        print(
            f"This machine needs Python {versions} with its venv module, or uv (https://docs.astral.sh/uv)."
        )
        return 1
    target = os.path.join(root, "python", plan.generation)
    stage = target + ".part"
    shutil.rmtree(stage, ignore_errors=True)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    device = "gpu" if find_gpus() else "cpu"
    print(f"Installing donkeycar and TensorFlow for this machine's {device.upper()} in {target}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        lists = os.path.join(folder, "generations")
        with zipfile.ZipFile(program) as archive:
            archive.extractall(
                folder, [name for name in archive.namelist() if name.startswith("generations/")]
            )
        python = os.path.join(stage, "bin", "python")
        install = [python, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--quiet"]
        for command in (
            [*plan.make, stage],
            [*install, "--requirement", os.path.join(lists, f"{plan.generation}-{device}.txt")],
        ):
            code = subprocess.call(command, stdin=subprocess.DEVNULL)
            if code:
                print(f"That failed: {command[0]} ended with exit code {code}.", file=sys.stderr)
                return 1
    shutil.rmtree(target, ignore_errors=True)
    os.rename(stage, target)  # its python is found by a relative path
    versions_here = find_versions(os.path.join(target, "bin", "python"))
    print("Ready: " + ", ".join(f"{name} {version}" for name, version in sorted(versions_here.items())))
    return 0
