"""What the user sees."""

from donkey_sagemaker.contract import Progress
from donkey_sagemaker.ui import PlainUi, RichUi, describe_epoch, format_bytes, format_seconds

PROGRESS = Progress(
    epoch=3, epochs=100, loss=0.02134, val_loss=0.03, best_val_loss=0.03, images=800, seconds=12.4
)


def test_an_epoch_in_words():
    """Losses, whether it is the best, its time, and the most that is left."""
    assert describe_epoch(PROGRESS) == (
        "epoch   3/100  loss 0.0213  validation 0.0300 (best)  12 s, at most 20 min left"
    )
    assert describe_epoch(PROGRESS._replace(val_loss=0.04)) == (
        "epoch   3/100  loss 0.0213  validation 0.0400         12 s, at most 20 min left"
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
    assert [format_bytes(n) for n in (0, 1500, 12_345_678)] == ["0.0 kB", "1.5 kB", "12.3 MB"]


def test_a_pipe_gets_plain_lines(capsys):
    """One line for each thing that happened, nothing drawn over."""
    ui = PlainUi()
    with ui.bar("Sending", 10) as advance:
        advance(10)
    with ui.epochs() as show:
        show(PROGRESS)
    ui.warn("careful")
    assert capsys.readouterr().out == describe_epoch(PROGRESS) + "\nWarning: careful\n"


def test_a_terminal_gets_the_same_lines(capsys):
    """Bars come and go; the lines stay, with brackets in the user's own words left alone."""
    ui = RichUi()
    with ui.bar("Sending", 10) as advance:
        advance(10)
    with ui.epochs() as show:
        show(PROGRESS)
    ui.say("tub [1] is fine")
    out = capsys.readouterr().out
    assert describe_epoch(PROGRESS) in out and "tub [1] is fine" in out
