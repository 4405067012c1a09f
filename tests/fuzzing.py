"""Runs a verb again and again over inputs of tests/mutations.py, and says what must never happen.

A test that fails names the seed of its input. `DONKEY_FUZZ_SEED=12 pytest tests/fuzz/...` repeats that one,
and DONKEY_FUZZ_TIMES=10 tries ten times as many.
"""

import contextlib
import io
import os
import random
import shutil
import signal
import stat
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.atomic import remove_path

LIMIT_S = 5
MEMORY_BYTES = 2**29  # more than any input may take
EXIT_CODES = (0, 1, 2, 3)
VICTIM = "precious"

needs_fence = pytest.mark.skipif(
    sys.version_info < (3, 8) or not sys.platform.startswith("linux"), reason="no audit hooks, or no /proc"
)

Check = Callable[[random.Random, List[str]], None]


class Hangs(BaseException):
    """No handler of errors catches it."""


class Escapes(BaseException):
    """Something outside of the car is about to be changed; this keeps it from being so."""


class Fence:
    """Stops every change outside of one folder, and every signal to another process, before it happens.

    Python reports each to an audit hook, which cannot be removed; so there is one, with a switch.
    """

    def __init__(self) -> None:
        self._inside: Tuple[str, ...] = ()
        if sys.version_info >= (3, 8):
            sys.addaudithook(self._look)

    @contextlib.contextmanager
    def around(self, *folders: str) -> Iterator[None]:
        self._inside = tuple(os.path.realpath(folder) + os.sep for folder in folders)
        try:
            yield
        finally:
            self._inside = ()

    def _look(self, event: str, arguments: Tuple[Any, ...]) -> None:
        if not self._inside:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & _WRITES:
            self._check(event, arguments[0], follow=not arguments[2] & os.O_NOFOLLOW)
        elif event == "os.kill" and arguments[1] != 0:
            raise Escapes(f"kill {arguments}")
        elif event in ("os.rename", "os.link"):
            self._check(event, arguments[1], follow=False)
            self._check(event, arguments[0], follow=False)
        elif event == "os.symlink":
            self._check(event, arguments[1], follow=False)
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"):
            if not isinstance(arguments[-1], int) or arguments[-1] == -1:  # otherwise relative to a folder
                self._check(event, arguments[0], follow=False)
        elif event in ("os.chmod", "os.truncate", "os.utime"):
            self._check(event, arguments[0], follow=True)

    def _check(self, event: str, path: Any, *, follow: bool) -> None:
        if isinstance(path, int):
            return
        path = os.path.abspath(os.fsdecode(path))
        folder, name = os.path.split(path)
        real = os.path.realpath(path) if follow else os.path.join(os.path.realpath(folder), name)
        if not (real + os.sep).startswith(self._inside) and not real.endswith((".pyc", "__pycache__")):
            if real != os.devnull and ".pyc." not in real:
                raise Escapes(f"{event} {path}")


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
fence = Fence()


def repeat(check: Check, count: int) -> None:
    """Runs a check with the dice of each seed from 0 on; it appends what it made to the list.

    Raises:
        AssertionError: with the seed, and what was made.
    """
    only = os.environ.get("DONKEY_FUZZ_SEED")
    count *= int(os.environ.get("DONKEY_FUZZ_TIMES", "1"))
    for seed in [int(only)] if only else range(count):
        made: List[str] = []
        try:
            with memory_limit(), time_limit(), usual_recursion():
                check(random.Random(f"{check.__name__} {seed}"), made)
        except (Exception, Hangs, Escapes, SystemExit) as error:  # noqa: BLE001
            where = traceback.format_tb(error.__traceback__)[-3:]
            what = [f"DONKEY_FUZZ_SEED={seed}", *made, *where, f"{type(error).__name__}: {error}"]
            raise AssertionError("\n".join(each[:1000] for each in what)) from None


@contextlib.contextmanager
def memory_limit() -> Iterator[None]:
    """Whoever reads a file without an end gets a MemoryError before this machine runs out of memory."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + MEMORY_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def usual_recursion() -> Iterator[None]:
    """That of Python: donkeycar's import raises the limit, and a command of ours does not import it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise Hangs(f"more than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


Described = Tuple[int, int, int]


def _describe(path: str) -> Described:
    """A file's mode, size and time; of a folder, which changes with its files, only that it is one."""
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        return status.st_mode, 0, 0
    return status.st_mode, status.st_size, status.st_mtime_ns


class Place:
    """A folder with a car in it, and files beside the car that nobody may touch.

    Attributes:
        car: the car's folder.
        victim: path of a file beside it.
    """

    def __init__(self, folder: Path, write_car: Callable[[Path], None]) -> None:
        self._folder = folder
        self.car = folder / "home" / "mycar"
        self._template = folder / "template"
        write_car(self._template)
        outside = folder / "outside"
        outside.mkdir()
        self.victim = str(outside / "victim")
        (outside / "victim").write_text(VICTIM)
        (outside / "pilot.tflite").write_text(VICTIM)
        (self._folder / "home").mkdir()
        (self._folder / "tmp").mkdir()
        self._temporary = str(self._folder / "tmp")
        self._before = self._look()
        self._written: Dict[str, Described] = {}

    @property
    def temporary(self) -> str:
        """The only other folder that may be written to; nothing stays in it."""
        return self._temporary

    def reset(self) -> None:
        """A car as it was written at first. Only what has changed since is written again: that is faster."""
        if not self._written:
            shutil.copytree(str(self._template), str(self.car))
            self._written = dict(self._list_car())
        found = dict(self._list_car())
        for name in sorted(found):
            if found[name] != self._written.get(name) and os.path.lexists(str(self.car / name)):
                remove_path(str(self.car / name))
        for name in sorted(self._written):
            source, target = self._template / name, self.car / name
            if os.path.lexists(str(target)):
                continue
            if source.is_dir():
                target.mkdir()
            else:
                shutil.copy2(str(source), str(target))
            self._written[name] = _describe(str(target))

    def _list_car(self) -> Iterator[Tuple[str, Described]]:
        for folder, folders, files in os.walk(str(self.car)):
            for name in folders + files:
                path = os.path.join(folder, name)
                yield os.path.relpath(path, str(self.car)), _describe(path)

    def run(self, *words: str) -> Tuple[int, str, str]:
        """(exit code, output, errors) of a verb in this car, none of which may look like a bug of ours."""
        out, err = io.StringIO(), io.StringIO()
        with self._fenced(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main(list(words), car_path=str(self.car))
            except SystemExit as end:  # of argparse
                code = int(end.code or 0)
        text = out.getvalue() + err.getvalue()
        assert code in EXIT_CODES, f"{words}: exit code {code}: {text}"
        assert "An unexpected error" not in text and "Traceback" not in text, f"{words}: {text}"
        odd = {each for each in text if not (each.isprintable() or each in "\n\t")}
        assert not odd, f"{words} prints {odd}"
        self.check_outside()
        return code, out.getvalue(), err.getvalue()

    def _fenced(self) -> Any:
        return fence.around(str(self.car), self._temporary)

    def check_outside(self) -> None:
        now = self._look()
        assert now == self._before, (
            f"outside of the car: {sorted(set(now.items()) ^ set(self._before.items()))}"
        )

    def _look(self) -> Dict[str, Described]:
        """Everything but the car: path -> mode, size and time of the change."""
        seen = {}
        for top in (self._folder / "outside", self._folder):
            for name in os.listdir(str(top)):
                path = top / name
                if path.name not in ("home", "tmp"):
                    seen[str(path)] = _describe(str(path))
        for name in os.listdir(str(self._folder / "home")) + os.listdir(self._temporary):
            if name != "mycar":
                seen[name] = (0, 0, 0)
        return seen
