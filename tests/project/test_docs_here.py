"""The commands on the pages that need no AWS account run as they are shown."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from console_process import ConsoleProcess
from donkey_sagemaker.cli import main
from pages import OURS, REPO, goes_on, in_the_owners_order, is_without_an_account, our_words


@pytest.fixture
def car(tmp_path: Path, create_car: Callable[[Path], Path]) -> Path:
    """A car that createcar has made, with two tubs and quick trainings."""
    pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow train and check the models")
    path = create_car(tmp_path / "mycar")
    os.rmdir(str(path / "data"))
    draw = [sys.executable, os.path.join(REPO, "demo", "draw_tub.py"), "--records", "40"]
    for name in ("data", "more_data"):
        subprocess.check_call(draw + ["--out", str(path / name)], stdout=subprocess.DEVNULL)
    with open(str(path / "myconfig.py"), "a") as file:
        file.write("\nMAX_EPOCHS = 1\nBATCH_SIZE = 8\nSAGEMAKER_DRIVING_PROOF = False\n")
    return path


def test_our_commands_run_as_they_are_shown(car: Path, capsys: "pytest.CaptureFixture[str]") -> None:
    """All of them, one after the other: trainings on this machine, their models, and back."""
    shown = [list(words) for words in {tuple(our_words(command)) for command in OURS}]
    here = [words for words in shown if is_without_an_account(words) and not goes_on(words)]
    for words in in_the_owners_order(here):
        if words[0] == "stop" or "--attach" in words:  # a job that is still to end
            assert main(["train", "--model=models/another", "--detach", "--local"], car_path=str(car)) == 0
        code = main([word.replace("~/mycar", str(car)) for word in words], car_path=str(car))
        out, err = capsys.readouterr()
        assert code == 0, (words, out, err)


def test_commands_that_go_on_begin_as_they_are_shown(tmp_path: Path) -> None:
    """A console that is started as a page shows it answers, and ends with Ctrl-C."""
    pytest.importorskip("tornado", reason="the console needs it")
    (tmp_path / "config.py").write_text("")
    shown = {tuple(our_words(command)) for command in OURS if goes_on(our_words(command))}
    assert shown
    for words in shown:
        console = ConsoleProcess(tmp_path, *words[1:])
        assert console.phone().get("/")[0] == 200
        assert console.end() == 0
