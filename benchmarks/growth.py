"""How a training grows with its records: where the time goes, and memory against the bound that is told."""

import os
import re
import shutil
from typing import List, NamedTuple, Sequence

from report import Details, Measured, Row
from training import Task, Trained, run_ours
from tubs import count_bytes, repeat_tub
from workbench import CommandFailed, Workbench

RECORDS = (1000, 10000, 100000)
COMPUTED = 1000000
GB = 1e9


class Grown(NamedTuple):
    records: int
    sent_bytes: int
    decoding_s: float
    epoch_s: float
    all_s: float
    peak_bytes: int
    bound_bytes: int

    @property
    def others_s(self) -> float:
        """Packing, starting, the report, the model's formats, the check and the swap."""
        return self.all_s - self.epoch_s


def measure(bench: Workbench, *, tub: str, records: Sequence[int] = RECORDS) -> Measured:
    grown = [train(bench, tub=tub, records=count) for count in records]
    lines = [make_line(each) for each in grown]
    if len(grown) > 1:
        lines.append(make_line(extrapolate(*grown[-2:], records=COMPUTED), is_computed=True))
    return Measured(
        [make_row(each) for each in grown],
        [
            Details(
                "Growth: a linear model, one epoch",
                ("records", "sent", "decoding", "the epoch", "all else", "peak memory", "bound told"),
                lines,
            )
        ],
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
        raise CommandFailed([], "its log does not tell what it did", log)
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
    """On the straight line through two measurements."""
    far = (records - more.records) / (more.records - less.records)
    return Grown(*(b + far * (b - a) for a, b in zip(less, more)))


def make_line(grown: Grown, *, is_computed: bool = False) -> List[str]:
    return [
        "{:,.0f}{}".format(grown.records, " (computed)" if is_computed else ""),
        f"{grown.sent_bytes / GB:.2f} GB",
        f"{grown.decoding_s:,.1f} s",
        f"{grown.epoch_s:,.0f} s",
        f"{grown.others_s:,.0f} s",
        f"{grown.peak_bytes / GB:.1f} GB",
        f"{grown.bound_bytes / GB:.1f} GB",
    ]


def make_row(grown: Grown) -> Row:
    return Row(
        what=f"peak memory of training {grown.records:,} records",
        ours=f"{grown.peak_bytes / GB:.2f} GB",
        theirs=f"{grown.bound_bytes / GB:.1f} GB (the bound told)",
        ratio=grown.peak_bytes / grown.bound_bytes,
        target="below the bound",
        met=grown.peak_bytes < grown.bound_bytes,
        how="The largest resident size of the trainer in `donkey-sagemaker train --local` of one epoch, "
        "against what it told before it began.",
    )
