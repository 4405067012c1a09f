"""Forks of the trainer, which work beside it: threads of Python would make each other wait."""

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

_ORPHANED_S = 5.0  # how often a fork looks whether the trainer is still there

Gather = Callable[[np.ndarray], np.ndarray]


class WorkerDied(JobFailed):
    def __init__(self, exit_code: Optional[int]) -> None:
        super().__init__(
            f"A process that prepares pictures ended before it was done (exit code {exit_code}).",
            "Take a machine with more memory.",
        )


def can_fork() -> bool:
    """Elsewhere a process would start with nothing, and libraries do not outlive a fork."""
    return sys.platform.startswith("linux")


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Fork:
    """One call of a function in a process of its own, while this one goes on."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._process, self._connection = _start(_work, work)

    def result(self) -> Any:
        """What the function returns, as soon as it does.

        Raises:
            WorkerDied, and what the function raises.
        """
        made = _receive(self._process, self._connection)
        self._process.join()
        return made


def _work(connection: Any, work: Callable[[], Any]) -> None:
    try:
        made = work()
    except Exception as error:  # noqa: BLE001  (it is the other process that can deal with it)
        made = error
    connection.send(made)


class Workers:
    """So many processes, each of which makes a batch at a time.

    They are forks of this one: they see the pictures without a copy, and whatever else the trainer has
    made ready. A batch comes back through memory that both share. For use from several threads at once.

    Args:
        gather: numbers of pictures -> their pixels, changed, uint8; it may draw at random.
        largest: the most bytes that it returns.
    """

    def __init__(self, gather: Gather, *, largest: int, count: int) -> None:
        self._all = []
        self._free: "queue.Queue[Tuple[Any, Any, mmap.mmap]]" = queue.Queue()
        for _ in range(count):
            buffer = mmap.mmap(-1, largest)
            process, connection = _start(_serve, buffer, gather)
            self._all.append(process)
            self._free.put((process, connection, buffer))

    def run(self, numbers: np.ndarray) -> np.ndarray:
        """What `gather` makes of them, in the first process that is free.

        Raises:
            WorkerDied
        """
        process, connection, buffer = worker = self._free.get()
        try:
            with contextlib.suppress(ConnectionError):  # then there is nothing to receive
                connection.send(numbers)
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
    """A worker's life: numbers come, pixels go into the shared memory, their shape is told."""
    while True:
        numbers = connection.recv()
        try:
            pixels = gather(numbers)
            buffer[: pixels.nbytes] = pixels.tobytes()
            connection.send(pixels.shape)
        except Exception as error:  # noqa: BLE001  (an owner's own transformation may raise anything)
            connection.send(error)


def _receive(process: Any, connection: Any) -> Any:
    """What a fork sends next; what it could not do is raised here."""
    try:
        made = connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise WorkerDied(process.exitcode) from error
    if isinstance(made, Exception):
        raise made
    return made


def _start(target: Callable[..., None], *arguments: Any) -> Tuple[Any, Any]:
    """A fork that runs `target(its end of a connection, *arguments)`, and our end."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_live, args=(os.getpid(), target, theirs) + arguments, daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _live(parent: int, target: Callable[..., None], connection: Any, *arguments: Any) -> None:
    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(_ORPHANED_S)
        os._exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the trainer is asked to stop, and ends us when it is done
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)  # its threads were not forked
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        target(connection, *arguments)
    except (EOFError, OSError):  # the trainer is gone
        return
