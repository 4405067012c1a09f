"""Which Python trains on this machine."""

import importlib.util
import os
import subprocess
import sys
from typing import Optional

from ..errors import BadInput

_REQUIRED = ("tensorflow", "donkeycar")
_PROBE = f"import importlib.util as u, sys; sys.exit(0 if all(map(u.find_spec, {_REQUIRED!r})) else 9)"


class CannotTrain(BadInput):
    def __init__(self, python: str) -> None:
        super().__init__(
            f"Training on this machine needs donkeycar and TensorFlow, but {python} does not have both.",
            "Install them there (`pip install donkeycar[pc]`), set SAGEMAKER_PYTHON to a Python that has"
            " them, or omit --local to train on AWS.",
        )


class NoInterpreter(BadInput):
    def __init__(self, python: str) -> None:
        super().__init__(
            f"SAGEMAKER_PYTHON = {python!r} is not a program that can be run.",
            "Set it to the path of a Python, such as ~/env/bin/python.",
        )


def find_interpreter(wanted: Optional[str]) -> str:
    """SAGEMAKER_PYTHON, or the Python that runs this program. Neither donkeycar nor TensorFlow is imported.

    Raises:
        CannotTrain, NoInterpreter
    """
    if wanted is None:
        if not all(map(importlib.util.find_spec, _REQUIRED)):
            raise CannotTrain(sys.executable)
        return sys.executable
    python = os.path.expanduser(wanted)
    try:
        exit_code = subprocess.call([python, "-c", _PROBE], stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoInterpreter(wanted) from error
    if exit_code:
        raise CannotTrain(wanted)
    return python
