"""Runs a module of this package in a child process."""

import contextlib
import os
import sys
from typing import List

from .untrusted_file import UnusableFile, open_own

ALIVE_NAME = "alive"  # a file that a process keeps locked for as long as it lives

_START = (
    "import runpy, sys; sys.path.append({!r}); runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> List[str]:
    """The command line that runs a module of this package with this Python, wherever it is installed.

    The folder of the package goes to the end of the child's sys.path. PYTHONPATH would put it in front of the
    standard library, which the backports in a 2018 car's site-packages would then shadow.
    """
    package_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, "-c", _START.format(package_folder, module), *arguments]


def is_alive(folder: str) -> bool:
    """Whether the process lives that keeps ALIVE_NAME in this folder locked."""
    import fcntl  # not on Windows, where no process is left to itself

    try:
        file = open_own(os.path.join(folder, ALIVE_NAME))
    except (UnusableFile, FileNotFoundError):  # no process of ours has locked that
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may ask at the same time
        except OSError:
            return True
    return False


def limit_resources() -> None:
    """Leaves CPU time, and memory if it runs out, to the program that drives the car on this machine."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(10)
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(ValueError, OSError):  # the limit is already lower, or not supported
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError):  # not Linux, or a container without the permission
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # the kernel kills this process first
