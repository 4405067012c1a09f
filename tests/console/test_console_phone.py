"""The console on a phone, by finger: from a fresh car to an installed model and back, and a lost network."""

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from aws_owner import canned_container, push_own_image, started_jobs
from console_process import ConsoleProcess
from console_round import (
    bring_back,
    clean,
    compare,
    installed_name,
    prepare,
    train_in_the_place_of,
    wait_for_success,
)
from phone import Phone

pytest.importorskip("tornado", reason="the console needs it")
pytestmark = pytest.mark.minutes


@pytest.fixture
def phone(chromium: str) -> Iterator[Phone]:
    opened = Phone(chromium)
    yield opened
    opened.close()


@pytest.fixture
def other_phone(chromium: str) -> Iterator[Phone]:
    opened = Phone(chromium, dark=True)
    yield opened
    opened.close()


def test_the_whole_round(
    create_car: Callable[[Path], Path], tmp_path: Path, phone: Phone, other_phone: Phone
) -> None:
    """To an installed model in five taps; then clean, train again, compare, roll back. Two phones agree."""
    pytest.importorskip("tensorflow", reason="it trains")
    car = create_car(tmp_path / "mycar")
    prepare(car)
    console = ConsoleProcess(car)
    try:
        phone.open(console.enter)
        phone.wait_for("400 records in 1 tub")
        phone.tap_to_go("Train")
        phone.tap_to_go("Start the training")
        phone.wait_for("is running on this machine")
        other_phone.open(console.enter)
        other_phone.tap_to_go("Open")
        wait_for_success(phone, "is installed.")
        other_phone.wait_for("is installed.")
        assert phone.taps <= 5
        assert phone.address == other_phone.address
        assert (
            phone.text().partition("What it printed")[0] == other_phone.text().partition("What it printed")[0]
        )
        assert phone.audit() == other_phone.audit() == []
        name = installed_name(phone)
        clean(phone)
        train_in_the_place_of(phone, name, car)
        compare(phone, name)
        bring_back(phone, name)
        check_pages(phone, console)
        check_pages(other_phone, console)
        assert phone.errors == other_phone.errors == []
    finally:
        assert console.end() == 0


def check_pages(phone: Phone, console: ConsoleProcess) -> None:
    """On no page of a car that has been used does axe-core find anything, nor is one too wide."""
    origin = f"http://127.0.0.1:{console.port}"
    phone.open(origin + "/models")
    model = phone.run("document.querySelector('.rows a').getAttribute('href')")
    keys = phone.run("[...document.querySelectorAll('.tick input')].slice(0, 2).map(each => each.value)")
    phone.open(origin + "/tubs")
    tub = phone.run("document.querySelector('.rows a').getAttribute('href')")
    for path in (
        "/",
        "/tubs",
        tub,
        tub + "?first=20&last=60&start=30&end=39",
        "/train",
        "/models",
        model,
        f"/compare?model={keys[0]}&model={keys[1]}",
        "/doctor",
        "/nowhere",
    ):
        phone.open(origin + path)
        assert phone.audit() == [], path
    phone.errors = [error for error in phone.errors if "404" not in error]  # of the last one


@pytest.fixture
def waiting_car(tmp_path: Path) -> Path:
    """A car's folder in which commands wait for as long as the file `wait` exists."""
    car = tmp_path / "mycar"
    (car / "data").mkdir(parents=True)
    (car / "manage.py").write_text("")
    (car / "wait").write_text("")
    (car / "config.py").write_text(
        "import os, time\n"
        "while os.environ.get('COMMAND') and os.path.exists('wait'):\n"
        "    time.sleep(0.02)\n"
        "os.environ['COMMAND'] = 'a child process has this'\n"
        "SAGEMAKER_BACKEND = 'local'\n"
    )
    return car


def test_a_lost_network(waiting_car: Path, phone: Phone) -> None:
    """The page says so, waits, and catches up by itself; the console was even started anew meanwhile."""
    console = ConsoleProcess(waiting_car)
    try:
        phone.open(console.enter)
        phone.tap_to_go("Doctor")
        phone.tap_to_go("Check the car")
        phone.wait_for("Working")
        phone.go_offline(True)
        phone.wait_for("No connection")
        port = console.port
        console.end()
        console = ConsoleProcess(waiting_car, port=port)
        (waiting_car / "wait").unlink()
        assert "Working" in phone.text()
        phone.go_offline(False)
        phone.wait_for("Checked at")
        assert "Wrong: 1. Nothing was changed." in phone.text()
        assert phone.address.startswith("/doctor?done=")
        assert "No connection" not in phone.text()
    finally:
        console.end()


def test_a_page_without_script(waiting_car: Path, phone: Phone) -> None:
    """Everything works without one, as the page asks for itself again."""
    console = ConsoleProcess(waiting_car)
    try:
        phone.send("Emulation.setScriptExecutionDisabled", value=True)
        phone.open(console.enter)
        phone.tap("Doctor")
        phone.wait_for("Check the car")
        phone.tap("Check the car")
        phone.wait_for("Working")
        (waiting_car / "wait").unlink()
        phone.wait_for("Go on")
    finally:
        console.end()


def test_a_job_that_costs_money(owner: Any, aws: Any, trained_model: Path, phone: Phone) -> None:
    """The price is shown before it starts, and it starts once; then detach, watch again, stop, install."""
    push_own_image(aws, canned_container(trained_model, "waits"))
    console = ConsoleProcess(owner.path)
    try:
        phone.open(console.enter)
        phone.tap_to_go("Train")
        assert "costs money" in phone.text()
        phone.tap_to_go("Start the training")
        wait_for_success(phone, "Nothing has been started yet.")
        assert "at most 1.03 USD" in phone.text() and started_jobs(aws) == []
        plan = phone.address
        phone.tap_to_go("Start it")
        phone.wait_for("USD so far")
        assert phone.audit() == []
        again = console.phone()
        assert again.post(plan + "/start")[1]["Location"] == phone.address
        phone.tap_to_go("Detach")
        phone.wait_for("Interrupted.")
        assert "is billed until it ends" in phone.text()
        phone.tap_to_go("Home")
        phone.wait_for("nobody watches it")
        phone.tap_to_go("Watch it and install its model")
        phone.wait_for("USD so far")
        phone.tap_to_go("Stop, keep the best so far")
        wait_for_success(phone, "is installed.")
        assert len(started_jobs(aws)) == 1
    finally:
        console.end()


def test_too_expensive(owner: Any, aws: Any, phone: Phone) -> None:
    """SAGEMAKER_MAX_COST_USD counts here as well: nothing can be started."""
    owner.configures("SAGEMAKER_MAX_COST_USD = 0.5")
    push_own_image(aws, ["true"])
    console = ConsoleProcess(owner.path)
    try:
        phone.open(console.enter)
        phone.tap_to_go("Train")
        phone.tap_to_go("Start the training")
        phone.wait_for("It did not succeed")
        assert "and SAGEMAKER_MAX_COST_USD is 0.5" in phone.text() and "Start it" not in phone.text()
        assert console.phone().post(phone.address + "/start")[0] == 400
        assert started_jobs(aws) == []
    finally:
        console.end()
