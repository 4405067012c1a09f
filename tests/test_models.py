"""models: the old set of a pilot's files or the new one, whatever happens in between."""

import datetime
import errno
import os
import pathlib
import re
import signal
import tempfile
import traceback
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import pytest
from donkey_sagemaker.car.models import (
    BackupDamaged,
    ModelNotInstalled,
    ModelNotPutBack,
    NothingToRollBack,
    default_model_path,
    install_files,
    model_name,
    previous_set,
    recover,
    roll_back,
)

from donkey_sagemaker import atomic
from donkey_sagemaker.car import models

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

OLD = {
    "pilot.h5": "old h5",
    "pilot.tflite": "old tflite",
    "pilot.history.json": "old history",
    "pilot.savedmodel": {"saved_model.pb": "old graph", "variables": {"index": "old weights"}},
}
NEW = {
    "pilot.h5": "new h5",
    "pilot.savedmodel": {"saved_model.pb": "new graph", "variables": {"index": "new weights", "more": ""}},
    "pilot.png": "new plot",
}
OTHERS = {"other.h5": "another pilot", "pilot.v2.h5": "a third", "pilot.txt": "notes", "pilot_2": {"x": ""}}


Tree = Dict[str, Any]  # name -> a file's content or a folder's tree


def write_tree(path: str, tree: Tree) -> None:
    os.makedirs(path)
    for name, content in tree.items():
        if isinstance(content, dict):
            write_tree(os.path.join(path, name), content)
        else:
            with open(os.path.join(path, name), "w") as file:
                file.write(content)


def read_tree(path: str) -> Tree:
    tree: Tree = {}
    for name in os.listdir(path):
        inner = os.path.join(path, name)
        if os.path.isdir(inner):
            tree[name] = read_tree(inner)
        else:
            with open(inner) as file:
                tree[name] = file.read()
    return tree


def with_others(tree: Tree) -> Tree:
    return dict(OTHERS, **tree)


class Car:
    """A models folder, and new sets to put there."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.models_path = os.path.join(self.path, "models")
        self.backup_folder = os.path.join(self.path, ".sagemaker", "previous", "pilot")
        write_tree(self.models_path, with_others(OLD))

    def install(self, tree: Tree, stem: str = "unpacked") -> List[str]:
        source = os.path.join(self.path, stem)
        if not os.path.exists(source):
            write_tree(source, tree)
        pairs = [(os.path.join(source, name), os.path.join(self.models_path, name)) for name in tree]
        return install_files(pairs, backup_folder=self.backup_folder)

    def now(self) -> Tree:
        return read_tree(self.models_path)

    def previous(self) -> Optional[Tree]:
        """The kept set, read from where it is kept; None where there is none."""
        kept = previous_set(self.backup_folder)
        return None if kept is None else read_tree(os.path.dirname(next(iter(kept.kept.values()))))

    def mtimes(self, tree: Iterable[str]) -> Dict[str, int]:
        return {name: os.stat(os.path.join(self.models_path, name)).st_mtime_ns for name in tree}


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    return Car(str(tmp_path / "car"))


def test_a_set_takes_the_place_of_the_old_one(car: Car) -> None:
    """New files replace old ones, a stale sibling goes, other pilots and notes stay, the old set is kept."""
    gone = car.install(NEW)
    assert [os.path.relpath(path, car.models_path) for path in gone] == sorted(set(OLD) - set(NEW))
    assert car.now() == with_others(NEW)
    assert car.previous() == OLD
    kept = previous_set(car.backup_folder)
    assert kept and kept.absent == ["pilot.png"]


def test_the_first_set_needs_no_folder(tmp_path: pathlib.Path) -> None:
    """A car without models/ gets one, and has nothing to roll back to."""
    (tmp_path / "new.h5").write_text("new")
    target, backup = tmp_path / "car" / "models" / "pilot.h5", tmp_path / "backup"
    install_files([(str(tmp_path / "new.h5"), str(target))], backup_folder=str(backup))
    assert target.read_text() == "new"
    assert previous_set(str(backup)) is None
    with pytest.raises(NothingToRollBack) as caught:
        roll_back(str(backup))
    assert caught.value.what == f"There is no previous model in {backup}."
    assert caught.value.fix == "Name a model that was trained more than once."


def test_a_model_without_an_extension(tmp_path: pathlib.Path) -> None:
    """A 2.2 car's model has any name; an old mypilot.tflite beside it is stale all the same."""
    write_tree(str(tmp_path / "models"), {"mypilot": "old", "mypilot.tflite": "old", "my": "other"})
    (tmp_path / "new").write_text("new")
    install_files(
        [(str(tmp_path / "new"), str(tmp_path / "models" / "mypilot"))],
        backup_folder=str(tmp_path / "backup"),
    )
    assert read_tree(str(tmp_path / "models")) == {"mypilot": "new", "my": "other"}


def test_roll_back_and_back_again(car: Car) -> None:
    """The previous set comes back whole, and a second call undoes the first."""
    car.install(NEW)
    names = ["pilot.h5", "pilot.savedmodel", "pilot.history.json", "pilot.tflite"]
    back = roll_back(car.backup_folder)
    assert back == [os.path.join(car.models_path, name) for name in names]
    assert car.now() == with_others(OLD)
    assert car.previous() == NEW
    roll_back(car.backup_folder)
    assert car.now() == with_others(NEW)
    assert car.previous() == OLD


def test_only_the_last_set_is_kept(car: Car) -> None:
    """Each swap replaces what is kept: the car's disk does not fill with models."""
    car.install(NEW)
    car.install({"pilot.h5": "newest"}, "unpacked-2")
    assert car.previous() == NEW
    assert len(os.listdir(car.backup_folder)) == 2  # previous.json and one folder


def test_a_deleted_model_does_not_take_the_kept_one_with_it(car: Car) -> None:
    """Training a deleted name again keeps the older set that can still be rolled back to."""
    car.install(NEW)
    for name in NEW:
        atomic.remove_path(os.path.join(car.models_path, name))
    car.install({"pilot.h5": "newest"}, "unpacked-2")
    assert car.previous() == OLD


def test_the_folder_of_the_car_may_move(car: Car, tmp_path: pathlib.Path) -> None:
    """A car that was renamed rolls back in its new place."""
    car.install(NEW)
    os.rename(car.path, str(tmp_path / "moved"))
    roll_back(str(tmp_path / "moved" / ".sagemaker" / "previous" / "pilot"))
    assert read_tree(str(tmp_path / "moved" / "models")) == with_others(OLD)


def test_every_swap_gives_a_later_mtime(car: Car) -> None:
    """donkeycar reloads when getmtime differs: also where the old file is from the future, and going back."""
    future_ns = 4 * 10**18 + 1
    os.utime(os.path.join(car.models_path, "pilot.h5"), ns=(future_ns, future_ns))
    before = car.mtimes(["pilot.h5", "pilot.savedmodel"])
    for swap in (lambda: car.install(NEW), lambda: roll_back(car.backup_folder)):
        swap()
        after = car.mtimes(["pilot.h5", "pilot.savedmodel"])
        assert all(after[name] > before[name] for name in before)
        before = after


def test_no_links_on_the_disk(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FAT disk knows no hard links: the old files are copied."""

    def refuse(source: str, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    car.install(NEW)
    assert car.previous() == OLD
    roll_back(car.backup_folder)
    assert car.now() == with_others(OLD)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_is_replaced_by_the_model(car: Car) -> None:
    """models/pilot.h5 linked to another model becomes a model of its own; the other one is left alone."""
    path = os.path.join(car.models_path, "pilot.h5")
    os.remove(path)
    os.symlink("other.h5", path)
    car.install(NEW)
    assert car.now() == with_others(NEW)
    assert car.previous() == dict(OLD, **{"pilot.h5": OTHERS["other.h5"]})


def test_the_files_of_a_pilot_are_in_one_folder(tmp_path: pathlib.Path) -> None:
    """Targets in two folders are a mistake of the caller."""
    pairs = [("a", str(tmp_path / "a" / "x.h5")), ("b", str(tmp_path / "b" / "x.tflite"))]
    with pytest.raises(ValueError, match="the files of one pilot belong in one folder"):
        install_files(pairs, backup_folder=str(tmp_path / "backup"))


# -- errors and crashes at every step ---------------------------------------------------------------------

STEPS = "replace rename link remove unlink mkdir rmdir fsync utime".split()


def in_child(work: Callable[..., Optional[int]], *arguments: Any) -> int:
    """Runs work in a forked child, where it may change modules and die; returns how it ended."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(work(*arguments) or 0)
        except BaseException:  # noqa: BLE001 - else the child would go on as a second pytest
            traceback.print_exc()
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def before_step(number: int, happens: Callable[[], None]) -> List[str]:
    """From now on `happens()` comes before the given call (from 0) of those that change the disk.

    Returns:
        a list that grows with these calls.
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
    """The message without the file at fault, which newer Pythons name in more cases."""
    return re.sub(r" \(/[^)]*\)", "", what)


def cars(folder: str) -> Iterator[Tuple[int, Car]]:
    """One car after the other, each with a swap behind it."""
    for number in range(1000):
        car = Car(os.path.join(folder, str(number)))
        car.install({"pilot.h5": "oldest"}, "oldest")
        roll_back(car.backup_folder)
        write_tree(os.path.join(car.path, "unpacked"), NEW)
        yield number, car


@pytest.fixture
def memory_path(tmp_path: pathlib.Path) -> Iterator[str]:
    """A folder on a disk that syncs at once, where the system has one."""
    if not os.path.isdir("/dev/shm"):
        yield str(tmp_path)
    else:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
            yield path


@needs_fork
@pytest.mark.parametrize("afterwards", ["recover", "install", "roll back"])
def test_killed_at_every_step(memory_path: str, afterwards: str) -> None:
    """After SIGKILL each path holds old or new, and the next run has the whole old or the whole new set."""

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
            assert car.previous() in (OLD, NEW)
        else:
            roll_back(car.backup_folder)
            assert car.now() in (with_others({"pilot.h5": "oldest"}), with_others(OLD))
            assert car.previous() in (OLD, NEW)
        assert len(os.listdir(car.backup_folder)) == 2  # previous.json and one folder
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert number > 40


@needs_fork
@pytest.mark.parametrize("interrupted", [False, True])
def test_an_error_at_every_step(memory_path: str, interrupted: bool) -> None:
    """A full disk and Ctrl-C put everything back, and the message of the full disk says so."""

    def failing_install(car: Car, number: int) -> int:
        calls = before_step(number, interrupt if interrupted else disk_full)
        try:
            car.install(NEW)
        except KeyboardInterrupt:
            return 1
        except ModelNotInstalled as failure:
            assert without_file(failure.what) == (
                f"The model could not be put into {car.models_path}: No space left on device. "
                "What was there is as it was."
            )
            assert failure.fix == "Free some space on that disk and run the command again."
            return 1
        return 2 if len(calls) <= number else 0

    for number, car in cars(memory_path):
        ended = in_child(failing_install, car, number)
        assert ended in (0, 1, 2)
        # An error may come after the commit: from its last sync, or while older backups are removed.
        committed = car.previous() == OLD
        assert committed or ended == 1
        assert car.now() == with_others(NEW if committed else OLD)
        if ended == 2:
            break
    assert number > 40


@needs_fork
def test_the_kernel_refuses_to_write(car: Car, tmp_path: pathlib.Path) -> None:
    """A real failed write, in the middle of a file: nothing has changed, nothing is left."""
    resource = pytest.importorskip("resource")
    large = dict(NEW, **{"pilot.png": "x" * 100000})

    def work() -> None:
        write_tree(os.path.join(car.path, "unpacked"), large)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        with pytest.raises(ModelNotInstalled) as caught:
            car.install(large)
        assert without_file(caught.value.what) == (
            f"The model could not be put into {car.models_path}: File too large. What was there is as it was."
        )
        assert caught.value.fix == (
            f"Check the disk and the folder {car.models_path}, and run the command again."
        )

    assert in_child(work) == 0
    assert car.now() == with_others(OLD)
    assert os.listdir(car.backup_folder) == []


@needs_fork
def test_a_read_only_folder() -> None:
    """A folder of somebody else's is refused with what to do, and the old model is as it was."""

    def work(folder: str) -> None:
        if os.geteuid() == 0:  # who could write anywhere
            os.chmod(folder, 0o777)
            os.setuid(65534)
        car = Car(os.path.join(folder, "car"))
        os.chmod(car.models_path, 0o555)
        with pytest.raises(ModelNotInstalled) as caught:
            car.install(NEW)
        assert caught.value.fix == f"Make {car.models_path} writable for this user and run the command again."
        assert car.now() == with_others(OLD)
        os.chmod(car.models_path, 0o755)

    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        assert in_child(work, folder) == 0


def test_a_models_folder_that_is_a_file(tmp_path: pathlib.Path) -> None:
    """The message names the user's path and the system's reason."""
    (tmp_path / "models").write_text("")
    (tmp_path / "new.h5").write_text("new")
    pair = (str(tmp_path / "new.h5"), str(tmp_path / "models" / "pilot.h5"))
    with pytest.raises(ModelNotInstalled) as caught:
        install_files([pair], backup_folder=str(tmp_path / "backup"))
    path = tmp_path / "models"
    assert caught.value.what == (
        f"The model could not be put into {path}: File exists ({path}). What was there is as it was."
    )


@needs_fork
def test_what_was_written_since_a_crash_is_left_alone(car: Car) -> None:
    """A pilot that its owner trained anew after the crash is not undone with the rest."""

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


def test_a_damaged_list_is_refused(car: Car) -> None:
    """A list that somebody edited is not guessed at."""
    car.install(NEW)
    path = os.path.join(car.backup_folder, models.PREVIOUS_NAME)
    with open(path, "w") as file:
        file.write("{}")
    with pytest.raises(BackupDamaged) as caught:
        roll_back(car.backup_folder)
    assert caught.value.what == f"{path} does not say which files to put back."
    assert caught.value.fix == "Copy what you need out of that folder, then remove the folder."


def test_a_failed_undo_says_where_the_files_are(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the undo fails, the message says where the old files are, and the next run ends it."""
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
        with pytest.raises(ModelNotPutBack) as caught:
            car.install(NEW)
    assert caught.value.what == (
        "A model's files could not be put back as they were: Input/output error. "
        f"They are kept in {car.backup_folder}."
    )
    assert (
        caught.value.fix == f"Check the disk and the folder {car.backup_folder}, and run the command again."
    )
    recover(car.backup_folder)
    assert car.now() == with_others(OLD)


# -- a driving car ----------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.parametrize("name", ["pilot.h5", "pilot.savedmodel"])
def test_a_driving_car_never_misses_the_model(tmp_path: pathlib.Path, name: str) -> None:
    """A process that looks and loads without a pause, during 200 swaps and roll-backs, finds whole files."""
    trees: List[Tree] = [
        {"pilot.h5": letter * 50000, "pilot.savedmodel": {"saved_model.pb": letter * 5000, "index": letter}}
        for letter in "ab"
    ]
    for number, tree in enumerate(trees):
        write_tree(str(tmp_path / str(number)), tree)
    target, stop = str(tmp_path / "models" / name), str(tmp_path / "stop")
    write_tree(str(tmp_path / "models"), {name: trees[0][name]})
    begun, begins = os.pipe()

    def load() -> None:
        for below in [""] if name.endswith(".h5") else ["saved_model.pb", "index"]:
            with open(os.path.join(target, below) if below else target) as file:
                content = file.read()
            assert content in [tree[name][below] if below else tree[name] for tree in trees]

    def watch() -> None:
        mtimes, looks = set(), 0
        while not os.path.exists(stop):
            mtimes.add(os.path.getmtime(target))
            load()
            looks += 1
            if looks == 1:
                os.write(begins, b"!")
        assert len(mtimes) > 20, "the watcher did not see the swaps"

    def swap() -> None:
        os.read(begun, 1)
        for number in range(200):
            if number % 5 == 4:
                roll_back(str(tmp_path / "backup"))
            else:
                pair = (str(tmp_path / str(number % 2) / name), target)
                install_files([pair], backup_folder=str(tmp_path / "backup"))
        (tmp_path / "stop").write_text("")

    def both() -> int:
        swapper = os.fork()
        if swapper == 0:
            os._exit(in_child(swap))
        watch()
        return os.waitpid(swapper, 0)[1]

    assert in_child(both) == 0


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, name",
    [
        ("models/pilot_21-01-01_3.h5", "pilot_21-01-01_3"),
        ("models/pilot.savedmodel", "pilot"),
        ("models/pilot.history.json", "pilot"),
        ("models/mypilot", "mypilot"),
        ("models/my.pilot", "my.pilot"),
        ("pilot.v2.TFLITE", "pilot.v2"),
    ],
)
def test_model_name(path: str, name: str) -> None:
    """Only what donkeycar takes for a model's extension is one."""
    assert model_name(path) == name


@pytest.mark.parametrize(
    "numbers, existing, expected",
    [
        ([], [], "pilot_21-02-03_0.h5"),
        ([0, 7, 3], [], "pilot_21-02-03_8.h5"),
        ([0], ["pilot_21-02-03_1.tflite", "pilot_21-02-03_2"], "pilot_21-02-03_3.h5"),
        ([0], ["pilot_21-02-03_10.h5"], "pilot_21-02-03_1.h5"),
    ],
)
def test_default_model_path(numbers: List[int], existing: List[str], expected: str) -> None:
    """The next number of the database, and never a name that is taken under any extension."""
    path = default_model_path(
        "models",
        today=datetime.date(2021, 2, 3),
        extension=".h5",
        database_numbers=numbers,
        existing_names=existing,
    )
    assert path == os.path.join("models", expected)
