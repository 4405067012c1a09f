"""What the user sees: lines, and on a terminal also colour, tables, bars and links (rich_ui.py)."""

import builtins
import contextlib
import math
import os
import re
import sys
import textwrap
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

from .contract import Progress, Step

Advance = Callable[..., None]  # (count, note="")
QUIET_S = 4.0  # without a line, while something takes time; then the next one says what takes so long

PROGRESS_VARIABLE = "DONKEY_PROGRESS"  # the path of the file that progress_ui.py writes

# Styles, in rich's words
GOOD, BAD, WARNING, DRIVE, FAINT = "green", "bold red", "yellow", "bold cyan", "bright_black"


class Rate:
    """How many bytes a second are transferred, as a note beside a progress bar."""

    def __init__(self) -> None:
        self.bytes = 0
        self._started = time.monotonic()

    def add(self, count: int) -> str:
        self.bytes += count
        return self.note()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def note(self) -> str:
        return f"{self.bytes / 1e6 / max(self.seconds, 1e-3):.1f} MB/s"


class PlainUi:
    """One line for each thing that happened: for logs, pipes and dumb terminals."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()

    def print(self, text: str, *, style: str = "", link: str = "", hang: int = 0) -> None:
        """
        Args:
            style: the colour where there is one: GOOD, BAD, ...
            link: an address to open with a click, where the terminal can.
            hang: how far a line that continues the first one is indented, where lines are wrapped.
        """
        self._printed_at = time.monotonic()
        with contextlib.suppress(OSError):  # a closed terminal must not stop the work
            builtins.print(printable(text, sys.stdout), flush=True)

    @property
    def width(self) -> int:
        """Of the terminal, in letters; 0 where there is none."""
        return 0

    def warn(self, text: str) -> None:
        self.print("Warning: " + text, style=WARNING)

    def print_exactly(self, text: str, *, style: str = "") -> None:
        """What is to be copied, or read by a program: its lines are never wrapped."""
        self.print(text, style=style)

    def print_command(self, command: str) -> None:
        """A line to type."""
        self.print_exactly("  " + command, style=DRIVE)

    def print_links(self, links: Sequence[Tuple[str, str]]) -> None:
        """Pages of other programs.

        Args:
            links: (what it is, its address).
        """
        for title, address in links:
            self.print(f"{title}: {address}")

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str] = {}
    ) -> None:
        """
        Args:
            styles: cell -> its colour.
        """
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        for row in [head, *rows]:
            self.print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())

    def bell(self) -> None:
        """Where nobody looks at a terminal, nobody hears it."""

    def ask(self, question: str) -> bool:
        """A yes or no from the user; no where nobody can answer."""
        return False

    def ask_for(self, question: str) -> str:
        """A line typed by the user; empty where nobody can answer."""
        return ""

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """Counts up to `total` of what the title names. Call the function that it yields with each step.

        The note, such as a rate, is shown beside the count. Several threads may call it.
        """
        done, last_note = 0, ""

        def describe() -> str:
            return f"{title}: {done} of {total}{last_note and ', ' + last_note}"

        def advance(count: int, note: str = "") -> None:
            nonlocal done, last_note
            done, last_note = done + count, note
            self._break_silence(describe)

        with self._never_silent(describe):
            yield advance

    @contextlib.contextmanager
    def busy(self, title: str) -> Iterator[None]:
        """While something takes time that nobody can count."""
        clock = Clock()
        with self._never_silent(lambda: f"{title} ({clock})"):
            yield

    @contextlib.contextmanager
    def epochs(self) -> Iterator["EpochDisplay"]:
        """Shows how a training gets on."""
        display = EpochDisplay(self)
        with self._never_silent(display.describe_activity):
            yield display

    def _break_silence(self, describe: Callable[[], str]) -> None:
        if time.monotonic() - self._printed_at > QUIET_S:
            self.print(describe())

    @contextlib.contextmanager
    def _never_silent(self, describe: Callable[[], str]) -> Iterator[None]:
        """Prints what goes on whenever nothing else was printed for some seconds."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.25):
                self._break_silence(describe)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class Clock:
    """How long something has taken, as text."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __str__(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class EpochDisplay:
    """A line for each epoch, for each step that the trainer reports, and for what takes long."""

    def __init__(self, ui: PlainUi) -> None:
        self.ui = ui
        self._activity = self._note = ""
        self._clock = Clock()

    def show_activity(self, activity: str, note: str) -> None:
        """What the job does now, in a few words, with a note such as the time that is left."""
        if activity != self._activity:
            self._activity, self._clock = activity, Clock()
        self._note = note

    def describe_activity(self) -> str:
        return f"{self._activity} ({self._clock}){self._note and ', ' + self._note}"

    def show_epoch(self, progress: Progress, note: str) -> None:
        """A finished epoch, with a note such as the cost so far."""
        self.ui.print(f"{describe_epoch(progress)}{note and ', ' + note}")

    def show_step(self, step: Step, note: str) -> None:
        """How far the running epoch is."""
        self.ui.print(f"{describe_step(step)}{note and ', ' + note}")


def printable(text: str, stream: Any) -> str:
    """The text without what would steer the terminal, in letters that the stream's encoding has.

    Names, logs and messages come from tubs, buckets and models that anybody may have written.
    """
    clean = "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean.encode(encoding, "replace").decode(encoding)


def wrap(text: str, width: int, *, hang: int = 0) -> str:
    """The text with lines that end between words. What is in backticks stays on one line, to be copied.

    Args:
        hang: how far the lines are indented that continue one; otherwise as that one is.
    """
    wrapped: List[str] = []
    for line in text.split("\n"):
        if len(line) <= width:
            wrapped.append(line)
            continue
        indent = hang or len(line) - len(line.lstrip())
        joined = re.sub("`[^`]*`", lambda match: match.group().replace(" ", "\xa0"), line)
        wrapped += textwrap.wrap(
            joined,
            width,
            subsequent_indent=" " * min(indent, width // 3),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(wrapped).replace("\xa0", " ")


def make_ui() -> PlainUi:
    """Bars where there is a terminal to draw them on; lines and a file for a program that asks for one."""
    progress_path = os.environ.pop(PROGRESS_VARIABLE, "")  # not for the command's own child processes
    if progress_path:
        from .progress_ui import ProgressUi

        return ProgressUi(progress_path)
    if not sys.stdout.isatty():
        return PlainUi()
    from .rich_ui import RichUi

    return RichUi()


def without_nan(values: Mapping[str, Any]) -> Dict[str, Any]:
    """For JSON, which has neither NaN, such as the loss of a training that has diverged, nor infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def is_best(progress: Progress) -> bool:
    return progress.val_loss <= progress.best_val_loss


def describe_epoch(progress: Progress) -> str:
    best = " (best)" if is_best(progress) else "       "
    return (
        f"epoch {progress.epoch:>3}/{progress.epochs}  loss {progress.loss:.4f}  "
        f"validation {progress.val_loss:.4f}{best}  {format_seconds(progress.seconds)}"
    )


def describe_step(step: Step) -> str:
    percent = 100 * step.batch // max(step.batches, 1)
    return f"epoch {step.epoch}/{step.epochs}: {percent} %, {step.images_per_s:.0f} pictures/s"


def format_count(count: int, what: str) -> str:
    """As "1 epoch" or "3 epochs"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def format_seconds(seconds: float) -> str:
    if seconds < 99:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99 * 60 else f"{seconds / 3600:.1f} h"


def format_time(seconds: float) -> str:
    """Local date and time, of seconds since the epoch; empty for a time that no calendar has."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if 0 < seconds < 2**35 else ""


def format_usd(usd: float) -> str:
    return f"{usd:.3f} USD" if usd < 1 else f"{usd:.2f} USD"


def format_bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def format_gigabytes(count: int) -> str:
    """Of less than a gigabyte the megabytes: no disk is empty because it has 0.0 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
