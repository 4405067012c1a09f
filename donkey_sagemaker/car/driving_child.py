"""The child process of `driving_process`: imports donkeycar, then does one task after the other.

Each line of its standard input is the path of a task. It ends with its input, so also with its parent.
"""

import contextlib
import importlib
import json
import os
import sys
from typing import Any, Iterable

from ..child_process import limit_resources


def main(paths: Iterable[str]) -> None:
    limit_resources()
    with contextlib.suppress(Exception):  # a task then meets the same error, and reports it
        importlib.import_module("donkeycar.parts.keras")
    for path in paths:
        with open(path.rstrip("\n"), encoding="utf-8") as file:
            task = json.load(file)
        _write(task["result"], importlib.import_module(f"{__package__}.{task['module']}").run(task["task"]))


def _write(path: str, result: Any) -> None:
    """Whoever waits for the path finds all of it."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(result, file)
    os.replace(path + ".part", path)


if __name__ == "__main__":
    # Not sys.stdin: its encoding may not have the letters of a path.
    main(os.fsdecode(line) for line in sys.stdin.buffer)
