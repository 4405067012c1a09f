"""The process in which this car's donkeycar loads and drives models.

It is a child of ours (driving_child.py), because TensorFlow is large and may crash, and a model file is not
trusted. Its start takes seconds on a PC and up to a minute on a Pi, so it can begin before there is a model,
and the same process then does one task after the other.
"""

import contextlib
import errno
import json
import os
import subprocess
import tempfile
import threading
import time
from typing import Any, Dict, Optional

from ..child_process import module_command
from ..disk_errors import has_no_room

TIME_LIMIT_S = 900  # for a task: a Pi 3 needs minutes to import TensorFlow and load a model from its SD card
POLL_S = 0.02
_LINE_BYTES = 2**16  # of a line that is longer, the rest counts as another one
_LAST_LINE_CHARS = 500  # of the last line that a crashed process printed


class ChildFailed(Exception):
    """The process ended without a result, in words."""


class DrivingProcess:
    """A context manager: at its end the process ends too.

    Args:
        car_path: the car's folder, from which its donkeycar is imported.
    """

    def __init__(self, car_path: str) -> None:
        self._car_path = car_path
        self._child: Optional[_Child] = None

    def __enter__(self) -> "DrivingProcess":
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begins to import donkeycar, unless that has begun. A machine without room for it begins later."""
        with contextlib.suppress(OSError):
            self._child = self._child or _Child(self._car_path)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def run(self, module: str, task: Dict[str, Any], *, folder: str) -> Dict[str, Any]:
        """
        Args:
            module: of this package; its `run` does the task.
            folder: for the files of the task; next to the archive, so that the next command removes them
                after a power cut.
        Returns:
            what `run` returns, through JSON.
        Raises:
            ChildFailed
        """
        child = self._child = self._child or _Child(self._car_path)
        with tempfile.TemporaryDirectory(dir=folder) as own:
            task_path, result_path = os.path.join(own, "task.json"), os.path.join(own, "result.json")
            with open(task_path, "w", encoding="utf-8") as file:
                json.dump({"module": module, "task": task, "result": result_path}, file)
            try:
                child.do(task_path, result_path)
            except BaseException as error:
                self.stop()
                if isinstance(error, ChildFailed) and has_no_room(own):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder) from error
                raise
            with open(result_path, encoding="utf-8") as file:
                result: Dict[str, Any] = json.load(file)
        return result


class _Child:
    def __init__(self, car_path: str) -> None:
        # What loads an untrusted file has none of the owner's keys.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment.update(TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="-1")
        self._last_line = b""
        self._process = subprocess.Popen(
            module_command(f"{__package__}.driving_child"),
            cwd=car_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()  # type: ignore[union-attr]
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]

    def do(self, task_path: str, result_path: str) -> None:
        """Passes the task on, and waits until the file with its result is there.

        Raises:
            ChildFailed
        """
        process = self._process
        with contextlib.suppress(BrokenPipeError):  # it has crashed as it was starting
            process.stdin.write(os.fsencode(task_path) + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        deadline = time.monotonic() + TIME_LIMIT_S
        while not os.path.exists(result_path):
            if process.poll() is not None and not os.path.exists(result_path):
                code = process.returncode
                how = "killed, probably because memory ran out" if code == -9 else f"exit code {code}"
                self._reader.join()
                last_line = self._last_line.decode("utf-8", "replace").strip()[:_LAST_LINE_CHARS]
                raise ChildFailed(
                    f"the check crashed on this car ({how}). The last line it printed: {last_line or 'none'}"
                )
            if time.monotonic() > deadline:
                raise ChildFailed(f"the check took more than {TIME_LIMIT_S // 60} minutes on this car")
            time.sleep(POLL_S)

    def _read(self) -> None:
        """Keeps the last line; a process whose output nobody reads would stop."""
        for line in iter(lambda: self._process.stdout.readline(_LINE_BYTES), b""):  # type: ignore[union-attr]
            self._last_line = line if line.strip() else self._last_line
