"""Runs the trainer as a process with its own /opt/ml, as SageMaker does."""

import os
import re
import subprocess
import tarfile
import threading
from typing import Any, List

from donkey_sagemaker.car.archive import Artifact, unpack
from donkey_sagemaker.contract import Progress, parse_progress
from donkey_sagemaker.resources import container_path

TRAIN_PATH = os.path.join(container_path(), "train")
TIME_LIMIT_S = 600


class TrainerProcess:
    """A running trainer, whose lines are read as they are printed."""

    def __init__(self, command: List[str], base: str, **environ: str) -> None:
        self.base = base
        self.process = subprocess.Popen(
            command,
            env=dict(os.environ, SAGEMAKER_BASE_DIR=base, PYTHONUNBUFFERED="1", **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.watchdog = threading.Timer(TIME_LIMIT_S, self.process.kill)
        self.watchdog.start()
        self.lines: List[str] = []

    def read_until(self, pattern: str) -> None:
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
            if re.search(pattern, self.lines[-1]):
                return
        raise AssertionError("\n".join([f"no line matches {pattern!r}:"] + self.lines))

    def end(self) -> int:
        """Reads the remaining lines and returns the exit code."""
        self.lines += self.process.stdout.read().decode("utf-8", "replace").splitlines()
        self.process.stdout.close()
        code = self.process.wait()
        self.watchdog.cancel()
        return code

    def epochs(self) -> List[Progress]:
        return [progress for progress in map(parse_progress, self.lines) if progress]

    def failure(self) -> str:
        with open(os.path.join(self.base, "output", "failure"), encoding="utf-8") as file:
            return file.read()

    def unpack(self, folder: Any) -> Artifact:
        """The artifact that the car reads from model/, packed as SageMaker does."""
        path = str(folder) + ".tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(os.path.join(self.base, "model"), arcname=".")
        return unpack(path, str(folder))
