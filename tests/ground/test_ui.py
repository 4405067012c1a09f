"""What the user sees: lines, progress bars, figures."""

import io
import os
import sys
import threading

import pytest

from donkey_sagemaker import ui as ui_module
from donkey_sagemaker.contract import Progress, Step
from donkey_sagemaker.rich_ui import RichUi
from donkey_sagemaker.ui import (
    PlainUi,
    Rate,
    describe_epoch,
    format_bytes,
    format_count,
    format_gigabytes,
    format_seconds,
    format_usd,
    wrap,
)

PROGRESS = Progress(
    epoch=3, epochs=100, loss=0.02134, val_loss=0.03, best_val_loss=0.03, images=800, seconds=12.4
)
STEP = Step(epoch=4, epochs=100, batch=30, batches=100, images_per_s=2100.4, left_s=28.2)


def test_an_epoch_in_words(capsys):
    """Losses, whether it is the best, its time; without a terminal also what is left and the cost."""
    assert describe_epoch(PROGRESS) == "epoch   3/100  loss 0.0213  validation 0.0300 (best)  12 s"
    worse = PROGRESS._replace(val_loss=0.04)
    assert describe_epoch(worse) == "epoch   3/100  loss 0.0213  validation 0.0400         12 s"
    with PlainUi().epochs() as epochs:
        epochs.show_epoch(PROGRESS, "about 20 min left, 0.012 USD so far")
        epochs.show_epoch(worse, "")
        epochs.show_step(STEP, "0.012 USD so far")
    assert capsys.readouterr().out == (
        "epoch   3/100  loss 0.0213  validation 0.0300 (best)  12 s, about 20 min left, 0.012 USD so far\n"
        "epoch   3/100  loss 0.0213  validation 0.0400         12 s\n"
        "epoch 4/100: 30 %, 2100 pictures/s, 0.012 USD so far\n"
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
    assert [format_gigabytes(n) for n in (4_000_000, 78_200_000_000)] == ["4 MB", "78.2 GB"]
    assert [format_count(n, "epoch") for n in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]


def test_a_pipe_gets_plain_lines(capsys):
    """One line for each thing that happened, nothing drawn over."""
    ui = PlainUi()
    with ui.bar("Sending", 10) as advance:
        advance(10, "1.0 MB/s")
    with ui.epochs() as epochs:
        epochs.show_epoch(PROGRESS, "")
    ui.warn("careful")
    assert capsys.readouterr().out == describe_epoch(PROGRESS) + "\nWarning: careful\n"


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


class HeardUi(PlainUi):
    """Counts its lines, and lets a test wait for one."""

    def __init__(self, lines):
        super().__init__()
        self.lines, self._enough, self._wanted = [], threading.Event(), lines

    def print(self, text, **_style):
        super().print(text)
        self.lines.append(text)
        if len(self.lines) >= self._wanted:
            self._enough.set()

    def wait(self):
        assert self._enough.wait(10), self.lines


def test_nothing_stays_silent_for_long(monkeypatch):
    """While something takes time, a line says what it is, again and again: nobody has to wonder."""
    monkeypatch.setattr(ui_module, "QUIET_S", 0.0)
    ui = HeardUi(2)
    with ui.busy("Trying the model"):
        ui.wait()
    assert set(ui.lines) == {"Trying the model (0 s)"} or ui.lines[-1] == "Trying the model (1 s)"
    ui = HeardUi(1)
    with ui.epochs() as epochs:
        epochs.show_activity("Preparing the first epoch", "about 3 min left")
        ui.wait()
    assert ui.lines[0] == "Preparing the first epoch (0 s), about 3 min left"
    ui = HeardUi(1)
    with ui.bar("Sending", 10):
        ui.wait()
    assert ui.lines[0] == "Sending: 0 of 10"


def test_long_lines_end_between_words():
    """What is in backticks stays whole, to be copied; lines that continue one are indented as it is."""
    text = "Driven by this car's donkeycar as tflite: as in training, 9 ms a picture"
    assert wrap(text, 40).splitlines() == [
        "Driven by this car's donkeycar as",
        "tflite: as in training, 9 ms a picture",
    ]
    assert wrap("short\nlines stay", 40) == "short\nlines stay"
    assert wrap("Run `python manage.py sagemaker-stop` to end it.", 40).splitlines() == [
        "Run `python manage.py sagemaker-stop` to",
        "end it.",
    ]
    assert wrap("ok  bucket  a-name in eu-west-1", 20, hang=12).splitlines() == [
        "ok  bucket  a-name",
        "      in eu-west-1",
    ]
    assert wrap("/a/path/that/is/longer/than/the/terminal", 20) == "/a/path/that/is/longer/than/the/terminal"


def test_a_table_of_plain_lines(capsys):
    """Columns are aligned with spaces, without any at the end of a line."""
    PlainUi().table(["job", "cost"], [["donkey-1", "-"], ["donkey-22", "0.5 USD"]], styles={"-": "red"})
    assert capsys.readouterr().out == "job        cost\ndonkey-1   -\ndonkey-22  0.5 USD\n"


def test_links_are_addresses(capsys):
    """A pipe has no clicks."""
    PlainUi().print_links([("Its log", "https://example.com/log")])
    PlainUi().print("Report: models/pilot.html", link="file:///car/models/pilot.html")
    assert capsys.readouterr().out == "Its log: https://example.com/log\nReport: models/pilot.html\n"
