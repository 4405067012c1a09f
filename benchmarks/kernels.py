"""How fast TensorFlow computes the linear net in several ways: Keras's own fit on arrays."""

import os
import statistics
import tempfile
from typing import Dict, List, Sequence

from report import Comparison, Measured, Row, SingleRuns, Topic, make_row
from training import EIGEN, FLOAT32, MIXED, MIXED_XLA, ONEDNN, XLA, Limit, Task, Way, fit_arrays
from tubs import repeat_tub
from workbench import Workbench

RECORDS = 2000
ON_A_CPU = (ONEDNN, EIGEN, XLA)  # the first one is what the trainer uses
ON_A_GPU = (FLOAT32, XLA, MIXED, MIXED_XLA)
TOPIC = Topic(
    "Ways to compute the net",
    "Keras's own `fit` on float32 arrays in memory, in each way in turn. On x86 CPUs the "
    "trainer always turns oneDNN on; by default TensorFlow uses it on some of them only.",
)


def measure(bench: Workbench, task: Task, ways: Sequence[Way], *, tub: str, seeds: Sequence[int]) -> Measured:
    """All ways in turn, once for each seed."""
    fitted: Dict[Way, List[Limit]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = os.path.join(folder, "tub")
        repeat_tub(tub, path, records=task.records)
        for seed in seeds:
            for way, limits in fitted.items():
                limits.append(fit_arrays(bench, task, tub=path, seed=seed, way=way))
    method = "Medians of the last epoch, including its validation."
    rows = [compare(ways[0], way, fitted, task) for way in ways[1:]]
    lines = [
        (way.name, f"{limit.first_epoch_s:.1f} s", f"{limit.images_s:.0f}", f"{limit.loss:.4f}")
        for way, limits in fitted.items()
        for limit in limits
    ]
    head = ("way", "first epoch", "images/s of the last epoch", "validation loss")
    return Measured(
        TOPIC,
        [Comparison("Images per second", method, rows)],
        [SingleRuns(f"Fits on arrays: {task.description}", head, lines)],
    )


def compare(ours: Way, other: Way, fitted: Dict[Way, List[Limit]], task: Task) -> Row:
    our_rate, other_rate = (
        statistics.median(limit.images_s for limit in fitted[way]) for way in (ours, other)
    )
    return make_row(
        f"{ours.name} against {other.name} ({task.description})",
        our_rate,
        other_rate,
        show="{:.0f}/s",
        other=other.name,
        runs=len(fitted[ours]),
    )
