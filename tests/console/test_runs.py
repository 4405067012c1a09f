"""The commands that the console has started."""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, List

import pytest

from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.console.runs import KEPT, MOST_RUNNING, NoSuchRun, Run, Runs, TooManyRuns, new_id

pytestmark = pytest.mark.minutes


@pytest.fixture
def car(tmp_path: Path) -> Car:
    """A car's folder. A command there begins, and waits for as long as the file `wait` exists."""
    (tmp_path / "config.py").write_text(
        "import os, time\n"
        "HERE = os.path.dirname(os.path.realpath(__file__))\n"
        "while os.getcwd() == HERE and os.path.exists('wait'):\n"
        "    open('begun', 'w').close()\n"
        "    time.sleep(0.02)\n"
    )
    return open_car(str(tmp_path), flags={})


def wait_for(runs: Runs, run_id: str, is_true: Callable[[Run], Any]) -> Run:
    deadline = time.monotonic() + 60
    while True:
        run = runs.read(run_id)
        if is_true(run):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.02)


def has_ended(run: Run) -> bool:
    return not run.is_running


def test_a_command_runs_once(car: Car) -> None:
    """A second tap on the same button finds it; what it prints, and its exit code, are kept."""
    runs, run_id = Runs(car), new_id()
    runs.start(run_id, ["models", "--json"], title="Models", subject="all", back="/models")
    runs.start(run_id, ["models", "--json"], title="Models")
    run = wait_for(runs, run_id, has_ended)
    assert (run.verb, run.title, run.subject, run.back, run.code) == ("models", "Models", "all", "/models", 0)
    assert runs.read_json(run) == [] and len(runs.all()) == 1
    assert runs.last("models", subject="all") == run and runs.last("models") is None


def test_a_command_that_fails(car: Car) -> None:
    """Its error is the end of its output."""
    runs, run_id = Runs(car), new_id()
    runs.start(run_id, ["models", "--local"], title="Models")
    run = wait_for(runs, run_id, has_ended)
    assert run.code == 2
    assert runs.read_output(run).endswith("Train one: `python manage.py sagemaker-train`.\n")


def test_a_command_outlives_the_console(car: Car) -> None:
    """Another console, which has not started it, sees it run and end."""
    wait = Path(car.path) / "wait"
    wait.write_text("")
    runs, run_id = Runs(car), new_id()
    runs.start(run_id, ["models", "--json"], title="Models")
    run = runs.read(run_id)
    assert run.is_running and run.code is None
    assert os.getsid(run.process) == run.process != os.getsid(0)
    assert Runs(open_car(car.path, flags={})).read(run_id).is_running
    wait.unlink()
    assert wait_for(runs, run_id, has_ended).code == 0


def test_ctrl_c_reaches_the_command(car: Car) -> None:
    """Even if the console was started in the background, where a shell ignores it."""
    (Path(car.path) / "wait").write_text("")
    runs, run_id = Runs(car), new_id()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        runs.start(run_id, ["models", "--json"], title="Models")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(runs, run_id, lambda run: (Path(car.path) / "begun").exists())
    runs.interrupt(runs.read(run_id))
    run = wait_for(runs, run_id, has_ended)
    assert run.code == 130
    assert "Interrupted" in runs.read_output(run)


def test_a_killed_command(car: Car) -> None:
    """Neither runs nor has a result."""
    (Path(car.path) / "wait").write_text("")
    runs, run_id = Runs(car), new_id()
    runs.start(run_id, ["models"], title="Models")
    os.killpg(runs.read(run_id).process, signal.SIGKILL)
    assert wait_for(runs, run_id, has_ended).code is None


def test_a_full_disk(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs that no page shows, and the same button works once there is space."""
    (Path(car.path) / "wait").write_text("")
    runs, run_id = Runs(car), new_id()
    children: List["subprocess.Popen[bytes]"] = []
    monkeypatch.setattr("donkey_sagemaker.console.runs._children", children)
    car.ensure_state()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # files can be made, but stay empty
    try:
        with pytest.raises(OSError, match="File too large"):
            runs.start(run_id, ["models"], title="Models")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [child.wait(60) for child in children] == [-signal.SIGKILL]
    assert os.listdir(runs.folder) == []
    (Path(car.path) / "wait").unlink()
    runs.start(run_id, ["models", "--json"], title="Models")
    assert wait_for(runs, run_id, has_ended).code == 0


def test_not_too_many_at_once(car: Car) -> None:
    """A phone cannot keep the whole machine busy."""
    (Path(car.path) / "wait").write_text("")
    runs = Runs(car)
    for _number in range(MOST_RUNNING):
        runs.start(new_id(), ["models"], title="Models")
    with pytest.raises(TooManyRuns):
        runs.start(new_id(), ["models"], title="Models")
    (Path(car.path) / "wait").unlink()
    for run in runs.all():
        wait_for(runs, run.id, has_ended)


def test_old_ones_are_removed(car: Car) -> None:
    """Except for the last one of each kind, whose result a page shows."""
    runs = Runs(car)
    for number in range(KEPT + 10):
        folder = Path(runs.folder) / new_id()
        folder.mkdir(parents=True)
        request = {"words": ["tubs"], "title": "", "subject": "", "back": "", "started": number, "process": 0}
        if not number:
            request["words"] = ["doctor"]
        (folder / "request.json").write_text(json.dumps(request))
        (folder / "result.json").write_text('{"code": 0}')
    runs.start(new_id(), ["models", "--json"], title="Models")
    assert [run.verb for run in runs.all()].count("tubs") == KEPT
    assert runs.last("doctor")
    for run in runs.all()[:1]:
        wait_for(runs, run.id, has_ended)


@pytest.mark.parametrize("name", ["", "..", "../..", "0123456789abcdeF", "0123456789abcdef/..", "x" * 16])
def test_no_other_folder(car: Car, name: str) -> None:
    """A name from an address is a run of ours, or nothing."""
    with pytest.raises(NoSuchRun):
        Runs(car).read(name)


@pytest.mark.parametrize("content", ["", "[]", '{"words": 5}', '{"words": ["a"], "started": "x"}'])
def test_damaged_files(car: Car, content: str) -> None:
    """After a power cut: they are passed over."""
    runs = Runs(car)
    folder = Path(runs.folder) / new_id()
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(content)
    assert runs.all() == []
