"""One process at a time launches a job, downloads an archive or swaps a model in one car.

This is an advisory lock on a file, which the system releases when its process ends, however it ends. The file
says who holds it. Windows has no such lock: there, nothing is locked.
"""

import contextlib
import json
import os
import sys
import time
from typing import IO, Any, Callable, Iterator, Optional

from ..untrusted_file import open_own
from ..untrusted_json import parse_json

if sys.platform != "win32":
    import fcntl

POLL_S = 0.2


class Lock:
    """A lock that this process holds. Windows has none: there, `file` is None.

    Args:
        purpose, on_wait, sleep: as for `hold_lock`.
    """

    def __init__(
        self,
        file: Optional[IO[bytes]],
        *,
        purpose: str,
        on_wait: Callable[[str], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._file = file
        self._purpose = purpose
        self._on_wait = on_wait
        self._sleep = sleep

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Other processes may hold it meanwhile. After an error, they still may."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        yield
        self.acquire()

    def acquire(self) -> None:
        if self._file is None:
            return
        is_reported = False
        while not _try_lock(self._file):
            if not is_reported:
                self._on_wait(_read_holder(self._file))
                is_reported = True
            self._sleep(POLL_S)
        self._file.seek(0)
        self._file.truncate()
        holder = {"process": os.getpid(), "purpose": self._purpose, "since": time.time()}
        self._file.write(json.dumps(holder).encode("utf-8"))
        self._file.flush()


@contextlib.contextmanager
def hold_lock(
    path: str,
    *,
    purpose: str,
    on_wait: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lock]:
    """Waits until no other process holds the lock, and holds it.

    Args:
        path: the lock's file; its folder exists.
        purpose: what the lock is held for, as "sagemaker-train".
        on_wait: called once, if another process holds it, with that process, as "process 123
            (sagemaker-train, since 12:00:00)".
    """
    if sys.platform == "win32":
        yield Lock(None, purpose=purpose, on_wait=on_wait, sleep=sleep)
        return
    with open_own(path) as file:
        lock = Lock(file, purpose=purpose, on_wait=on_wait, sleep=sleep)
        lock.acquire()
        yield lock  # closing the file releases the lock


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_holder(file: IO[bytes]) -> str:
    try:
        file.seek(0)
        holder: Any = parse_json(file.read(1000))
        since = time.strftime("%H:%M:%S", time.localtime(float(holder["since"])))
        return f"process {int(holder['process'])} ({str(holder['purpose'])[:40]}, since {since})"
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return "another process"
