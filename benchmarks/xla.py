"""What XLA would change: Keras's own fit of the linear net on arrays, with and without."""

import os
import shutil
import statistics
from typing import List, Sequence

from report import Details, Measured, Row
from training import TASKS, Limit, fit_arrays
from tubs import repeat_tub
from workbench import Workbench

RECORDS = 4000


def measure(bench: Workbench, *, tub: str, seeds: Sequence[int], records: int) -> Measured:
    """Both ways in turns, once for each seed."""
    task = TASKS["linear"]._replace(records=records)
    folder = os.path.join(bench.folder, "xla")
    path = os.path.join(folder, "tub")
    repeat_tub(tub, path, records=task.records)
    compiled: List[Limit] = []
    plain: List[Limit] = []
    try:
        for seed in seeds:
            plain.append(fit_arrays(bench, task, tub=path, seed=seed))
            compiled.append(fit_arrays(bench, task, tub=path, seed=seed, xla=True))
    finally:
        shutil.rmtree(folder)
    return Measured(
        [make_row(task.how_many, compiled, plain)],
        [
            Details(
                "Each fit on arrays: {}".format(task.how_many),
                ("seed", "images/s, XLA", "without", "loss, XLA", "without"),
                [
                    (
                        str(seed),
                        "{:.0f}".format(with_xla.images_s),
                        "{:.0f}".format(without.images_s),
                        "{:.4f}".format(with_xla.loss),
                        "{:.4f}".format(without.loss),
                    )
                    for seed, with_xla, without in zip(seeds, compiled, plain)
                ],
            )
        ],
    )


def make_row(how_many: str, compiled: List[Limit], plain: List[Limit]) -> Row:
    rate, plain_rate = (statistics.median(each.images_s for each in side) for side in (compiled, plain))
    return Row(
        what="Keras's fit on arrays with XLA ({})".format(how_many),
        ours="{:.0f}/s".format(rate),
        theirs="{:.0f}/s (without)".format(plain_rate),
        ratio=rate / plain_rate,
        target="-",
        met=None,
        how="The last epoch of fit on float32 arrays, its validation included; medians of {} runs of each, "
        "in turns. The trainer does not use XLA.".format(len(compiled)),
    )
