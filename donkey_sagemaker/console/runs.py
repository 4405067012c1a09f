"""The commands that the console has started: a folder each, `.sagemaker/console/runs/ID`.

    request.json    what was started, and when
    output, errors  what the command prints
    progress.json   how far it is (progress_ui.py)
    result.json     its exit code, once it has ended
    alive           locked for as long as its process lives

All of it is on the disk, so a console that is started again, or a second one, shows the same.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..atomic import write_json
from ..car.car import Car
from ..child_process import ALIVE_NAME, is_alive, module_command
from ..errors import BadInput
from ..untrusted_file import open_own, read_file
from ..untrusted_json import parse_json

PROGRESS_NAME, RESULT_NAME = "progress.json", "result.json"
MOST_RUNNING = 4
KEPT = 20  # the newest ones; and the last result of each command and subject
TAIL_BYTES = 2**16  # of the output that is read

_ID = re.compile(r"[0-9a-f]{16}(-[a-z]{1,8})?")
_LIMIT = 2**20


class TooManyRuns(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"{MOST_RUNNING} commands are running already.",
            "Wait until one of them has ended, and try again.",
        )


class NoSuchRun(BadInput):
    def __init__(self) -> None:
        super().__init__("This console has no such command any more.", "Go back to the first page.")


class Run(NamedTuple):
    """One command, as it is now."""

    id: str
    words: List[str]  # the verb and its options
    title: str  # what it does, for a person
    subject: str  # what it is about, such as the path of a tub
    back: str  # the address of the page that shows its result
    started: float  # seconds since the epoch
    process: int
    code: Optional[int]  # None as long as it runs, and where its process was killed
    is_running: bool
    progress: Dict[str, Any]

    @property
    def verb(self) -> str:
        return self.words[0]

    @property
    def has_result(self) -> bool:
        """Whether it did what it was started for: the codes of a doctor say what it has found."""
        return self.code == 0 or self.verb == "doctor" and self.code in (2, 3)

    @property
    def trains(self) -> bool:
        """Whether it starts or watches a job."""
        return self.verb == "train" and "--dry-run" not in self.words


class Runs:
    """
    Args:
        car: whose commands these are.
    """

    def __init__(self, car: Car) -> None:
        self._car = car
        self.folder = car.state_path("console", "runs")

    def start(
        self, run_id: str, words: Sequence[str], *, title: str, subject: str = "", back: str = ""
    ) -> None:
        """Starts a command, once: a second tap on the same button finds its folder.

        Args:
            run_id: made by `new_id`.
        Raises:
            TooManyRuns, CannotWrite, OSError: nothing was started.
        """
        self._car.ensure_state()
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self._prune()
        folder = self._path(run_id)
        if os.path.isdir(folder):
            return
        if sum(run.is_running for run in self.all()) >= MOST_RUNNING:
            raise TooManyRuns
        os.mkdir(folder)
        try:
            child = _start_child(folder, words, car_path=self._car.path)
            request = {
                "words": list(words),
                "title": title,
                "subject": subject,
                "back": back,
                "started": time.time(),
                "process": child.pid,
            }
            _children.append(child)
            try:
                write_json(os.path.join(folder, "request.json"), request)
            except OSError:
                os.killpg(child.pid, signal.SIGKILL)  # nobody would see that it runs
                raise
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def read(self, run_id: str) -> Run:
        """
        Raises:
            NoSuchRun
        """
        _reap()
        folder = self._path(run_id)
        is_running = is_alive(folder)  # first: its result is written before it ends
        request = _read_json(os.path.join(folder, "request.json"))
        try:
            return Run(
                id=run_id,
                words=[str(word) for word in request["words"]] or [""],
                title=str(request["title"]),
                subject=str(request["subject"]),
                back=str(request["back"]),
                started=float(request["started"]),
                process=int(request["process"]),
                code=_read_json(os.path.join(folder, RESULT_NAME)).get("code"),
                is_running=is_running,
                progress=_read_json(os.path.join(folder, PROGRESS_NAME)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NoSuchRun from error

    def all(self) -> List[Run]:
        """All that can be read, the newest first."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        runs = []
        for name in filter(_ID.fullmatch, names):
            try:
                runs.append(self.read(name))
            except NoSuchRun:
                continue
        return sorted(runs, key=lambda run: run.started, reverse=True)

    def last(self, verb: str, *, subject: str = "") -> Optional[Run]:
        """The newest run of a command on that subject that has a result."""
        kind = (verb, subject)
        return next((run for run in self.all() if (run.verb, run.subject) == kind and run.has_result), None)

    def read_output(self, run: Run) -> str:
        """The end of what it has printed, its errors last."""
        return "".join(self._read_tail(run, name) for name in ("output", "errors"))

    def read_json(self, run: Run) -> Any:
        """What a command with --json has printed; None if it did not."""
        try:
            return parse_json(read_file(os.path.join(self._path(run.id), "output")))
        except (OSError, ValueError):
            return None

    def interrupt(self, run: Run) -> None:
        """Does what Ctrl-C in a terminal does: a job that runs is detached from, and continues."""
        if run.is_running and 1 < run.process < 2**31:  # a signal to any other number reaches several
            os.killpg(run.process, signal.SIGINT)

    def _read_tail(self, run: Run, name: str) -> str:
        try:
            with open(os.path.join(self._path(run.id), name), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _path(self, run_id: str) -> str:
        if not _ID.fullmatch(run_id):
            raise NoSuchRun
        return os.path.join(self.folder, run_id)

    def _prune(self) -> None:
        """Removes old runs, except for the last one of each kind: its result is still shown."""
        seen = set()
        for number, run in enumerate(self.all()):
            kind = (run.verb, run.subject)
            if number >= KEPT and not run.is_running and (kind in seen or not run.has_result):
                shutil.rmtree(self._path(run.id), ignore_errors=True)
            if run.has_result:
                seen.add(kind)


def _start_child(folder: str, words: Sequence[str], *, car_path: str) -> "subprocess.Popen[bytes]":
    with open_own(os.path.join(folder, ALIVE_NAME)) as alive, open(
        os.path.join(folder, "output"), "wb"
    ) as output, open(os.path.join(folder, "errors"), "wb") as errors:
        fcntl.flock(alive, fcntl.LOCK_EX)  # the child inherits it with the file, until it ends
        return subprocess.Popen(
            module_command(__package__ + ".run_child", folder, *words),
            cwd=car_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            pass_fds=[alive.fileno()],
            start_new_session=True,  # it goes on when the console ends
        )


_children: List["subprocess.Popen[bytes]"] = []


def _reap() -> None:
    """Collects the exit codes of children, so that none stays as a zombie."""
    _children[:] = [child for child in _children if child.poll() is None]


def new_id() -> str:
    return os.urandom(8).hex()


def _read_json(path: str) -> Dict[str, Any]:
    try:
        content = parse_json(read_file(path, max_bytes=_LIMIT))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
