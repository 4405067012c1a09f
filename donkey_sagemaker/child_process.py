"""One of our modules as a process of its own."""

import os
import sys
from typing import List

_START = (
    "import runpy, sys; sys.path.append({!r}); runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> List[str]:
    """The command line that runs a module of this package with this Python, from wherever it was imported.

    The package's place comes last in the child's path: as PYTHONPATH it would come before the standard
    library, which the backports in a 2018 car's site-packages would then hide.
    """
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, "-c", _START.format(place, module), *arguments]
