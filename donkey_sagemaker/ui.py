"""What the user sees: progress bars on a terminal, plain lines elsewhere."""

import builtins
import contextlib
import itertools
import math
import sys
import time
from typing import Any, Callable, Iterator, List, Mapping, Sequence

from .contract import Progress, Step
from .loss_curve import draw_curves

Advance = Callable[..., None]  # (count, note="")
CURVE_WIDTH, CURVE_ROWS = 60, 8  # letters
NARROWEST = 60  # letters, of a terminal that has room for a bar
QUIET_S = 10  # between two lines of a progress bar where there is no terminal


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

    def print(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a closed terminal must not stop the work
            builtins.print(printable(text, sys.stdout), flush=True)

    @property
    def width(self) -> int:
        """Of the terminal, in letters; 0 where there is none."""
        return 0

    def warn(self, text: str) -> None:
        self.print("Warning: " + text)

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str] = {}
    ) -> None:
        """
        Args:
            styles: cell -> its colour, in rich's words.
        """
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        for row in [head, *rows]:
            self.print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())

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
        done, printed = 0, time.monotonic()

        def advance(count: int, note: str = "") -> None:
            nonlocal done, printed
            done += count
            if time.monotonic() - printed > QUIET_S:
                printed = time.monotonic()
                self.print(f"{title}: {done} of {total}{note and ', ' + note}")

        yield advance

    @contextlib.contextmanager
    def epochs(self) -> Iterator["EpochDisplay"]:
        """Shows how a training gets on."""
        yield EpochDisplay(self)


class EpochDisplay:
    """A line for each epoch, and for each step that the trainer reports."""

    def __init__(self, ui: PlainUi) -> None:
        self.ui = ui

    def show_epoch(self, progress: Progress, note: str) -> None:
        """A finished epoch, with a note such as the cost so far."""
        self.ui.print(f"{describe_epoch(progress)}, {describe_rest(progress, note)}")

    def show_step(self, step: Step, note: str) -> None:
        """How far the running epoch is."""
        self.ui.print(describe_step(step, note))


class RichUi(PlainUi):
    """The same lines, with bars below them while something takes time."""

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console

        self._console = console or Console(highlight=False)

    def print(self, text: str) -> None:
        text = printable(text, self._console.file)
        self._console.print(text, markup=False, emoji=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        text = printable(text, self._console.file)
        self._console.print("Warning: " + text, style="yellow", markup=False, emoji=False, soft_wrap=True)

    @property
    def width(self) -> int:
        return int(self._console.width)

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str] = {}
    ) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_edge=False, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for title in head:
            table.add_column(Text(printable(title, self._console.file)))
        for row in rows:
            cells = [printable(cell, self._console.file) for cell in row]
            table.add_row(*[Text(cell, style=styles.get(cell, "")) for cell in cells])
        self._console.print(table)

    @property
    def _can_draw(self) -> bool:
        """Otherwise bars would be broken or full of question marks; lines are always readable."""
        console = self._console
        is_wide = console.width >= NARROWEST
        return is_wide and not console.is_dumb_terminal and console.encoding.startswith("utf")

    def ask(self, question: str) -> bool:
        return self.ask_for(question + " [y/N]").lower() in ("y", "yes")

    def ask_for(self, question: str) -> str:
        try:
            return self._console.input(question + " ", markup=False, emoji=False).strip()
        except EOFError:  # standard input is not a terminal
            return ""

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        if not self._can_draw:
            with super().bar(title, total) as advance:
                yield advance
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(title, total=total, note="")
            yield lambda count, note="": bars.update(task, advance=count, note=note)

    @contextlib.contextmanager
    def epochs(self) -> Iterator[EpochDisplay]:
        """A line for each epoch, short enough for 80 letters; below them the curve, and what happens now."""
        from rich.live import Live
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bars

        if not self._can_draw:
            yield EpochDisplay(self)
            return
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20)
        bars = Bars(*columns, console=self._console)
        with Live(bars, console=self._console, transient=True) as live:
            yield _LiveEpochs(self, bars, live)

    def curve(self, seen: List[Progress]) -> Iterator[Any]:
        """Rows of the loss curve, where the terminal has room for it."""
        from rich.text import Text

        if self._console.height < 2 * CURVE_ROWS:
            return
        loss, val_loss = [one.loss for one in seen], [one.val_loss for one in seen]
        width = min(CURVE_WIDTH, self._console.width - 10)
        rows = draw_curves(loss, val_loss, width=width, height=CURVE_ROWS)
        highest = max((value for value in loss + val_loss if math.isfinite(value)), default=0.0)
        labels = [f"{highest:.4f}"] + [""] * (CURVE_ROWS - 2) + ["0"]
        for label, row in zip(labels, rows):
            text = Text(f"{label:>8} ")
            for is_validation, letters in itertools.groupby(row, key=lambda letter: letter.is_validation):
                style = "cyan" if is_validation else "bright_black"
                text.append("".join(letter.text for letter in letters), style=style)
            yield text
        yield Text.assemble(
            " " * 9, ("validation", "cyan"), " and ", ("training", "bright_black"), " loss by epoch"
        )


class _LiveEpochs(EpochDisplay):
    """The curve and a bar, which stay below what is printed."""

    def __init__(self, ui: RichUi, bars: Any, live: Any) -> None:
        self.ui = ui
        self._rich, self._bars, self._live = ui, bars, live
        self._task = bars.add_task("preparing", total=None)
        self._seen: List[Progress] = []

    def show_epoch(self, progress: Progress, note: str) -> None:
        from rich.console import Group

        self._seen.append(progress)
        self.ui.print(describe_epoch(progress))
        description = f"epoch {progress.epoch}/{progress.epochs}, {describe_rest(progress, note)}"
        self._bars.update(
            self._task, total=progress.epochs, completed=progress.epoch, description=description
        )
        self._live.update(Group(*self._rich.curve(self._seen), self._bars))

    def show_step(self, step: Step, note: str) -> None:
        completed = step.epoch - 1 + step.batch / max(step.batches, 1)
        self._bars.update(
            self._task, total=step.epochs, completed=completed, description=describe_step(step, note)
        )


def printable(text: str, stream: Any) -> str:
    """The text without what would steer the terminal, in letters that the stream's encoding has.

    Names, logs and messages come from tubs, buckets and models that anybody may have written.
    """
    clean = "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return clean.encode(encoding, "replace").decode(encoding)


def make_ui() -> PlainUi:
    """Bars where there is a terminal to draw them on."""
    return RichUi() if sys.stdout.isatty() else PlainUi()


def describe_epoch(progress: Progress) -> str:
    best = " (best)" if progress.val_loss <= progress.best_val_loss else "       "
    return (
        f"epoch {progress.epoch:>3}/{progress.epochs}  loss {progress.loss:.4f}  "
        f"validation {progress.val_loss:.4f}{best}  {format_seconds(progress.seconds)}"
    )


def describe_rest(progress: Progress, note: str) -> str:
    left_s = (progress.epochs - progress.epoch) * progress.seconds
    rest = f"at most {format_seconds(left_s)} left" if left_s else "the model is written next"
    return f"{rest}{note and ', ' + note}"


def describe_step(step: Step, note: str) -> str:
    return (
        f"epoch {step.epoch}/{step.epochs}: {100 * step.batch // max(step.batches, 1)} %, "
        f"{step.images_per_s:.0f} pictures/s, {format_seconds(step.left_s)} left in it{note and ', ' + note}"
    )


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
    return f"{count / 1e9:.1f} GB"
