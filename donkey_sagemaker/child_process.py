"""Runs a module of this package in a child process."""

import os
import sys
from typing import List

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
