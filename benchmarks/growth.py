"""How a training grows with its records: where the time goes, and memory against the printed bound."""

import os
import re
import shutil
from typing import List, NamedTuple, Sequence

from report import Comparison, Measured, Row, SingleRuns, Topic, make_row
from training import Task, Trained, run_ours
from tubs import count_bytes, repeat_tub
from workbench import CommandFailed, Workbench

RECORDS = (1000, 10000, 100000)
COMPUTED = 1000000
GB = 1e9
TOPIC = Topic(
    "Memory of large trainings",
    "`donkey-sagemaker train --local` of a linear model for one epoch. Before it starts, the trainer prints "
    "the memory that it will stay below.",
)


class Grown(NamedTuple):
    records: float
    sent_bytes: float
    decoding_s: float
    epoch_s: float
    all_s: float
    peak_bytes: float
    bound_bytes: float

    @property
    def others_s(self) -> float:
        """Packing, starting, the report, the model's formats, the check and the swap."""
        return self.all_s - self.epoch_s


def measure(bench: Workbench, *, tub: str, records: Sequence[int] = RECORDS) -> Measured:
    grown = [train(bench, tub=tub, records=count) for count in records]
    lines = [make_line(each) for each in grown]
    if len(grown) > 1:
        lines.append(make_line(extrapolate(*grown[-2:], records=COMPUTED), is_computed=True))
    head = ("records", "sent", "decoding", "epoch", "everything else", "peak memory", "printed bound")
    method = "The largest resident size of the trainer, compared with the bound that it printed."
    return Measured(
        TOPIC,
        [Comparison("Peak memory of a training", method, [compare(each) for each in grown])],
        [SingleRuns("Growth: a linear model, one epoch", head, lines)],
    )


def train(bench: Workbench, *, tub: str, records: int) -> Grown:
    folder = os.path.join(bench.folder, "growth")
    path = os.path.join(folder, "tub")
    repeat_tub(tub, path, records=records)
    try:
        trained, log = run_ours(bench, Task("linear", "linear", records, 1, {}, 1.0), tub=path, seed=1)
        return read_grown(trained, log, records=records, sent_bytes=count_bytes(path))
    finally:
        shutil.rmtree(folder)


def read_grown(trained: Trained, log: str, *, records: int, sent_bytes: int) -> Grown:
    decoded = re.search(r"(\d+) pictures decoded in ([\d.]+) s", log)
    if decoded is None or int(decoded.group(1)) != records or not trained.epoch_s or not trained.bound_bytes:
        raise CommandFailed([], "its log lacks the pictures decoded, the epoch or the memory bound", log)
    return Grown(
        records=records,
        sent_bytes=sent_bytes,
        decoding_s=float(decoded.group(2)),
        epoch_s=trained.epoch_s,
        all_s=trained.seconds,
        peak_bytes=trained.peak_bytes,
        bound_bytes=trained.bound_bytes,
    )


def extrapolate(less: Grown, more: Grown, *, records: int) -> Grown:
    """The point for `records` on the straight line through two measurements."""
    far = (records - more.records) / (more.records - less.records)
    return Grown(*(b + far * (b - a) for a, b in zip(less, more)))


def make_line(grown: Grown, *, is_computed: bool = False) -> List[str]:
    return [
        f"{grown.records:,.0f}{' (computed)' if is_computed else ''}",
        f"{grown.sent_bytes / GB:.2f} GB",
        f"{grown.decoding_s:,.1f} s",
        f"{grown.epoch_s:,.0f} s",
        f"{grown.others_s:,.0f} s",
        f"{grown.peak_bytes / GB:.1f} GB",
        f"{grown.bound_bytes / GB:.1f} GB",
    ]


def compare(grown: Grown) -> Row:
    row = make_row(
        f"{grown.records:,} records",
        grown.peak_bytes / GB,
        grown.bound_bytes / GB,
        show="{:.2f} GB",
        target="below the bound",
        met=grown.peak_bytes < grown.bound_bytes,
        runs=1,
    )
    return row._replace(theirs=f"{grown.bound_bytes / GB:.1f} GB (printed bound)")  # it has one decimal
