"""The trainer from its first line to its exit code."""

import errno
import os
import platform
import signal
import sys
import threading
import traceback
from typing import Any, List

from donkey_sagemaker.contract import CODE_CHANNEL, FAILURE_REASON_CHARS
from donkey_sagemaker.errors import DonkeySagemakerError, JobFailed

from .opt_ml import OptMl
from .say import say
from .wheels import add_wheels

BAD_COMMAND = 2


class DiskFull(JobFailed):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"The training machine's disk is full, at {path}.",
            "Set SAGEMAKER_VOLUME_GB to a larger one, or train fewer records at once.",
        )


def main(arguments: List[str]) -> int:
    """Trains the job under /opt/ml. 0: a model lies in model/. 1: the cause stands in output/failure."""
    if arguments not in ([], ["train"]):
        print("This image knows `train` alone, not `{}`".format(" ".join(arguments)), file=sys.stderr)
        return BAD_COMMAND
    opt_ml = OptMl()
    stop = threading.Event()

    def on_sigterm(number: int, frame: Any) -> None:
        say("Asked to stop: the best model so far is kept")
        stop.set()

    # As PID 1 a Python without a handler would ignore it, and be killed two minutes later.
    signal.signal(signal.SIGTERM, on_sigterm)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its start-up messages drown the progress lines
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would look for news on the network
    if platform.machine().lower() in ("x86_64", "amd64"):
        # By itself TensorFlow uses oneDNN on the newest CPUs alone; what it does instead is much slower.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        here, *others = opt_ml.hosts()
        if others and here > min(others):
            say(f"{here} leaves the training to {min(others)}: more machines make it no faster")
            return 0
        opt_ml.make_outputs()
        add_wheels(opt_ml.channel(CODE_CHANNEL))
        # Imported here, so that a broken library is reported like any other cause.
        from .reading import read_inputs

        inputs = read_inputs(opt_ml)
        from .train import train  # imports TensorFlow, while forks decode the pictures

        train(opt_ml, stop, inputs)
    except DonkeySagemakerError as error:
        return _fail(opt_ml, f"{error.what} {error.fix}")
    except Exception as error:  # noqa: BLE001  (the last resort: whatever it was, the user is told)
        cause = describe_cause(error)
        if is_full_disk(error):
            full = DiskFull(getattr(error, "filename", None) or opt_ml.base)
            cause = f"{full.what} {full.fix}"
        # At once: a file that HDF5 could not close crashes Python when the exception is cleared away.
        os._exit(_fail(opt_ml, cause, traceback.format_exc()))
    return 0


def describe_cause(error: BaseException) -> str:
    """In one line, where TensorFlow 1 makes one ImportError of another one's whole traceback."""
    while str(error).startswith("Traceback") and error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def is_full_disk(error: BaseException) -> bool:
    """By errno, or by the words of libraries that keep it to themselves (HDF5, TensorFlow)."""
    return getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)


def _fail(opt_ml: OptMl, cause: str, details: str = "") -> int:
    """The cause stands first: SageMaker keeps the first 1,024 characters only."""
    print(f"{details}{cause}", file=sys.stderr, flush=True)
    try:
        os.makedirs(os.path.dirname(opt_ml.failure), exist_ok=True)
        with open(opt_ml.failure, "w", encoding="utf-8") as file:
            file.write(f"{cause[:FAILURE_REASON_CHARS]}\n{details}")
    except OSError as error:
        print(f"The cause could not be written to {opt_ml.failure}: {error}", file=sys.stderr)
    return 1
