"""The atomic swap when it is interrupted or fails at any step."""

import errno
import json
import os
import pathlib
import re
import signal
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from donkey_sagemaker import atomic
from donkey_sagemaker.car import model_swap
from donkey_sagemaker.car.model_swap import (
    BackupDamaged,
    ModelNotInstalled,
    ModelNotRestored,
    install_files,
    recover,
    roll_back,
)
from models_folder import NEW, OLD, Car, in_child, needs_fork, with_others, write_tree

OLDEST = {"pilot.h5": "oldest"}
STEPS = "replace rename link remove unlink mkdir rmdir fsync utime".split()


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    return Car(str(tmp_path / "car"))


def before_step(number: int, happens: Callable[[], None]) -> List[str]:
    """From now on, `happens()` is called before call number `number` (from 0) of those that change the disk.

    Returns:
        a list to which each of these calls is added.
    """
    calls: List[str] = []

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            calls.append(function.__name__)
            if len(calls) == number + 1:
                happens()
            return function(*args, **kwargs)

        return wrapped

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))
    atomic.exchange = wrap(atomic.exchange)
    return calls


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def without_file(what: str) -> str:
    """The message without the path of the file, which newer Pythons report in more cases."""
    return re.sub(r" \(/[^)]*\)", "", what)


def cars(folder: str) -> Iterator[Tuple[int, Car]]:
    """One car after the other, each after a swap and a rollback."""
    for number in range(1000):
        car = Car(os.path.join(folder, str(number)))
        car.install(OLDEST, "oldest")
        roll_back(car.backup_folder)
        write_tree(os.path.join(car.path, "unpacked"), NEW)
        yield number, car


@pytest.fixture
def memory_path(tmp_path: pathlib.Path) -> Iterator[str]:
    """A folder in memory, where syncing takes no time, if the system supports it."""
    if not os.path.isdir("/dev/shm"):
        yield str(tmp_path)
    else:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
            yield path


@needs_fork
@pytest.mark.parametrize("afterwards", ["recover", "install", "roll back"])
def test_killed_at_every_step(memory_path: str, afterwards: str) -> None:
    """After SIGKILL, each path is old or new, and the next run has either all old or all new files."""

    def dying_install(car: Car, number: int) -> None:
        before_step(number, die)
        car.install(NEW)

    for number, car in cars(memory_path):
        ended = in_child(dying_install, car, number)
        now = car.now()
        assert all(now.get(name) in (OLD.get(name), NEW.get(name)) for name in set(OLD) | set(NEW))
        if afterwards == "recover":
            recover(car.backup_folder)
            assert car.now() in (with_others(OLD), with_others(NEW))
        elif afterwards == "install":
            car.install({"pilot.h5": "newest"}, "newest")
            assert car.now() == with_others({"pilot.h5": "newest"})
            assert car.versions() in ([OLD, OLDEST], [NEW, OLD, OLDEST])
        else:
            roll_back(car.backup_folder)
            assert car.now() in (with_others(OLDEST), with_others(OLD))
            assert car.versions() in ([OLD], [OLDEST, NEW])
        # previous.json and a folder for each version
        assert len(os.listdir(car.backup_folder)) == 1 + len(car.versions())
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert number > 40


@needs_fork
@pytest.mark.parametrize("interrupted", [False, True])
def test_an_error_at_every_step(memory_path: str, interrupted: bool) -> None:
    """After a full disk or Ctrl-C, everything is restored, and the message about the full disk says so."""

    def failing_install(car: Car, number: int) -> int:
        calls = before_step(number, interrupt if interrupted else disk_full)
        try:
            car.install(NEW)
        except KeyboardInterrupt:
            return 1
        except ModelNotInstalled as failure:
            assert without_file(failure.what) == (
                f"The model could not be installed in {car.models_path}: No space left on device. "
                "The files there are unchanged."
            )
            assert failure.fix.startswith("Free some space on this disk (")
            assert failure.fix.endswith(f" free in {car.models_path}), and run the command again.")
            return 1
        return 2 if len(calls) <= number else 0

    for number, car in cars(memory_path):
        ended = in_child(failing_install, car, number)
        assert ended in (0, 1, 2)
        # An error may occur after the commit, in its last sync or while older backups are removed
        committed = car.previous() == OLD
        assert committed or ended == 1
        assert car.now() == with_others(NEW if committed else OLD)
        if ended == 2:
            break
    assert number > 40


@needs_fork
def test_a_write_fails_in_the_kernel(car: Car, tmp_path: pathlib.Path) -> None:
    """A real write error in the middle of a file changes nothing and leaves nothing behind."""
    resource = pytest.importorskip("resource")
    large = dict(NEW, **{"pilot.png": "x" * 100000})

    def work() -> None:
        write_tree(os.path.join(car.path, "unpacked"), large)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        with pytest.raises(ModelNotInstalled) as caught:
            car.install(large)
        assert without_file(caught.value.what) == (
            f"The model could not be installed in {car.models_path}: File too large. "
            "The files there are unchanged."
        )
        assert caught.value.fix == (
            f"Check the disk and the folder {car.models_path}, and run the command again."
        )

    assert in_child(work) == 0
    assert car.now() == with_others(OLD)
    assert os.listdir(car.backup_folder) == []


@needs_fork
def test_a_read_only_folder() -> None:
    """A folder of another user is reported with a fix, and the old model is unchanged."""

    def work(folder: str) -> None:
        if os.geteuid() == 0:  # root can write anywhere
            os.chmod(folder, 0o777)
            os.setuid(65534)
        car = Car(os.path.join(folder, "car"))
        os.chmod(car.models_path, 0o555)
        with pytest.raises(ModelNotInstalled) as caught:
            car.install(NEW)
        assert caught.value.fix == (
            f"Give this user write access to {car.models_path}, and run the command again."
        )
        assert car.now() == with_others(OLD)
        os.chmod(car.models_path, 0o755)

    with tempfile.TemporaryDirectory() as folder:  # other users cannot access the folders of pytest
        assert in_child(work, folder) == 0


def test_a_models_folder_that_is_a_file(tmp_path: pathlib.Path) -> None:
    """The message contains the user's path and the reason of the operating system."""
    (tmp_path / "models").write_text("")
    (tmp_path / "new.h5").write_text("new")
    pair = (str(tmp_path / "new.h5"), str(tmp_path / "models" / "pilot.h5"))
    with pytest.raises(ModelNotInstalled) as caught:
        install_files([pair], backup_folder=str(tmp_path / "backup"), keep=5)
    path = tmp_path / "models"
    assert caught.value.what == (
        f"The model could not be installed in {path}: File exists ({path}). The files there are unchanged."
    )


@needs_fork
def test_files_written_after_a_crash_are_kept(car: Car) -> None:
    """A model that its owner trained after the crash is not replaced when the swap is undone."""

    def replace_and_die(stage: str, target: str) -> None:
        os.replace(stage, target)
        if target.endswith("pilot.h5"):
            die()

    def dying_install() -> None:
        atomic.replace_path = replace_and_die
        car.install(NEW)

    assert in_child(dying_install) == -signal.SIGKILL
    assert car.now()["pilot.h5"] == "new h5"
    path = os.path.join(car.models_path, "pilot.h5")
    os.remove(path)
    write_tree(os.path.join(car.path, "own"), {"pilot.h5": "trained by its owner"})
    os.rename(os.path.join(car.path, "own", "pilot.h5"), path)
    recover(car.backup_folder)
    assert car.now() == with_others(dict(OLD, **{"pilot.h5": "trained by its owner"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"kept": "pilot.h5"},
        {"kept": ["../other.h5"]},
        {"kept": [".."]},
        {"kept": ["pilot.h5\0"]},
        {"absent": ["../../outside"]},
        {"absent": [["pilot.h5"]]},
        {"folder": "../../models"},
        {"folder": 3},
        {"models": 3},
        {"new_mtimes_ns": []},
        {"new_mtimes_ns": {"pilot.h5": "now"}},
        {"new_mtimes_ns": {"../pilot.h5": 1}},
        None,
    ],
)
def test_a_damaged_list_is_an_error(car: Car, changes: Optional[Dict[str, Any]]) -> None:
    """If the list of a backup was edited, nothing is guessed, and no file elsewhere is touched."""
    car.install(NEW)
    path = os.path.join(car.backup_folder, model_swap.PREVIOUS_NAME)
    with open(path) as file:
        listed = json.load(file)
    with open(path, "w") as file:
        json.dump({} if changes is None else dict(listed, **changes), file)
    with pytest.raises(BackupDamaged) as caught:
        roll_back(car.backup_folder)
    assert caught.value.what == f"{path} is damaged: it does not list the files to restore."
    assert caught.value.fix == "Copy the files that you need from its folder, then delete the folder."


def test_a_failed_recovery_reports_where_the_files_are(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """If even the recovery fails, the message says where the old files are, and the next run completes it."""
    replace_path = atomic.replace_path

    def lose(stage: str, target: str) -> None:
        if target.endswith(".json"):
            replace_path(stage, target)
            return
        if os.path.exists(target):
            atomic.remove_path(target)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(atomic, "replace_path", lose)
        with pytest.raises(ModelNotRestored) as caught:
            car.install(NEW)
    assert caught.value.what == (
        "The previous files of a model could not be restored: Input/output error. "
        f"They are kept in {car.backup_folder}."
    )
    assert (
        caught.value.fix == f"Check the disk and the folder {car.backup_folder}, and run the command again."
    )
    recover(car.backup_folder)
    assert car.now() == with_others(OLD)
