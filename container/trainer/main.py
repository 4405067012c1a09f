"""The trainer's main function: exit codes, SIGTERM, and the cause of a failure in output/failure."""

import errno
import os
import platform
import signal
import sys
import threading
import time
import traceback
from typing import Any, List, Optional

from donkey_sagemaker.contract import CODE_CHANNEL, DISK_FULL, FAILURE_REASON_CHARS
from donkey_sagemaker.errors import DonkeySagemakerError, JobFailed

from .cluster import Crew, find_place, meet
from .log import log
from .opt_ml import OptMl
from .wheels import add_wheels

BAD_COMMAND = 2
# TensorFlow's errors when another machine is gone, and how long to wait for the cause to arrive from there
PARTNER_ERRORS = (
    "AbortedError",
    "CancelledError",
    "DeadlineExceededError",
    "InternalError",
    "UnavailableError",
)
PARTNER_WAIT_S = 10.0


class DiskFull(JobFailed):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{DISK_FULL} at {path}.",
            "Set SAGEMAKER_VOLUME_GB to a larger number, or train on fewer records.",
        )


def main(arguments: List[str]) -> int:
    """Trains the job under /opt/ml.

    Returns:
        0 if a model is in model/, 1 if the cause of a failure is in output/failure, 2 for a command other
        than `train`.
    """
    if arguments not in ([], ["train"]):
        print(f"Unknown command: {' '.join(arguments)}. This image only has `train`.", file=sys.stderr)
        return BAD_COMMAND
    opt_ml = OptMl()
    stop = threading.Event()

    def on_sigterm(number: int, frame: Any) -> None:
        log("Stop requested: keeping the best model so far")
        stop.set()

    # Without a handler, Python as process 1 would ignore the signal and be killed two minutes later.
    signal.signal(signal.SIGTERM, on_sigterm)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its messages bury the progress lines
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would use the network
    if platform.machine().lower() in ("x86_64", "amd64"):
        # By default TensorFlow uses oneDNN only on the newest CPUs, and is much slower without it.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    crew: Optional[Crew] = None
    try:
        place = find_place(opt_ml.hosts())
        if place:
            os.environ.setdefault("NCCL_SOCKET_IFNAME", opt_ml.network_interface())  # between GPUs
            # The main thread may be waiting for the lost machine, in TensorFlow, for ever.
            crew = meet(place, lambda cause: os._exit(_fail(opt_ml, cause)))
        opt_ml.make_outputs()
        add_wheels(opt_ml.channel(CODE_CHANNEL))
        # Imported here so that a broken library is reported like any other failure.
        from .reading import read_inputs

        inputs = read_inputs(opt_ml)
        from .train import train  # imports TensorFlow, while forks decode the pictures

        train(opt_ml, stop, inputs, crew)
        if crew:
            crew.end()
    except DonkeySagemakerError as error:
        return _fail(opt_ml, f"{error.what} {error.fix}", crew=crew)
    except Exception as error:  # noqa: BLE001  (the last resort: any failure is reported)
        if crew and type(error).__name__ in PARTNER_ERRORS:
            time.sleep(PARTNER_WAIT_S)  # the process ends as soon as the cause arrives
        cause = describe_cause(error)
        if is_full_disk(error):
            full = DiskFull(getattr(error, "filename", None) or opt_ml.base)
            cause = f"{full.what} {full.fix}"
        # Exits at once: a file that HDF5 could not close would crash Python when the exception is freed.
        os._exit(_fail(opt_ml, cause, traceback.format_exc(), crew=crew))
    if crew:
        crew.close()
    return 0


def describe_cause(error: BaseException) -> str:
    """The exception in one line. TensorFlow 1 puts the whole traceback of an ImportError into another one."""
    while str(error).startswith("Traceback") and error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def is_full_disk(error: BaseException) -> bool:
    """Checks errno and, for libraries that do not set it (HDF5, TensorFlow), the message."""
    return getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)


def _fail(opt_ml: OptMl, cause: str, details: str = "", *, crew: Optional[Crew] = None) -> int:
    """Reports a failure. The cause comes first in the file, because SageMaker keeps only 1,024 characters."""
    if crew:
        crew.fail(cause)
    print(f"{details}{cause}", file=sys.stderr, flush=True)
    try:
        os.makedirs(os.path.dirname(opt_ml.failure), exist_ok=True)
        with open(opt_ml.failure, "w", encoding="utf-8") as file:
            file.write(f"{cause[:FAILURE_REASON_CHARS]}\n{details}")
    except OSError as error:
        print(f"The cause could not be written to {opt_ml.failure}: {error}", file=sys.stderr)
    return 1
