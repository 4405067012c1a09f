"""What the net is computed with: Keras's own fit of the linear net on arrays by oneDNN, Eigen and XLA."""

import os
import statistics
import tempfile
from typing import Dict, List, Sequence

from report import Details, Measured, Row
from training import EIGEN, ONEDNN, TASKS, XLA, Limit, fit_arrays
from tubs import repeat_tub
from workbench import Workbench

RECORDS = 2000
OTHERS = (EIGEN, XLA)


def measure(bench: Workbench, *, tub: str, seeds: Sequence[int], records: int) -> Measured:
    """All ways in turns, once for each seed."""
    task = TASKS["linear"]._replace(records=records)
    fitted: Dict[str, List[Limit]] = {way: [] for way in (ONEDNN, *OTHERS)}
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        path = os.path.join(folder, "tub")
        repeat_tub(tub, path, records=task.records)
        for seed in seeds:
            for way, limits in fitted.items():
                limits.append(fit_arrays(bench, task, tub=path, seed=seed, way=way))
    return Measured(
        [make_row(way, fitted[ONEDNN], fitted[way], task.how_many) for way in OTHERS],
        [
            Details(
                "Each fit on arrays: {}".format(task.how_many),
                ("by", "images/s", "validation loss"),
                [
                    (way, "{:.0f}".format(limit.images_s), "{:.4f}".format(limit.loss))
                    for way, limits in fitted.items()
                    for limit in limits
                ],
            )
        ],
    )


def make_row(way: str, ours: List[Limit], theirs: List[Limit], how_many: str) -> Row:
    our_rate, their_rate = (statistics.median(each.images_s for each in side) for side in (ours, theirs))
    return Row(
        what="fit on arrays by oneDNN, not by {} ({})".format(way, how_many),
        ours="{:.0f}/s".format(our_rate),
        theirs="{:.0f}/s ({})".format(their_rate, way),
        ratio=our_rate / their_rate,
        target="-",
        met=None,
        how="The last epoch on float32 arrays, its validation included; medians of {} runs of each, in "
        "turns. The trainer has TensorFlow use oneDNN on every x86; by itself it does so on some.".format(
            len(ours)
        ),
    )
