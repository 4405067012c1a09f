"""The measurements for a GPU. The net is fast there, so everything around it shows."""

import functools
import os
import subprocess
import tempfile
import threading
from typing import Callable, Dict, List

import feeding
import kernels
import training
from report import Comparison, Measured, Topic, make_row
from training import TASKS, Task
from tubs import repeat_tub
from workbench import Workbench

EPOCHS = 10  # an epoch takes less time than the start of the job
ROUNDS = 3
POLL_S = 0.2  # how often the GPU's memory is read
TOPIC = Topic(
    "Memory of the GPU",
    "The most that nvidia-smi showed during one training, minus what it showed before. Read every "
    f"{POLL_S} s.",
)
_QUERY = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]


def measurements(bench: Workbench, *, tub: str, quick: bool) -> Dict[str, Callable[[], Measured]]:
    """The GPU's measurements by name."""
    rounds = 1 if quick else ROUNDS
    seeds = range(1, rounds + 1)
    tasks = {
        name: task._replace(records=300 if quick else task.records, epochs=1 if quick else EPOCHS)
        for name, task in TASKS.items()
    }
    measured: Dict[str, Callable[[], Measured]] = {
        "training-" + name: functools.partial(training.measure, bench, task, tub=tub, seeds=seeds)
        for name, task in tasks.items()
    }
    measured["feeding"] = functools.partial(feeding.measure, bench, rounds=rounds, types=("linear",))
    measured["memory"] = functools.partial(measure_memory, bench, tasks["linear"], tub=tub)
    measured["kernels"] = functools.partial(
        kernels.measure, bench, tasks["linear"], kernels.ON_A_GPU, tub=tub, seeds=seeds
    )
    return measured


def measure_memory(bench: Workbench, task: Task, *, tub: str) -> Measured:
    """How much of the GPU's memory each side takes."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = os.path.join(folder, "training", "tub")
        repeat_tub(tub, path, records=task.records)
        taken = []
        for train in (training.train_ours, training.train_theirs):
            with GpuMemory() as memory:
                train(bench, task, tub=path, seed=1)
            taken.append(memory.taken_mib)
    ours, theirs = taken
    row = make_row(
        task.description,
        ours,
        theirs,
        show="{:,} MiB",
        target="less than theirs",
        met=ours < theirs,
        runs=1,
    )
    return Measured(TOPIC, [Comparison("GPU memory", "One training of each side.", [row])], [])


class GpuMemory:
    """Reads the first GPU's memory in use at short intervals for as long as the context lasts."""

    def __enter__(self) -> "GpuMemory":
        self._readings: List[int] = [self._read()]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def taken_mib(self) -> int:
        """The peak, minus what was in use at the start."""
        return max(self._readings) - self._readings[0]

    def _poll(self) -> None:
        while not self._ended.wait(POLL_S):
            self._readings.append(self._read())

    def _read(self) -> int:
        return int(subprocess.check_output(_QUERY, universal_newlines=True).splitlines()[0])
