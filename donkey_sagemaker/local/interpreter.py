"""Which Python trains on this machine."""

import importlib.util
import os
import subprocess
import sys
from typing import Optional, Sequence

from ..errors import BadInput

_PROBE = "import importlib.util as u, sys; sys.exit(0 if all(map(u.find_spec, {packages!r})) else 9)"


class CannotTrain(BadInput):
    def __init__(self, python: str, packages: Sequence[str]) -> None:
        lacks = "does not have both" if len(packages) > 1 else "does not have it"
        super().__init__(
            f"Training on this machine needs {' and '.join(packages)}, but {python} {lacks}.",
            "Install donkeycar with TensorFlow there (`pip install donkeycar[pc]`), set SAGEMAKER_PYTHON to a"
            " Python that has them, or omit --local to train on AWS.",
        )


class NoInterpreter(BadInput):
    def __init__(self, python: str) -> None:
        super().__init__(
            f"SAGEMAKER_PYTHON = {python!r} is not a program that can be run.",
            "Set it to the path of a Python, such as ~/env/bin/python.",
        )


# Read in the Python that trains, which may be another one; Macs with Metal have Python 3.8 or later
_METAL_PROBE = "import importlib.metadata as m; print(m.version('tensorflow-metal'))"


def describe_metal(python: str, *, platform: str = sys.platform) -> Optional[str]:
    """A warning about Apple's GPU plug-in, with which trainings diverge; None where it is not installed."""
    if platform != "darwin":
        return None
    probe = subprocess.run(
        [python, "-c", _METAL_PROBE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if probe.returncode:
        return None
    version = probe.stdout.decode("utf-8", "replace").strip()
    return (
        f"tensorflow-metal {version} is installed, and losses have been seen to grow without end with it: "
        "if yours does, run `pip uninstall tensorflow-metal` and train on the CPU"
    )


def find_interpreter(wanted: Optional[str], *, car: Optional[str] = None) -> str:
    """SAGEMAKER_PYTHON, or the Python that runs this program. Neither donkeycar nor TensorFlow is imported.

    Args:
        car: SAGEMAKER_CAR. Without it, the trainer has to find out from its donkeycar what the car runs.
    Raises:
        CannotTrain, NoInterpreter
    """
    packages = {"tensorflow": "TensorFlow"} if car else {"donkeycar": "donkeycar", "tensorflow": "TensorFlow"}
    if wanted is None:
        if not all(map(importlib.util.find_spec, packages)):
            raise CannotTrain(sys.executable, list(packages.values()))
        return sys.executable
    python = os.path.expanduser(wanted)
    try:
        probe = _PROBE.format(packages=tuple(packages))
        exit_code = subprocess.call([python, "-c", probe], stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NoInterpreter(wanted) from error
    if exit_code:
        raise CannotTrain(wanted, list(packages.values()))
    return python
