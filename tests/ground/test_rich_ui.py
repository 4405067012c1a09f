"""What a terminal shows: the curve, bars, tables, colour and links; wrapped between words."""

import io
import re

import pytest
from rich.console import Console
from test_ui import PROGRESS, STEP

from donkey_sagemaker.rich_ui import RichUi, can_link
from donkey_sagemaker.ui import BAD, describe_epoch


def make_terminal(*, encoding="utf-8", height=40, width=80, kind="xterm", colours=None, **environment):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(
        file=file,
        force_terminal=True,
        color_system=colours,
        width=width,
        height=height,
        _environ=dict(environment, TERM=kind),
    )


def read(terminal):
    terminal.file.flush()
    return terminal.file.buffer.getvalue().decode(terminal.file.encoding)


def test_a_terminal_draws_the_loss_curve():
    """Below the lines, with the highest loss and an axis of epochs; it stays when the training has ended."""
    terminal = make_terminal()
    with RichUi(terminal).epochs() as epochs:
        epochs.show_epoch(PROGRESS._replace(epoch=1, loss=0.5), "")
        before = len(read(terminal))
        epochs.show_epoch(PROGRESS, "about 20 min left, 0.012 USD so far")
    out = read(terminal)
    assert "loss by epoch" not in out[:before]  # of one epoch there is no curve, and no empty box
    assert "epoch 3/100 done, about 20 min left, 0.012 USD so far" in out
    assert describe_epoch(PROGRESS) + "\n" in out  # the line stays on the screen
    stays = out[out.rindex("\x1b[2K") :]  # what comes after the last redrawn line
    assert re.search("  0.5000 [\u2801-\u28ff]", stays)
    assert re.search(r"^ {9}epoch 1 +3\n {9}validation and training loss by epoch\n$", stays, re.MULTILINE)


def test_a_terminal_shows_how_far_the_epoch_is():
    """In the bar below the lines, and not as a line for each step."""
    terminal = make_terminal()
    with RichUi(terminal).epochs() as epochs:
        epochs.show_step(STEP, "about 20 min left")
    assert "epoch 4/100: 30 %, 2100 pictures/s, about 20 min left\n" in read(terminal)


def test_a_terminal_shows_what_the_job_does():
    """Below the lines, beside a spinner."""
    terminal = make_terminal()
    with RichUi(terminal).epochs() as epochs:
        epochs.show_activity("Storing the model", "about 20 s left")
    assert "Storing the model, about 20 s left" in read(terminal)
    with RichUi(terminal).busy("Trying the model [1]"):
        pass
    assert "Trying the model [1]" in read(terminal)


def test_a_low_terminal_gets_the_bar_alone():
    """There is no room for the curve."""
    terminal = make_terminal(height=10)
    with RichUi(terminal).epochs() as epochs:
        epochs.show_epoch(PROGRESS._replace(epoch=2), "")
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
    assert " ".join(read(terminal).split("\n")) == describe_epoch(PROGRESS) + ", 0.012 USD so far "


HEAD = ["job", "state", "model"]
ROWS = [["donkey-mypilot-261129-023513-524", "installed", "models/mypilot, validation loss 0.2294"]]


def test_a_table_fits_the_terminal():
    """Its widest column is wrapped, between words; a job's name is not, because it has to be copied."""
    terminal = make_terminal(width=62)
    RichUi(terminal).table(HEAD, ROWS)
    lines = [line.rstrip() for line in read(terminal).splitlines()]
    assert lines == [
        "job                               state      model",
        "donkey-mypilot-261129-023513-524  installed  models/mypilot,",
        "                                             validation loss",
        "                                             0.2294",
    ]


def test_a_table_without_room_becomes_lines():
    """One for each cell, so that no word is broken on a narrow terminal."""
    terminal = make_terminal(width=40)
    RichUi(terminal).table(HEAD, ROWS)
    assert read(terminal).splitlines() == [
        "job    donkey-mypilot-261129-023513-524",
        "state  installed",
        "model  models/mypilot, validation loss",
        "       0.2294",
        "",
    ]


def test_colour_where_the_owner_wants_it():
    """What is wrong is red; with NO_COLOR, the same letters without any."""
    terminal = make_terminal(colours="standard")
    RichUi(terminal).print("WRONG  bucket", style=BAD)
    RichUi(terminal).print_command("python manage.py drive")
    RichUi(terminal).table(["state"], [["failed"]], styles={"failed": BAD})
    out = read(terminal)
    assert "\x1b[1;31mWRONG  bucket\x1b[0m\n" in out
    assert "\x1b[1;36m  python manage.py drive\x1b[0m\n" in out
    assert "\x1b[1;31mfailed\x1b[0m" in out
    terminal = make_terminal(colours="standard", NO_COLOR="1")
    RichUi(terminal).print("WRONG  bucket", style=BAD)
    assert not re.search(r"\x1b\[[0-9;]*3\dm", read(terminal))


def test_a_command_stays_on_one_line():
    """It is to be copied, however long it is; so is JSON, which a program reads."""
    terminal = make_terminal(width=40)
    command = "python manage.py sagemaker-train --attach=donkey-mypilot-261129-023513-524"
    RichUi(terminal).print_command(command)
    RichUi(terminal).print_exactly('{"error": "' + 60 * "x " + '"}')
    assert read(terminal) == f"  {command}\n" + '{"error": "' + 60 * "x " + '"}\n'


@pytest.mark.parametrize("environment, can", [({"VTE_VERSION": "7006"}, True), ({"TERM": "linux"}, False)])
def test_links_can_be_clicked_where_the_terminal_can(environment, can, monkeypatch):
    """Elsewhere the address is printed, so that it can be copied."""
    for name in ("VTE_VERSION", "TERM", "TERM_PROGRAM", "WT_SESSION", "KONSOLE_VERSION", "DOMTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = make_terminal(colours="standard")
    RichUi(terminal).print_links([("Its log", "https://example.com/log")])
    out = read(terminal)
    assert ("\x1b]8;" in out and ";https://example.com/log\x1b\\" in out) is can
    assert ("Its log: https://example.com/log\n" in out) is not can


@pytest.mark.parametrize(
    "environment, can",
    [
        ({"TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"WT_SESSION": "1"}, True),
        ({"VTE_VERSION": "4000"}, False),
        ({"VTE_VERSION": "new"}, False),
        ({}, False),
    ],
)
def test_terminals_that_open_links(environment, can):
    """Those that say so in their environment."""
    assert can_link(environment) is can


def test_the_bell_rings():
    """On a terminal only: PlainUi has none."""
    terminal = make_terminal()
    RichUi(terminal).bell()
    assert read(terminal) == "\x07"
