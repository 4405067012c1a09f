"""What a terminal shows: colour, tables, bars, the loss curve, links. Respects NO_COLOR, as rich does."""

import contextlib
import itertools
import math
import os
import sys
import time
from typing import Any, Iterator, List, Mapping, Sequence, Tuple

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.style import Style
from rich.table import Table
from rich.text import Text

from .contract import Progress, Step
from .loss_curve import draw_curves
from .ui import (
    FAINT,
    GOOD,
    Advance,
    EpochDisplay,
    PlainUi,
    describe_epoch,
    describe_step,
    is_best,
    printable,
    wrap,
)

CURVE_WIDTH, CURVE_ROWS = 60, 8  # letters
NARROWEST = 60  # letters, of a terminal that has room for a bar
GAP = 2  # letters between two columns of a table

# How terminals show that they make a link of OSC 8. Others would show the words, and nobody saw the address.
_LINKING = {
    "TERM_PROGRAM": ("iTerm.app", "WezTerm", "vscode", "Hyper", "ghostty", "rio"),
    "TERM": ("xterm-kitty", "alacritty", "foot", "xterm-ghostty"),
}
_LINKING_NAMES = ("WT_SESSION", "KONSOLE_VERSION", "DOMTERM")
_OLDEST_VTE = 5000  # GNOME Terminal and its relatives; older ones show nonsense


def can_link(environment: Mapping[str, str]) -> bool:
    """Whether this terminal opens a link with a click."""
    vte = environment.get("VTE_VERSION", "")
    return (
        any(environment.get(name) in values for name, values in _LINKING.items())
        or any(environment.get(name) for name in _LINKING_NAMES)
        or (vte.isdigit() and int(vte) >= _OLDEST_VTE)
    )


class RichUi(PlainUi):
    """The same lines, in colour and wrapped between words, with bars below them while something goes on."""

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        self._console = console or Console(highlight=False)
        self._links = can_link(os.environ)

    def print(self, text: str, *, style: str = "", link: str = "", hang: int = 0) -> None:
        text = wrap(printable(text, self._console.file), self._console.width, hang=hang)
        self._write(text, style=style, link=link)

    @property
    def width(self) -> int:
        return int(self._console.width)

    def print_exactly(self, text: str, *, style: str = "") -> None:
        self._write(printable(text, self._console.file), style=style)

    def _write(self, text: str, *, style: str, link: str = "") -> None:
        self._printed_at = time.monotonic()
        address = link if self._links and link.isprintable() else None
        with contextlib.suppress(OSError):  # a closed terminal must not stop the work
            self._console.print(
                Text(text, style=Style.parse(style) + Style(link=address)), soft_wrap=True, highlight=False
            )

    def print_links(self, links: Sequence[Tuple[str, str]]) -> None:
        if not self._links:
            super().print_links(links)
        for title, address in links if self._links else ():
            self.print(title, style="underline", link=address)

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Mapping[str, str] = {}
    ) -> None:
        """Only its widest column is wrapped. Where even that has no room, each row becomes a few lines."""
        cells = [[printable(cell, self._console.file) for cell in row] for row in [head, *rows]]
        columns = list(zip(*cells))
        widths = [max(map(len, column)) for column in columns]
        widest = widths.index(max(widths))
        longest = max((len(word) for cell in columns[widest] for word in cell.split()), default=0)
        others = sum(widths) - widths[widest] + GAP * (len(head) - 1)
        if others + longest > self._console.width:
            self._print_blocks(cells, styles)
            return
        table = Table(box=None, show_edge=False, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
        for number, title in enumerate(cells[0]):
            table.add_column(escape(title), no_wrap=number != widest)
        for row in cells[1:]:
            table.add_row(*[Text(cell, style=styles.get(cell, "")) for cell in row])
        self._console.print(table)

    def _print_blocks(self, cells: List[List[str]], styles: Mapping[str, str]) -> None:
        width = max(map(len, cells[0])) + GAP
        for row in cells[1:]:
            for title, cell in zip(cells[0], row):
                self.print(f"{title:<{width}}{cell}", style=styles.get(cell, ""), hang=width)
            self._console.print()

    def bell(self) -> None:
        self._console.bell()

    @property
    def _can_draw(self) -> bool:
        """Otherwise bars would be broken or full of question marks; lines are always readable."""
        console = self._console
        is_wide = console.width >= NARROWEST
        return is_wide and not console.is_dumb_terminal and console.encoding.startswith("utf")

    def ask(self, question: str) -> bool:
        return self.ask_for(question + " [y/N]").lower() in ("y", "yes")

    def ask_for(self, question: str) -> str:
        text = wrap(printable(question, self._console.file), self._console.width)
        try:
            return self._console.input(Text(text + " ")).strip()
        except EOFError:  # standard input is not a terminal
            return ""

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        if not self._can_draw:
            with super().bar(title, total) as advance:
                yield advance
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(title, total=total, note="")
            yield lambda count, note="": bars.update(task, advance=count, note=note)

    @contextlib.contextmanager
    def busy(self, title: str) -> Iterator[None]:
        if not self._can_draw:
            with super().busy(title):
                yield
            return
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Bars(*columns, console=self._console, transient=True) as bars:
            bars.add_task(escape(title), total=None)
            yield

    @contextlib.contextmanager
    def epochs(self) -> Iterator[EpochDisplay]:
        """A line for each epoch; below them the curve, and what happens now. The curve stays at the end."""
        if not self._can_draw:
            with super().epochs() as display:
                yield display
            return
        columns = SpinnerColumn(), BarColumn(bar_width=30), TimeElapsedColumn()
        bars = Bars(*columns, console=self._console)
        with Live(bars, console=self._console, transient=True) as live:
            live_display = _LiveEpochs(self, bars, live)
            yield live_display
        for row in live_display.curve():
            self._console.print(row)

    def curve(self, seen: List[Progress]) -> Iterator[Text]:
        """Rows of the loss curve and its axis, where the terminal has room for it; none of a single epoch."""
        if self._console.height < 2 * CURVE_ROWS or len(seen) < 2:
            return
        loss, val_loss = [one.loss for one in seen], [one.val_loss for one in seen]
        width = min(CURVE_WIDTH, self._console.width - 10)
        rows = draw_curves(loss, val_loss, width=width, height=CURVE_ROWS)
        highest = max((value for value in loss + val_loss if math.isfinite(value)), default=0.0)
        labels = [f"{highest:.4f}"] + [""] * (CURVE_ROWS - 2) + ["0"]
        for label, row in zip(labels, rows):
            text = Text(f"{label:>8} ")
            for is_validation, letters in itertools.groupby(row, key=lambda letter: letter.is_validation):
                style = "cyan" if is_validation else FAINT
                text.append("".join(letter.text for letter in letters), style=style)
            yield text
        first, last = f"epoch {seen[0].epoch}", str(seen[-1].epoch)
        yield Text(f"{'':9}{first}{last:>{width - len(first)}}")
        yield Text.assemble(" " * 9, ("validation", "cyan"), " and ", ("training", FAINT), " loss by epoch")


class _LiveEpochs(EpochDisplay):
    """The curve and a bar, which stay below what is printed."""

    def __init__(self, ui: RichUi, bars: Bars, live: Live) -> None:
        super().__init__(ui)
        self._rich, self._bars, self._live = ui, bars, live
        self._task = bars.add_task("", total=None)
        self._seen: List[Progress] = []
        self._now = ""

    def show_activity(self, activity: str, note: str) -> None:
        self._show(f"{activity}{note and ', ' + note}")

    def show_epoch(self, progress: Progress, note: str) -> None:
        self._seen.append(progress)
        self.ui.print(describe_epoch(progress), style=GOOD if is_best(progress) else "")
        self._bars.update(self._task, total=progress.epochs, completed=progress.epoch)
        self._show(f"epoch {progress.epoch}/{progress.epochs} done{note and ', ' + note}")

    def show_step(self, step: Step, note: str) -> None:
        completed = step.epoch - 1 + step.batch / max(step.batches, 1)
        self._bars.update(self._task, total=step.epochs, completed=completed)
        self._show(f"{describe_step(step)}{note and ', ' + note}")

    def curve(self) -> Iterator[Text]:
        return self._rich.curve(self._seen)

    def _show(self, now: str) -> None:
        if now != self._now:
            self._now = now
            self._live.update(Group(*self.curve(), self._bars, Text("  " + now)))


__all__ = ["RichUi", "can_link", "print_error"]


def print_error(text: str) -> None:
    """An error on a terminal: its first line in red, wrapped between words."""
    console = Console(file=sys.stderr, highlight=False)
    first, _, rest = wrap(printable(text, sys.stderr), console.width).partition("\n")
    console.print(Text(first, style="bold red"), soft_wrap=True)
    if rest:
        console.print(Text(rest), soft_wrap=True)
