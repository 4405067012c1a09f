"""Executes a car's config in a process of its own, and notes which files of its folder it uses.

The task is a JSON file: `folder` (with config.py and myconfig.py), `myconfig`, `hidden` (folders in which no
file can be opened) and `result`, the file for what happened: `modules` and `opened`, paths relative to the
folder, and `error` with `what` and `fix`, or null.
"""

import builtins
import io
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from ..errors import BadInput
from .config import read_config


class Watch:
    """Takes the place of open(). Python's own files and installed packages are not hidden."""

    def __init__(self, folder: str, hidden: Sequence[str]) -> None:
        self.opened: Set[str] = set()
        self._folder = folder
        self._hidden = [os.path.realpath(path) for path in hidden]
        self._python = [os.path.realpath(path) for path in {sys.prefix, sys.base_prefix, *sys.path[1:]}]
        self.original: Callable[..., Any] = builtins.open

    def open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        path = _absolute_path(file)
        if path is not None:
            if path.startswith(self._folder + os.sep):
                if "r" in mode and os.path.isfile(path):
                    self.opened.add(os.path.relpath(path, self._folder))
            elif _is_in(path, self._hidden) and not _is_in(path, self._python):
                raise FileNotFoundError(2, "No such file or directory", os.fspath(file))
        return self.original(file, mode, *arguments, **options)


def find_modules(folder: str) -> List[str]:
    """Those of the modules loaded in this process that are below the folder."""
    paths = {
        os.path.realpath(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())
    }
    return [os.path.relpath(path, folder) for path in paths if path.startswith(folder + os.sep)]


def _absolute_path(file: Any) -> Optional[str]:
    """Without the links in the folder's own path, but with those below it, which decide what it is named."""
    if not isinstance(file, (str, bytes, os.PathLike)):
        return None  # a descriptor
    path = os.path.abspath(os.fsdecode(file))
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def run(task: Dict[str, Any]) -> Dict[str, Any]:
    folder = os.path.realpath(task["folder"])
    watch = Watch(folder, task["hidden"])
    builtins.open = io.open = watch.open
    error = None
    try:
        read_config(folder, myconfig=task["myconfig"])
    except BadInput as raised:
        error = {"what": raised.what, "fix": raised.fix}
    finally:
        builtins.open = io.open = watch.original
    return {"modules": sorted(find_modules(folder)), "opened": sorted(watch.opened), "error": error}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as task_file:
        the_task = json.load(task_file)
    the_result = run(the_task)
    with open(the_task["result"], "w", encoding="utf-8") as result_file:
        json.dump(the_result, result_file)
