"""What the net is computed with: Keras's own fit of the linear net on arrays, in several ways."""

import os
import statistics
import tempfile
from typing import Dict, List, Sequence

from report import Details, Measured, Row
from training import EIGEN, FLOAT32, MIXED, MIXED_XLA, ONEDNN, XLA, Limit, Task, Way, fit_arrays
from tubs import repeat_tub
from workbench import Workbench

RECORDS = 2000
ON_A_CPU = (ONEDNN, EIGEN, XLA)  # what the trainer does comes first
ON_A_GPU = (FLOAT32, XLA, MIXED, MIXED_XLA)


def measure(bench: Workbench, task: Task, ways: Sequence[Way], *, tub: str, seeds: Sequence[int]) -> Measured:
    """All ways in turns, once for each seed."""
    fitted: Dict[Way, List[Limit]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = os.path.join(folder, "tub")
        repeat_tub(tub, path, records=task.records)
        for seed in seeds:
            for way, limits in fitted.items():
                limits.append(fit_arrays(bench, task, tub=path, seed=seed, way=way))
    return Measured(
        [make_row(ways[0], way, fitted, task.how_many) for way in ways[1:]],
        [
            Details(
                f"Each fit on arrays: {task.how_many}",
                ("by", "first epoch", "images/s of the last", "validation loss"),
                [
                    (
                        way.name,
                        f"{limit.first_epoch_s:.1f} s",
                        f"{limit.images_s:.0f}",
                        f"{limit.loss:.4f}",
                    )
                    for way, limits in fitted.items()
                    for limit in limits
                ],
            )
        ],
    )


def make_row(ours: Way, other: Way, fitted: Dict[Way, List[Limit]], how_many: str) -> Row:
    our_rate, other_rate = (
        statistics.median(limit.images_s for limit in fitted[way]) for way in (ours, other)
    )
    return Row(
        what=f"fit on arrays by {ours.name}, not by {other.name} ({how_many})",
        ours=f"{our_rate:.0f}/s",
        theirs=f"{other_rate:.0f}/s ({other.name})",
        ratio=our_rate / other_rate,
        target="-",
        met=None,
        how=(
            f"The last epoch on float32 arrays, its validation included; medians of {len(fitted[ours])} runs"
            " of each, in turns. On every x86 CPU the trainer has TensorFlow use oneDNN; by itself it does"
            " so on some."
        ),
    )
