"""The Python that trains on this machine."""

import importlib.util
import os
import subprocess
import sys
from typing import Optional

from ..errors import BadInput

_NEEDED = ("tensorflow", "donkeycar")
_ASK = f"import importlib.util as u, sys; sys.exit(0 if all(map(u.find_spec, {_NEEDED!r})) else 9)"


class CannotTrain(BadInput):
    def __init__(self, python: str) -> None:
        super().__init__(
            f"Training on this machine needs donkeycar and TensorFlow; {python} lacks one.",
            "Install them there (`pip install donkeycar[pc]`), set SAGEMAKER_PYTHON to one that has them, "
            "or leave --local out to train on AWS.",
        )


class NoInterpreter(BadInput):
    def __init__(self, python: str) -> None:
        super().__init__(
            f"SAGEMAKER_PYTHON = {python!r} cannot be run.",
            "Set it to the path of a Python, such as ~/env/bin/python.",
        )


def find_interpreter(wanted: Optional[str]) -> str:
    """SAGEMAKER_PYTHON, or the Python that runs this, if it can train. Nothing heavy is imported to find out.

    Raises:
        CannotTrain, NoInterpreter
    """
    if wanted is None:
        if not all(map(importlib.util.find_spec, _NEEDED)):
            raise CannotTrain(sys.executable)
        return sys.executable
    python = os.path.expanduser(wanted)
    try:
        answer = subprocess.call([python, "-c", _ASK], stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoInterpreter(wanted) from error
    if answer:
        raise CannotTrain(wanted)
    return python
