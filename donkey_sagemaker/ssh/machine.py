"""What a host is: its system, GPUs, memory, disk, and the Pythons that can train."""

import glob
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Optional

from ..local.interpreter import CannotTrain, NoInterpreter, find_interpreter

_VERSIONS = """
import json
names = ("donkeycar", "tensorflow", "tensorflow-cpu")
found = {}
try:
    from importlib.metadata import version
except ImportError:
    from pkg_resources import get_distribution
    version = lambda name: get_distribution(name).version
for name in names:
    try:
        found[name] = version(name)
    except Exception:
        pass
print(json.dumps(found))
"""


def find_gpus() -> List[str]:
    """The NVIDIA GPUs, by name."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return []
    lines = done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []
    return [line.partition(": ")[2].partition(" (")[0] for line in lines if line.startswith("GPU ")]


def describe_machine(root: str) -> Dict[str, Any]:
    """
    Args:
        root: this program's folder.
    """
    try:
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        memory_bytes = 0
    return {
        "system": f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "gpus": find_gpus(),
        "memory_bytes": memory_bytes,
        "free_bytes": shutil.disk_usage(root).free,
    }


def find_python(root: str, wanted: Optional[str]) -> str:
    """The Python that trains: the one that is wanted, the newest that `prepare` has made, or this one.

    Raises:
        CannotTrain, NoInterpreter
    """
    if wanted is not None:
        return find_interpreter(wanted)
    for python in sorted(prepared_pythons(root), reverse=True):
        try:
            return find_interpreter(python)
        except (CannotTrain, NoInterpreter):
            continue
    return find_interpreter(sys.executable)


def prepared_pythons(root: str) -> List[str]:
    return glob.glob(os.path.join(root, "python", "*", "bin", "python"))


def find_versions(python: str) -> Dict[str, str]:
    """Of donkeycar and TensorFlow, which are not imported."""
    done = subprocess.run([python, "-c", _VERSIONS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        return dict(json.loads(done.stdout.decode("utf-8")))
    except ValueError:
        return {}
