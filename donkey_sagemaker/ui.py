"""What the user sees: progress bars on a terminal, plain lines elsewhere."""

import contextlib
import sys
from typing import Callable, Iterator

from .contract import Progress

Advance = Callable[[int], None]


class PlainUi:
    """One line for each thing that happened: for logs, pipes and dumb terminals."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def warn(self, text: str) -> None:
        print("Warning: " + text, flush=True)

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """Counts up to `total` of whatever the title names; call the function it gives with each step."""
        yield lambda count: None

    @contextlib.contextmanager
    def epochs(self) -> Iterator[Callable[[Progress], None]]:
        """Shows each epoch as it ends."""
        yield lambda progress: self.say(describe_epoch(progress))


class RichUi(PlainUi):
    """The same lines, with bars below them while something takes time."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._console.print("Warning: " + text, style="yellow", markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(title, total=total)
            yield lambda count: bars.advance(task, count)

    @contextlib.contextmanager
    def epochs(self) -> Iterator[Callable[[Progress], None]]:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        with Bars(
            TextColumn("{task.description}"), BarColumn(), console=self._console, transient=True
        ) as bars:
            task = bars.add_task("waiting for the first epoch", total=None, start=False)

            def show(progress: Progress) -> None:
                self.say(describe_epoch(progress))
                bars.start_task(task)
                bars.update(
                    task,
                    total=progress.epochs,
                    completed=progress.epoch,
                    description="epoch {0.epoch}/{0.epochs}".format(progress),
                )

            yield show


def make_ui() -> PlainUi:
    """Bars where there is a terminal to draw them on."""
    return RichUi() if sys.stdout.isatty() else PlainUi()


def describe_epoch(progress: Progress) -> str:
    is_best = progress.val_loss <= progress.best_val_loss
    line = "epoch {0.epoch:>3}/{0.epochs}  loss {0.loss:.4f}  validation {0.val_loss:.4f}{1}  "
    line += "{2}, at most {3} left"
    return line.format(
        progress,
        " (best)" if is_best else "       ",
        format_seconds(progress.seconds),
        format_seconds((progress.epochs - progress.epoch) * progress.seconds),
    )


def format_seconds(seconds: float) -> str:
    if seconds < 99:
        return "{:.0f} s".format(seconds)
    return "{:.0f} min".format(seconds / 60) if seconds < 99 * 60 else "{:.1f} h".format(seconds / 3600)


def format_bytes(count: int) -> str:
    return "{:.1f} MB".format(count / 1e6) if count >= 1e5 else "{:.1f} kB".format(count / 1e3)
