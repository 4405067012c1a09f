"""What the user sees: lines, progress bars, figures."""

import io
import os
import re
import sys

import pytest
from rich.console import Console

from donkey_sagemaker import ui as ui_module
from donkey_sagemaker.contract import Progress, Step
from donkey_sagemaker.ui import (
    PlainUi,
    Rate,
    RichUi,
    describe_epoch,
    format_bytes,
    format_seconds,
    format_usd,
)

PROGRESS = Progress(
    epoch=3, epochs=100, loss=0.02134, val_loss=0.03, best_val_loss=0.03, images=800, seconds=12.4
)
STEP = Step(epoch=4, epochs=100, batch=30, batches=100, images_per_s=2100.4, left_s=28.2)


def test_an_epoch_in_words(capsys):
    """Losses, whether it is the best, its time; without a terminal also the time that is left at most."""
    assert describe_epoch(PROGRESS) == "epoch   3/100  loss 0.0213  validation 0.0300 (best)  12 s"
    worse = PROGRESS._replace(val_loss=0.04)
    assert describe_epoch(worse) == "epoch   3/100  loss 0.0213  validation 0.0400         12 s"
    with PlainUi().epochs() as epochs:
        epochs.show_epoch(PROGRESS, "0.012 USD so far")
        epochs.show_epoch(worse, "")
        epochs.show_epoch(worse._replace(epoch=100), "")
        epochs.show_step(STEP, "0.012 USD so far")
    assert capsys.readouterr().out == (
        "epoch   3/100  loss 0.0213  validation 0.0300 (best)  12 s, at most 20 min left, 0.012 USD so far\n"
        "epoch   3/100  loss 0.0213  validation 0.0400         12 s, at most 20 min left\n"
        "epoch 100/100  loss 0.0213  validation 0.0400         12 s, the model is written next\n"
        "epoch 4/100: 30 %, 2100 pictures/s, 28 s left in it, 0.012 USD so far\n"
    )


def test_times_and_sizes_are_short():
    """Seconds, minutes, hours; kilobytes, megabytes."""
    assert [format_seconds(s) for s in (0.4, 98, 120, 5900, 7200)] == [
        "0 s",
        "98 s",
        "2 min",
        "98 min",
        "2.0 h",
    ]
    assert [format_usd(n) for n in (0.0042, 0.9, 12.345)] == ["0.004 USD", "0.900 USD", "12.35 USD"]
    assert [format_bytes(n) for n in (0, 1500, 12_345_678)] == ["0.0 kB", "1.5 kB", "12.3 MB"]


def test_a_pipe_gets_plain_lines(capsys):
    """One line for each thing that happened, nothing drawn over."""
    ui = PlainUi()
    with ui.bar("Sending", 10) as advance:
        advance(10, "1.0 MB/s")
    with ui.epochs() as epochs:
        epochs.show_epoch(PROGRESS, "")
    ui.warn("careful")
    assert capsys.readouterr().out == describe_epoch(PROGRESS) + ", at most 20 min left\nWarning: careful\n"


def test_a_terminal_gets_the_same_lines(capsys):
    """Bars come and go; the lines stay, with brackets in the user's own words left alone."""
    ui = RichUi()
    with ui.bar("Sending", 10) as advance:
        advance(10, "1.0 MB/s")
    with ui.epochs() as epochs:
        epochs.show_epoch(PROGRESS, "")
    ui.print("tub [1] of my :car: is fine")
    out = capsys.readouterr().out
    assert describe_epoch(PROGRESS) in out and "tub [1] of my :car: is fine" in out


def test_a_slow_step_prints_its_progress_to_a_pipe(capsys, monkeypatch):
    """A line every few seconds, with the rate, for a log that somebody follows."""
    monkeypatch.setattr(ui_module, "QUIET_S", -1)
    with PlainUi().bar("Sending", 10) as advance:
        advance(4, "1.5 MB/s")
        advance(6)
    assert capsys.readouterr().out == "Sending: 4 of 10, 1.5 MB/s\nSending: 10 of 10\n"


@pytest.mark.parametrize("make", [PlainUi, RichUi])
def test_nothing_that_is_printed_can_steer_the_terminal(make, capsys):
    """Names and messages come from tubs, buckets and models that anybody may have written."""
    ui = make()
    ui.print("a\x1b]0;title\x07b\x9b31m\r\u202ec\nd")
    ui.warn("a\x1b[2Jb")
    assert capsys.readouterr().out == "a?]0;title?b?31m??c\nd\nWarning: a?[2Jb\n"


@pytest.mark.parametrize(
    "encoding, expected", [("ascii", "gr?n ?"), ("latin-1", "grün ?"), ("utf-8", "grün ✓")]
)
def test_letters_that_the_terminal_lacks_are_replaced(encoding, expected):
    """Nothing is raised."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert ui_module.printable("grün ✓", stream) == expected


def test_a_rate_counts_bytes():
    """All that were added, over the time since it began."""
    rate = Rate()
    rate.add(1000)
    assert rate.add(2000).endswith(" MB/s") and rate.bytes == 3000 and rate.seconds >= 0


@pytest.mark.skipif(os.name == "nt", reason="Windows reports a pipe without a reader in another way")
def test_a_closed_terminal_does_not_stop_the_work(monkeypatch):
    """What nobody can read is not printed, and nothing is raised."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        PlainUi().print("is anybody there?")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), nobody.fileno())  # else closing it raises once more


def test_nobody_is_asked_where_nobody_can_answer():
    """A script's silence is a no."""
    assert PlainUi().ask("Install it?") is False


def make_terminal(*, encoding="utf-8", height=40, width=80, kind="xterm"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(
        file=file, force_terminal=True, color_system=None, width=width, height=height, _environ={"TERM": kind}
    )


def read(terminal):
    terminal.file.flush()
    return terminal.file.buffer.getvalue().decode(terminal.file.encoding)


def test_a_terminal_draws_the_loss_curve():
    """Below the lines while it lasts, with the highest loss, what is left and the cost."""
    terminal = make_terminal()
    with RichUi(terminal).epochs() as epochs:
        epochs.show_epoch(PROGRESS._replace(epoch=1, loss=0.5), "")
        epochs.show_epoch(PROGRESS, "0.012 USD so far")
    out = read(terminal)
    assert re.search("  0.5000 [\u2801-\u28ff]", out)
    assert "epoch 3/100, at most 20 min left, 0.012 USD so far" in out
    assert "validation and training loss by epoch" in out
    assert describe_epoch(PROGRESS) + "\n" in out  # the line stays on the screen


def test_a_terminal_shows_how_far_the_epoch_is():
    """In the bar below the lines, and not as a line for each step."""
    terminal = make_terminal()
    with RichUi(terminal).epochs() as epochs:
        epochs.show_step(STEP, "")
    assert "epoch 4/100: 30 %, 2100 pictures/s, 28 s left in it" in read(terminal)


def test_a_low_terminal_gets_the_bar_alone():
    """There is no room for the curve."""
    terminal = make_terminal(height=10)
    with RichUi(terminal).epochs() as epochs:
        epochs.show_epoch(PROGRESS, "")
    out = read(terminal)
    assert "epoch 3/100" in out and "loss by epoch" not in out


@pytest.mark.parametrize("limits", [{"kind": "dumb"}, {"encoding": "ascii"}, {"width": 40}])
def test_a_terminal_that_cannot_draw_gets_the_whole_line(limits):
    """What would stand below the curve stands in the line, as in a log."""
    terminal = make_terminal(**limits)
    ui = RichUi(terminal)
    with ui.bar("Sending", 10) as advance:
        advance(10, "1.0 MB/s")
    with ui.epochs() as epochs:
        epochs.show_epoch(PROGRESS, "0.012 USD so far")
    assert read(terminal) == describe_epoch(PROGRESS) + ", at most 20 min left, 0.012 USD so far\n"
