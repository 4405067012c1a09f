"""A car's models folder with the files of several pilots, for the tests of the atomic swap."""

import os
import traceback
from typing import Any, Callable, Dict, Iterable, List, Optional

import pytest

from donkey_sagemaker.car.model_swap import install_files, previous_sets

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
    """A car with a models folder, into which new files can be installed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.models_path = os.path.join(self.path, "models")
        self.backup_folder = os.path.join(self.path, ".sagemaker", "previous", "pilot")
        write_tree(self.models_path, with_others(OLD))

    def install(self, tree: Tree, stem: str = "unpacked", *, keep: int = 5) -> List[str]:
        source = os.path.join(self.path, stem)
        if not os.path.exists(source):
            write_tree(source, tree)
        pairs = [(os.path.join(source, name), os.path.join(self.models_path, name)) for name in tree]
        return install_files(pairs, backup_folder=self.backup_folder, keep=keep)

    def now(self) -> Tree:
        return read_tree(self.models_path)

    def previous(self) -> Optional[Tree]:
        """The files in the backup; None if there is none."""
        kept = self.versions()
        return kept[0] if kept else None

    def versions(self) -> List[Tree]:
        """The files of each version in the backup, the one that a rollback restores first."""
        sets = previous_sets(self.backup_folder)
        return [read_tree(os.path.dirname(next(iter(each.kept.values())))) for each in sets]

    def mtimes(self, tree: Iterable[str]) -> Dict[str, int]:
        return {name: os.stat(os.path.join(self.models_path, name)).st_mtime_ns for name in tree}


def in_child(work: Callable[..., Optional[int]], *arguments: Any) -> int:
    """Runs work in a forked child, where it may change modules and crash.

    Returns:
        the exit code, or the number of the signal that killed it, negated.
    """
    child = os.fork()
    if child == 0:
        try:
            os._exit(work(*arguments) or 0)
        except BaseException:  # noqa: BLE001 - otherwise the child would continue as a second pytest
            traceback.print_exc()
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
