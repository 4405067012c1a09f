"""The benchmarks take hours, so what they import from the project must exist before they are run."""

import ast
import os
from typing import Iterator, Optional, Set, Tuple

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOTS = [os.path.join(REPO, name) for name in ("benchmarks", "demo", "container", "tests", "")]
SCRIPTS = sorted(
    os.path.join(folder, name)
    for folder in ("benchmarks", "demo", "docs")
    for name in os.listdir(os.path.join(REPO, folder))
    if name.endswith(".py")
)


def find_module(name: str) -> Optional[str]:
    """The project's own file of a module; None for another package."""
    for root in ROOTS:
        for path in (name.replace(".", "/") + ".py", name.replace(".", "/") + "/__init__.py"):
            if os.path.isfile(os.path.join(root, path)):
                return os.path.join(root, path)
    return None


def read_imports(path: str) -> Iterator[Tuple[str, str]]:
    """(module, name) of each `from module import name`."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def find_names(path: str) -> Set[str]:
    """Everything that a module defines or imports, wherever in it."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_imports_exists(script: str) -> None:
    """A function that was moved is found at its new place."""
    missing = []
    for module, name in read_imports(os.path.join(REPO, script)):
        path = find_module(module)
        is_module = find_module(f"{module}.{name}") is not None
        if path is not None and not is_module and name not in find_names(path):
            missing.append(f"{module}.{name}")
    assert missing == []


def test_a_missing_name_is_seen() -> None:
    """The names of a module of the project are known, and those of other packages are not looked at."""
    path = find_module("trainer.split")
    assert path is not None and "draw_frames" in find_names(path) and "split" not in find_names(path)
    assert find_module("numpy") is None
