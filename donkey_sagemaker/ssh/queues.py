"""The queues of a host: programs that run one job after the other, whoever has submitted it.

On the host only. Slurm where it is installed, as on the clusters of universities; otherwise task-spooler.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

_LABEL = re.compile(r"donkey-(?P<car>[0-9a-f]{12})-(?P<job>[A-Za-z0-9][A-Za-z0-9-]{0,62})")
_LIMIT_S = 60.0  # for a command of a queue
_CORES = 8  # of a job at most: a training of a donkeycar does not use more
_NICE = 100  # for each other job of the same car: as many jobs of other cars may overtake
_SPARE_MINUTES = 15  # of a time limit of Slurm: the job ends itself before


class QueueFailed(Exception):
    """What the queue's own program printed."""


class Entry(NamedTuple):
    """A job that has not ended."""

    id: str  # of the queue
    label: str
    is_running: bool

    @property
    def car(self) -> str:
        """Its car; empty for a job that is not of this program."""
        match = _LABEL.fullmatch(self.label)
        return match.group("car") if match else ""


def make_label(car: str, job: str) -> str:
    return f"donkey-{car}-{job}"


class Queue(ABC):
    name: str
    survives_reboot: bool  # otherwise whoever asks for a job that a reboot has ended submits it again

    @abstractmethod
    def entries(self) -> List[Entry]:
        """All jobs that have not ended: first those that run, then the others in the order of their turn.

        Raises:
            QueueFailed
        """

    @abstractmethod
    def submit(self, label: str, command: Sequence[str], *, limit_s: int) -> None:
        """Adds a job behind the others, but before the second job of a car that has one already.

        Args:
            limit_s: for which the job runs at most.
        Raises:
            QueueFailed
        """

    @abstractmethod
    def remove(self, entry: Entry) -> bool:
        """Removes a job that waits. Returns whether it was still waiting."""

    @abstractmethod
    def terminate(self, entry: Entry) -> None:
        """Sends a job that runs SIGTERM."""


class TaskSpooler(Queue):
    """A queue of this program's own, so that its number of slots can be set.

    Args:
        folder: of this program, where the queue's socket is.
    """

    name = "task-spooler"
    survives_reboot = False

    def __init__(self, program: str, folder: str, *, slots: int) -> None:
        self._program = program
        self._slots = slots
        self._environment = dict(os.environ, TS_SOCKET=os.path.join(folder, "queue"), TS_MAXFINISHED="50")

    def entries(self) -> List[Entry]:
        return parse_spooler_list(self._call("-l"))

    def submit(self, label: str, command: Sequence[str], *, limit_s: int) -> None:
        self._call("-S", str(self._slots))
        self._call("-n", "-L", label, *command)
        entries = self.entries()
        waiting = [entry for entry in entries if not entry.is_running]
        running = [entry for entry in entries if entry.is_running]
        new = next((entry for entry in waiting if entry.label == label), None)
        if new:
            for other in overtaken(new, waiting=waiting, running=running):
                self._call("-U", f"{new.id}-{other.id}")

    def remove(self, entry: Entry) -> bool:
        try:
            self._call("-r", entry.id)
        except QueueFailed:  # it has just started
            return False
        return True

    def terminate(self, entry: Entry) -> None:
        os.kill(int(self._call("-p", entry.id)), signal.SIGTERM)  # not its children: the job stops them

    def _call(self, *arguments: str) -> str:
        return _call([self._program, *arguments], environment=self._environment)


def overtaken(new: Entry, *, waiting: Sequence[Entry], running: Sequence[Entry]) -> List[Entry]:
    """The jobs that a new one at the end of the queue swaps places with, one after the other.

    Cars take turns: nobody's second job runs before another car's first one.
    """

    def rank(place: int) -> int:
        before = [*running, *waiting[:place]]
        return sum(entry.car == waiting[place].car for entry in before)

    place = waiting.index(new)
    own, passed = rank(place), []
    while place and rank(place - 1) > own and waiting[place - 1].car:
        place -= 1
        passed.append(waiting[place])
    return passed


def parse_spooler_list(text: str) -> List[Entry]:
    """Of `tsp -l`."""
    entries = []
    for line in text.splitlines():
        match = re.match(r"(\d+)\s+(running|queued|allocating)\s", line)
        if match:
            label = re.search(r"\[(donkey-[0-9A-Za-z-]+)\]", line)
            entries.append(
                Entry(match.group(1), label.group(1) if label else "", match.group(2) == "running")
            )
    return sorted(entries, key=lambda entry: not entry.is_running)


class Slurm(Queue):
    """Slurm's own partition, limits and fair share count; the owner can set SBATCH_PARTITION and the like."""

    name = "Slurm"
    survives_reboot = True

    def entries(self) -> List[Entry]:
        return parse_slurm_list(_call(["squeue", "--noheader", "--sort=-p,i", "--format=%i %t %j"]))

    def submit(self, label: str, command: Sequence[str], *, limit_s: int) -> None:
        nodes = _call(["sinfo", "--noheader", "--Node", "--format=%c %G"])
        car = Entry("", label, False).car
        others = sum(entry.car == car for entry in self.entries())
        options = slurm_options(label, nodes, limit_s=limit_s, others=others)
        script = "#!/bin/sh\nexec " + " ".join(map(shlex.quote, command)) + "\n"
        _call(["sbatch", *options], text=script)

    def remove(self, entry: Entry) -> bool:
        _call(["scancel", "--state=PENDING", entry.id])
        return not any(other.id == entry.id for other in self.entries())

    def terminate(self, entry: Entry) -> None:
        _call(["scancel", "--batch", "--signal=TERM", entry.id])


def slurm_options(label: str, nodes: str, *, limit_s: int, others: int) -> List[str]:
    """Of sbatch: one job for each GPU, or for a set of cores.

    Args:
        nodes: cores and devices of each node, as sinfo prints them with "%c %G".
        others: how many jobs of the same car have not ended.
    """
    shares: List[Tuple[int, int]] = []  # (cores for each job, GPUs) by node
    for line in nodes.splitlines():
        cores, _, devices = line.partition(" ")
        gpus = sum(map(int, re.findall(r"gpu(?::[\w.-]+)?:(\d+)", devices)))
        shares.append((int(cores.rstrip("+")) // max(1, gpus), gpus))
    has_gpus = any(gpus for _cores, gpus in shares)
    usable = [each for each, gpus in shares if gpus or not has_gpus]
    return [
        "--parsable",
        "--requeue",
        f"--job-name={label}",
        "--output=/dev/null",
        "--open-mode=append",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={max(1, min([_CORES, *usable]))}",
        f"--time={limit_s // 60 + _SPARE_MINUTES}",
        f"--nice={_NICE * others}",
        *(["--gres=gpu:1"] if has_gpus else []),
    ]


def parse_slurm_list(text: str) -> List[Entry]:
    """Of squeue: id, state and name. A job that is completing has no work to do any more."""
    entries = []
    for line in text.splitlines():
        words = line.split(None, 2)
        if len(words) == 3:
            entries.append(Entry(words[0], words[2].strip(), words[1] not in ("PD", "RQ", "RH", "RD")))
    return sorted(entries, key=lambda entry: not entry.is_running)


def find_queue(folder: str, *, slots: int) -> Optional[Queue]:
    """The queue of this host; None if it has none.

    Args:
        folder: of this program.
        slots: how many jobs may run at once, where the queue does not know that itself.
    """
    if shutil.which("sbatch") and shutil.which("squeue"):
        return Slurm()
    for name in ("tsp", "ts"):  # ts may be another program, which puts the time in front of lines
        program = shutil.which(name)
        if program and "task queue" in _version_of(program):
            return TaskSpooler(program, folder, slots=slots)
    return None


def _version_of(program: str) -> str:
    try:
        return _call([program, "-V"])
    except QueueFailed:
        return ""


def _call(command: List[str], *, text: str = "", environment: Optional[Dict[str, str]] = None) -> str:
    """
    Raises:
        QueueFailed
    """
    try:
        done = subprocess.run(
            command,
            input=text.encode("utf-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise QueueFailed(f"{command[0]} did not answer for {_LIMIT_S:.0f} s") from error
    except OSError as error:
        raise QueueFailed(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise QueueFailed(f"{os.path.basename(command[0])}: {lines[-1] if lines else done.returncode}")
    return done.stdout.decode(sys.getfilesystemencoding(), "replace")
