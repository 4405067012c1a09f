"""The atomic swap: the old files of a pilot or the new ones, and the rollback."""

import errno
import json
import os
import pathlib
from typing import List

import pytest

from donkey_sagemaker import atomic
from donkey_sagemaker.car.model_swap import (
    PREVIOUS_NAME,
    NothingToRollBack,
    install_files,
    previous_sets,
    roll_back,
)
from models_folder import (
    NEW,
    OLD,
    OTHERS,
    Car,
    Tree,
    in_child,
    needs_fork,
    read_tree,
    with_others,
    write_tree,
)


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    return Car(str(tmp_path / "car"))


def test_new_files_replace_the_old_ones(car: Car) -> None:
    """Stale siblings are removed, other pilots and notes stay, and the old files are kept in the backup."""
    removed = car.install(NEW)
    assert [os.path.relpath(path, car.models_path) for path in removed] == sorted(set(OLD) - set(NEW))
    assert car.now() == with_others(NEW)
    assert car.previous() == OLD
    (kept,) = previous_sets(car.backup_folder)
    assert kept.absent == ["pilot.png"]


def test_the_models_folder_is_created(tmp_path: pathlib.Path) -> None:
    """A car without models/ gets this folder, and has nothing to roll back to."""
    (tmp_path / "new.h5").write_text("new")
    target, backup = tmp_path / "car" / "models" / "pilot.h5", tmp_path / "backup"
    install_files([(str(tmp_path / "new.h5"), str(target))], backup_folder=str(backup), keep=5)
    assert target.read_text() == "new"
    assert previous_sets(str(backup)) == []
    with pytest.raises(NothingToRollBack) as caught:
        roll_back(str(backup))
    assert caught.value.what == "There is no previous version of backup to restore."
    assert caught.value.fix == (
        "A training that replaces a model keeps the model before it: name one with "
        "`python manage.py sagemaker-rollback MODEL`."
    )


def test_a_model_without_an_extension(tmp_path: pathlib.Path) -> None:
    """The model of a 2.2 car may have any name. An old mypilot.tflite next to it is stale nevertheless."""
    write_tree(str(tmp_path / "models"), {"mypilot": "old", "mypilot.tflite": "old", "my": "other"})
    (tmp_path / "new").write_text("new")
    install_files(
        [(str(tmp_path / "new"), str(tmp_path / "models" / "mypilot"))],
        backup_folder=str(tmp_path / "backup"),
        keep=5,
    )
    assert read_tree(str(tmp_path / "models")) == {"mypilot": "new", "my": "other"}


def test_roll_back_twice(car: Car) -> None:
    """All previous files are restored, and a second call undoes the first."""
    car.install(NEW)
    names = ["pilot.h5", "pilot.savedmodel", "pilot.history.json", "pilot.tflite"]
    restored = roll_back(car.backup_folder)
    assert restored == [os.path.join(car.models_path, name) for name in names]
    assert car.now() == with_others(OLD)
    assert car.previous() == NEW
    roll_back(car.backup_folder)
    assert car.now() == with_others(NEW)
    assert car.previous() == OLD


def test_as_many_versions_are_kept_as_wanted(car: Car) -> None:
    """The oldest are removed, so that the car's disk does not fill up with models."""
    for number in range(5):
        car.install({"pilot.h5": f"number {number}"}, f"unpacked-{number}", keep=3)
    assert car.versions() == [{"pilot.h5": f"number {number}"} for number in (3, 2, 1)]
    assert len(os.listdir(car.backup_folder)) == 4  # previous.json and three folders
    car.install({"pilot.h5": "last"}, "unpacked-last", keep=1)
    assert car.versions() == [{"pilot.h5": "number 4"}]
    assert len(os.listdir(car.backup_folder)) == 2


def test_rollbacks_step_through_all_versions(car: Car) -> None:
    """One version further each time, until the first one is back; forward is the other way round."""

    def installed() -> str:
        return str(car.now()["pilot.h5"])

    for number in range(3):
        car.install({"pilot.h5": f"number {number}"}, f"unpacked-{number}")
    seen = []
    for _ in range(5):
        roll_back(car.backup_folder)
        seen.append(installed())
    assert seen == ["number 1", "number 0", "old h5", "number 2", "number 1"]
    for expected in ("number 2", "old h5"):
        roll_back(car.backup_folder, forward=True)
        assert installed() == expected
    assert set(OLD) <= set(car.now())


def test_a_training_after_a_rollback_keeps_the_version_that_it_replaces_first(car: Car) -> None:
    """That of before the rollback, which its owner did not want, is the last to come back."""
    for number in range(3):
        car.install({"pilot.h5": f"number {number}"}, f"unpacked-{number}")
    roll_back(car.backup_folder)
    car.install({"pilot.h5": "newest"}, "unpacked-newest")
    assert [version["pilot.h5"] for version in car.versions()] == [
        "number 1",
        "number 0",
        "old h5",
        "number 2",
    ]


def test_the_backup_of_an_earlier_version_of_this_program(car: Car) -> None:
    """It kept one version, and its list names no others."""
    car.install(NEW)
    path = os.path.join(car.backup_folder, PREVIOUS_NAME)
    with open(path) as file:
        listed = json.load(file)
    del listed["versions"]
    with open(path, "w") as file:
        json.dump(listed, file)
    roll_back(car.backup_folder)
    assert car.now() == with_others(OLD)
    assert car.versions() == [NEW]


def test_the_backup_of_a_deleted_model_is_kept(car: Car) -> None:
    """After its model was deleted and trained again, a pilot can still be rolled back to the older files."""
    car.install(NEW)
    for name in NEW:
        atomic.remove_path(os.path.join(car.models_path, name))
    car.install({"pilot.h5": "newest"}, "unpacked-2")
    assert car.previous() == OLD


def test_the_car_folder_can_be_moved(car: Car, tmp_path: pathlib.Path) -> None:
    """The rollback still works after the car's folder was renamed."""
    car.install(NEW)
    os.rename(car.path, str(tmp_path / "moved"))
    roll_back(str(tmp_path / "moved" / ".sagemaker" / "previous" / "pilot"))
    assert read_tree(str(tmp_path / "moved" / "models")) == with_others(OLD)


def test_every_swap_results_in_a_later_mtime(car: Car) -> None:
    """donkeycar reloads if getmtime differs. This holds for files from the future, and for the rollback."""
    future_ns = 4 * 10**18 + 1
    os.utime(os.path.join(car.models_path, "pilot.h5"), ns=(future_ns, future_ns))
    before = car.mtimes(["pilot.h5", "pilot.savedmodel"])
    for swap in (lambda: car.install(NEW), lambda: roll_back(car.backup_folder)):
        swap()
        after = car.mtimes(["pilot.h5", "pilot.savedmodel"])
        assert all(after[name] > before[name] for name in before)
        before = after


def test_a_disk_without_hard_links(car: Car, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT does not support hard links, so the old files are copied."""

    def fail(source: str, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    car.install(NEW)
    assert car.previous() == OLD
    roll_back(car.backup_folder)
    assert car.now() == with_others(OLD)


@pytest.mark.skipif(os.name == "nt", reason="links require a privilege there")
def test_a_link_is_replaced_by_the_model(car: Car) -> None:
    """A link models/pilot.h5 to another model is replaced by a file; the other model does not change."""
    path = os.path.join(car.models_path, "pilot.h5")
    os.remove(path)
    os.symlink("other.h5", path)
    car.install(NEW)
    assert car.now() == with_others(NEW)
    assert car.previous() == dict(OLD, **{"pilot.h5": OTHERS["other.h5"]})


def test_the_files_of_a_pilot_are_in_one_folder(tmp_path: pathlib.Path) -> None:
    """Targets in two folders are a mistake in the calling code."""
    pairs = [("a", str(tmp_path / "a" / "x.h5")), ("b", str(tmp_path / "b" / "x.tflite"))]
    with pytest.raises(ValueError, match="the files of one pilot belong in one folder"):
        install_files(pairs, backup_folder=str(tmp_path / "backup"), keep=5)


# -- a driving car ----------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.parametrize("name", ["pilot.h5", "pilot.savedmodel"])
def test_a_driving_car_always_finds_the_model(tmp_path: pathlib.Path, name: str) -> None:
    """A process that keeps loading the model during 200 swaps and rollbacks always finds complete files."""
    trees: List[Tree] = [
        {"pilot.h5": letter * 50000, "pilot.savedmodel": {"saved_model.pb": letter * 5000, "index": letter}}
        for letter in "ab"
    ]
    for number, tree in enumerate(trees):
        write_tree(str(tmp_path / str(number)), tree)
    target, stop = str(tmp_path / "models" / name), str(tmp_path / "stop")
    write_tree(str(tmp_path / "models"), {name: trees[0][name]})
    started_reader, started_writer = os.pipe()

    def load() -> None:
        for member in [""] if name.endswith(".h5") else ["saved_model.pb", "index"]:
            with open(os.path.join(target, member) if member else target) as file:
                content = file.read()
            assert content in [tree[name][member] if member else tree[name] for tree in trees]

    def watch() -> None:
        mtimes, rounds = set(), 0
        while not os.path.exists(stop):
            mtimes.add(os.path.getmtime(target))
            load()
            rounds += 1
            if rounds == 1:
                os.write(started_writer, b"!")
        assert len(mtimes) > 20, "the watcher did not see the swaps"

    def swap() -> None:
        os.read(started_reader, 1)
        for number in range(200):
            if number % 5 == 4:
                roll_back(str(tmp_path / "backup"))
            else:
                pair = (str(tmp_path / str(number % 2) / name), target)
                install_files([pair], backup_folder=str(tmp_path / "backup"), keep=5)
        (tmp_path / "stop").write_text("")

    def both() -> int:
        swapper = os.fork()
        if swapper == 0:
            os._exit(in_child(swap))
        watch()
        return os.waitpid(swapper, 0)[1]

    assert in_child(both) == 0
