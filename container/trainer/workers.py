"""Forks of the trainer that work in parallel. Python's threads would wait for each other."""

import contextlib
import mmap
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from typing import Any, Callable, Optional, Tuple

import numpy as np

from donkey_sagemaker.errors import JobFailed

_PARENT_CHECK_S = 5.0  # how often a fork checks that the trainer is still running

Gather = Callable[..., np.ndarray]


class WorkerDied(JobFailed):
    def __init__(self, exit_code: Optional[int]) -> None:
        super().__init__(
            f"A process that prepares pictures ended early (exit code {exit_code}).",
            "Set SAGEMAKER_INSTANCE_TYPE to a machine with more memory.",
        )


def can_fork() -> bool:
    """True on Linux. Elsewhere a new process starts without our data, or libraries break in a fork."""
    return sys.platform.startswith("linux")


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Fork:
    """One call of a function in a separate process, while this one continues."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._process, self._connection = _start(_work, work)

    def result(self) -> Any:
        """Waits for the function and returns its result.

        Raises:
            WorkerDied, and anything that the function raises.
        """
        made = _receive(self._process, self._connection)
        self._process.join()
        return made


def _work(connection: Any, work: Callable[[], Any]) -> None:
    try:
        made = work()
    except Exception as error:  # noqa: BLE001  (the other process handles it)
        made = error
    connection.send(made)


class Workers:
    """Several processes that each make one batch at a time, for use from several threads.

    They are forks of this one, so they see the pictures, and everything else that the trainer has prepared,
    without a copy. A batch comes back through shared memory.

    Args:
        gather: numbers of pictures, and whatever else `run` is given -> their changed pixels, uint8.
        largest: the most bytes that `gather` returns.
    """

    def __init__(self, gather: Gather, *, largest: int, count: int) -> None:
        self._all = []
        self._free: "queue.Queue[Tuple[Any, Any, mmap.mmap]]" = queue.Queue()
        for _ in range(count):
            buffer = mmap.mmap(-1, largest)
            process, connection = _start(_serve, buffer, gather)
            self._all.append(process)
            self._free.put((process, connection, buffer))

    def run(self, *arguments: Any) -> np.ndarray:
        """The result of `gather`, from the first process that is free.

        Raises:
            WorkerDied
        """
        process, connection, buffer = worker = self._free.get()
        try:
            with contextlib.suppress(ConnectionError):  # then _receive raises WorkerDied
                connection.send(arguments)
            shape = _receive(process, connection)
            return np.frombuffer(buffer, np.uint8, int(np.prod(shape))).reshape(shape).copy()
        finally:
            self._free.put(worker)

    def close(self) -> None:
        for process in self._all:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)  # Process.kill came with Python 3.7
            process.join()


def _serve(connection: Any, buffer: mmap.mmap, gather: Gather) -> None:
    """Receives arguments of `gather`, puts the pixels into the shared memory, and sends back the shape."""
    while True:
        arguments = connection.recv()
        try:
            pixels = gather(*arguments)
            buffer[: pixels.nbytes] = pixels.tobytes()
            connection.send(pixels.shape)
        except Exception as error:  # noqa: BLE001  (an owner's own transformation may raise anything)
            connection.send(error)


def _receive(process: Any, connection: Any) -> Any:
    """What a fork sends next. If it is an exception, it is raised here."""
    try:
        made = connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise WorkerDied(process.exitcode) from error
    if isinstance(made, Exception):
        raise made
    return made


def _start(target: Callable[..., None], *arguments: Any) -> Tuple[Any, Any]:
    """Starts a fork that runs `target(connection, *arguments)`; returns it and the connection's other end."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(os.getpid(), target, theirs) + arguments, daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _run(parent: int, target: Callable[..., None], connection: Any, *arguments: Any) -> None:
    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the trainer itself handles them, and then ends the forks
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)  # a fork has no threads but its own
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        target(connection, *arguments)
    except (EOFError, OSError):  # the trainer has ended
        return
