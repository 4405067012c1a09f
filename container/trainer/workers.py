"""Processes that change pictures (augmentation) beside the training: Python alone would make it wait."""

import mmap
import multiprocessing
import os
import queue
import signal
import sys
from typing import Any, Callable, Optional, Tuple

import numpy as np

from donkey_sagemaker.errors import JobFailed

_ORPHANED_S = 5.0  # how often an idle worker looks whether the trainer is still there

Gather = Callable[[np.ndarray], np.ndarray]


class WorkerDied(JobFailed):
    def __init__(self, exit_code: Optional[int]) -> None:
        super().__init__(
            "A process that augments pictures ended in the middle of the training (exit code {}).".format(
                exit_code
            ),
            "Take a machine with more memory, or leave AUGMENTATIONS out.",
        )


def can_fork() -> bool:
    """Elsewhere a process would start with nothing, and libraries do not outlive a fork."""
    return sys.platform.startswith("linux")


class Workers:
    """So many processes, each of which makes a batch at a time.

    They are forks of this one: they see the pictures without a copy, and whatever else the trainer has
    made ready. A batch comes back through memory that both share. For use from several threads at once.

    Args:
        gather: numbers of pictures -> their pixels, changed, uint8; it may draw at random.
        largest: the most bytes that it returns.
    """

    def __init__(self, gather: Gather, *, largest: int, count: int) -> None:
        context = multiprocessing.get_context("fork")
        self._all = []
        self._free: "queue.Queue[Tuple[Any, Any, mmap.mmap]]" = queue.Queue()
        for _ in range(count):
            buffer = mmap.mmap(-1, largest)
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, buffer, gather), daemon=True)
            process.start()
            theirs.close()
            self._all.append(process)
            self._free.put((process, ours, buffer))

    def run(self, numbers: np.ndarray) -> np.ndarray:
        """What `gather` makes of them, in the first process that is free.

        Raises:
            WorkerDied
        """
        process, connection, buffer = worker = self._free.get()
        try:
            connection.send(numbers)
            made = connection.recv()
            if isinstance(made, Exception):
                raise made
            return np.frombuffer(buffer, np.uint8, int(np.prod(made))).reshape(made).copy()
        except (EOFError, ConnectionError) as error:
            process.join()
            raise WorkerDied(process.exitcode) from error
        finally:
            self._free.put(worker)

    def close(self) -> None:
        for process in self._all:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)  # Process.kill came with Python 3.7
            process.join()


def _serve(connection: Any, buffer: mmap.mmap, gather: Gather) -> None:
    """A worker's life: numbers come, pixels go into the shared memory, their shape is told."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the trainer is asked to stop, and ends us when it is done
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)  # its threads were not forked
    parent = os.getppid()
    try:
        while True:
            while not connection.poll(_ORPHANED_S):
                if os.getppid() != parent:
                    return
            numbers = connection.recv()
            try:
                pixels = gather(numbers)
                buffer[: pixels.nbytes] = pixels.tobytes()
                connection.send(pixels.shape)
            except Exception as error:  # noqa: BLE001  (an owner's own transformation may raise anything)
                connection.send(error)
    except (EOFError, OSError):  # the trainer is gone
        return
