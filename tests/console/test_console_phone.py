"""The console on a phone, by finger: from a fresh car to an installed model, and back."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

from console_process import ConsoleProcess
from phone import Phone

pytestmark = pytest.mark.minutes
LIMIT_S = 300.0
QUICK = '\nMAX_EPOCHS = 1\nBATCH_SIZE = 16\nSAGEMAKER_DRIVING_PROOF = False\nSAGEMAKER_INSTALL = "always"\n'


@pytest.fixture(scope="module")
def fresh_car(
    tmp_path_factory: pytest.TempPathFactory, create_car: Callable[[Path], Path], repo_path: str
) -> Path:
    """A car that createcar has made, with one tub, and trainings of one epoch."""
    pytest.importorskip("tensorflow", reason="it trains")
    car = create_car(tmp_path_factory.mktemp("console") / "mycar")
    shutil.rmtree(str(car / "data"))
    draw = [sys.executable, os.path.join(repo_path, "demo", "draw_tub.py"), "--records", "400"]
    subprocess.check_call(draw + ["--out", str(car / "data")], stdout=subprocess.DEVNULL)
    with open(str(car / "myconfig.py"), "a") as file:
        file.write(QUICK)
    return car


@pytest.fixture(scope="module")
def console(fresh_car: Path) -> Iterator[ConsoleProcess]:
    process = ConsoleProcess(fresh_car)
    yield process
    process.end()


@pytest.fixture
def phone(chromium: str) -> Iterator[Phone]:
    opened = Phone(chromium)
    yield opened
    opened.close()


def test_the_whole_round(console: ConsoleProcess, phone: Phone, chromium: str) -> None:
    """To an installed model in five taps; then clean, train again, compare, roll back. Two phones agree."""
    phone.open(console.enter)
    phone.wait_for("400 records in 1 tub")
    assert phone.audit() == []
    phone.tap_to_go("Train")
    phone.tap_to_go("Start the training")
    phone.wait_for("is running on this machine")
    other = Phone(chromium, dark=True)
    try:
        other.open(console.enter)
        other.wait_for("Training")
        other.tap_to_go("Open")
        wait_for_success(phone, "is installed.")
        other.wait_for("is installed.")
        assert phone.taps <= 5
        assert phone.address == other.address
        assert "manage.py drive --model models/pilot_" in phone.text()
        assert phone.text().partition("What it printed")[0] == other.text().partition("What it printed")[0]
        assert phone.audit() == other.audit() == []
    finally:
        other.close()
    (name,) = re.findall(r"(pilot_[0-9_-]+) is installed\.", phone.text())

    clean(phone)
    train_in_the_place_of(phone, name)
    compare(phone, name)
    bring_back(phone, name)
    assert phone.errors == []


def wait_for_success(phone: Phone, text: str) -> None:
    """Until a command has ended with that; at once if it has failed."""
    phone.wait_until(
        lambda: text in phone.text() or "It did not succeed" in phone.text(),
        "the command does not end",
        limit_s=LIMIT_S,
    )
    assert text in phone.text(), phone.text()


def clean(phone: Phone) -> None:
    """Taps on a picture to look closer, then on the first and the last record of a stretch; and undoes it."""
    phone.tap_to_go("Tubs")
    phone.tap_to_go("data")
    phone.tap_to_go("40")
    assert "Records 22 to 61" in phone.text()
    assert phone.audit() == []
    phone.tap_to_go("30")
    phone.tap_to_go("39")
    phone.tap_to_go("Delete these records")
    phone.wait_for("10 records to delete: 30-39")
    assert "390 records, 10 deleted" in phone.text()
    phone.tap_to_go("Undo the last deletion")
    phone.wait_for("data: 10 records restored")


def train_in_the_place_of(phone: Phone, name: str) -> None:
    phone.tap_to_go("Train")
    phone.tap("More choices")
    phone.type("select[name=model]", name)
    phone.type("input[name=epochs]", "2")
    assert phone.audit() == []
    phone.tap_to_go("Start the training")
    wait_for_success(phone, "is installed.")


def compare(phone: Phone, name: str) -> None:
    phone.tap_to_go("Models")
    assert phone.audit() == []
    phone.tap(f"compare {name}~1")
    phone.tap(f"compare {name}")
    phone.tap_to_go("Compare the two")
    phone.tap_to_go("Drive both on the same pictures")
    wait_for_success(phone, "validation pictures of")
    assert phone.audit() == []
    phone.tap_to_go("The pictures")
    assert "Where they differ most" in phone.text()


def bring_back(phone: Phone, name: str) -> None:
    phone.run("history.back()")
    phone.wait_for("Drive both on the same pictures")
    phone.tap_to_go("Models")
    phone.tap_to_go(name)
    assert phone.audit() == []
    phone.tap_to_go("The report")
    assert "On this car" in phone.text()
    phone.run("history.back()")
    phone.wait_for("Bring the version before it back")
    phone.tap_to_go("Bring the version before it back")
    phone.wait_for(f"Restored models/{name}")
