"""How far a command is, in a file for another program."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from donkey_sagemaker.contract import Progress, Step
from donkey_sagemaker.progress_ui import ProgressUi
from donkey_sagemaker.ui import PROGRESS_VARIABLE, PlainUi, make_ui


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def epoch(number: int, loss: float) -> Progress:
    return Progress(number, 9, loss, loss / 2, loss / 2, 100, 1.5)


def test_a_command_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable, which its own child processes do not see."""
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "progress.json"))
    assert isinstance(make_ui(), ProgressUi)
    assert PROGRESS_VARIABLE not in os.environ
    assert type(make_ui()) is PlainUi


def test_bars_and_what_takes_time(tmp_path: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """They are in the file, and nothing of them is printed."""
    ui = ProgressUi(str(tmp_path / "p"))
    with ui.bar("Uploading shards", 7) as advance:
        assert read(tmp_path / "p")["doing"] == "Uploading shards"
        ui._written_at = -1e9
        advance(3, "2 MB/s")
        state = read(tmp_path / "p")
        assert (state["done"], state["total"], state["note"]) == (3, 7, "2 MB/s")
    with ui.busy("Unpacking the model"):
        assert read(tmp_path / "p")["doing"] == "Unpacking the model"
    assert read(tmp_path / "p")["doing"] == ""
    assert capsys.readouterr().out == ""


def test_epochs(tmp_path: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """The losses of each, once, and how far the running one is; a loss that is no number is null."""
    ui = ProgressUi(str(tmp_path / "p"))
    with ui.epochs() as epochs:
        epochs.show_activity("Starting", "about 2 min left")
        epochs.show_epoch(epoch(1, 0.5), "0.001 USD so far")
        epochs.show_epoch(epoch(2, float("nan")), "")
        epochs.show_epoch(epoch(2, 0.4), "")
        state = read(tmp_path / "p")
        assert state["epochs"] == [[0.5, 0.25], [0.4, 0.2]] and state["max_epochs"] == 9
        ui._written_at = -1e9
        epochs.show_step(Step(3, 9, 5, 10, 250.0, 1.0), "about 1 min left")
        state = read(tmp_path / "p")
        assert (state["doing"], state["done"], state["total"]) == ("epoch 3/9: 50 %, 250 pictures/s", 5, 10)
    assert capsys.readouterr().out.count("epoch") == 3


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Such as on a full disk: the work goes on."""
    ui = ProgressUi(str(tmp_path / "missing" / "p"))
    with ui.bar("Uploading shards", 7) as advance:
        advance(7)
