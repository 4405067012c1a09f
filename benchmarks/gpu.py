"""What is measured where there is a GPU: the net is fast there, so that all else shows."""

import functools
import os
import subprocess
import tempfile
import threading
from typing import Callable, Dict, List

import feeding
import kernels
import training
from report import Measured, Row
from training import TASKS, Task
from tubs import repeat_tub
from workbench import Workbench

EPOCHS = 10  # an epoch takes less than the start does
ROUNDS = 3
LOOKED_S = 0.2  # how often the GPU is asked for its memory
_ASK = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]


def measurements(bench: Workbench, *, tub: str, quick: bool) -> Dict[str, Callable[[], Measured]]:
    """All of them by name."""
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
    """What either side takes of the GPU's memory."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = os.path.join(folder, "training", "tub")
        repeat_tub(tub, path, records=task.records)
        taken = []
        for train in (training.train_ours, training.train_theirs):
            with Watch() as watch:
                train(bench, task, tub=path, seed=1)
            taken.append(watch.taken_mib)
    ours, theirs = taken
    row = Row(
        what=f"the GPU's memory ({task.how_many})",
        ours=f"{ours:,} MiB",
        theirs=f"{theirs:,} MiB",
        ratio=ours / theirs,
        target="not all of it",
        met=ours < theirs,
        how="The most that nvidia-smi told during one training, less what it told before, asked every "
        f"{LOOKED_S} s.",
    )
    return Measured([row], [])


class Watch:
    """Asks the first GPU for its memory in use, again and again, as long as the context lasts."""

    def __enter__(self) -> "Watch":
        self._seen: List[int] = [self._ask()]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def taken_mib(self) -> int:
        """The most above what was in use at the start."""
        return max(self._seen) - self._seen[0]

    def _look(self) -> None:
        while not self._ended.wait(LOOKED_S):
            self._seen.append(self._ask())

    def _ask(self) -> int:
        return int(subprocess.check_output(_ASK, universal_newlines=True).splitlines()[0])
