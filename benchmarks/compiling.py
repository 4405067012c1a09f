"""What XLA and mixed precision would change: Keras's own fit of the linear net on arrays, in each way."""

import os
import shutil
import statistics
from typing import Dict, List, Sequence

from report import Details, Measured, Row
from training import TASKS, Limit, fit_arrays
from tubs import repeat_tub
from workbench import Workbench

WAYS = {"xla": "the step compiled by XLA", "bfloat16": "mixed precision, bfloat16"}
PLAIN = ""


def measure(bench: Workbench, *, tub: str, seeds: Sequence[int], records: int) -> Measured:
    """The ways in turns, once for each seed."""
    task = TASKS["linear"]._replace(records=records)
    folder = os.path.join(bench.folder, "compiling")
    path = os.path.join(folder, "tub")
    repeat_tub(tub, path, records=task.records)
    fitted: Dict[str, List[Limit]] = {way: [] for way in (PLAIN, *WAYS)}
    try:
        for seed in seeds:
            for way, results in fitted.items():
                results.append(fit_arrays(bench, task, tub=path, seed=seed, way=way))
    finally:
        shutil.rmtree(folder)
    return Measured(
        [make_row(title, fitted[way], fitted[PLAIN], task.how_many) for way, title in WAYS.items()],
        [
            Details(
                "Each fit on arrays: {}".format(task.how_many),
                ("way", "images/s", "validation loss"),
                [
                    (WAYS.get(way, "plain"), "{:.0f}".format(each.images_s), "{:.4f}".format(each.loss))
                    for way, results in fitted.items()
                    for each in results
                ],
            )
        ],
    )


def make_row(title: str, ours: List[Limit], plain: List[Limit], how_many: str) -> Row:
    rate, plain_rate = (statistics.median(each.images_s for each in side) for side in (ours, plain))
    return Row(
        what="fit on arrays, {} ({})".format(title, how_many),
        ours="{:.0f}/s".format(rate),
        theirs="{:.0f}/s (without)".format(plain_rate),
        ratio=rate / plain_rate,
        target="-",
        met=None,
        how="The last epoch of Keras's fit on float32 arrays, its validation included; medians of {} runs of "
        "each, in turns. The trainer uses neither.".format(len(ours)),
    )
