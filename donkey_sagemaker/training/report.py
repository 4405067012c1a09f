"""The car's own part of a model's report: how it drives the model, and what the job cost."""

import os
from typing import Dict, List, Sequence, Tuple

from .. import atomic
from ..car.check import Checked
from ..car.job import Bill, Job
from ..car.runtime import Runtime
from ..contract import REPORT_CAR_MARK
from ..page import section, table
from ..ui import format_seconds, format_time, format_usd

MAX_BYTES = 16 * 2**20  # a larger page is not the trainer's
SAME = 1e-5  # of outputs, which go from -1 to 1: only the last digits of floats differ
STANDING_THROTTLE = 0.01  # no car moves by less
_STANDS_STILL = (
    "; it steers, but gives no throttle: give it yourself (mode local_angle), or train with another "
    "SAGEMAKER_SEED"
)


def complete_report(
    path: str,
    job: Job,
    runtime: Runtime,
    checked: Sequence[Checked],
    *,
    judged: Sequence[Tuple[str, str]] = (),
    bill: Bill,
) -> None:
    """Puts the car's part into the page, in place of the trainer's mark; atomically.

    A page without the mark, from another trainer, is left as it is.

    Args:
        judged: rows on how well the model steers.
    """
    if os.path.getsize(path) > MAX_BYTES:
        return
    with open(path, "rb") as file:
        page = file.read()
    part = section("On this car", table(describe_car(job, runtime, checked, judged=judged, bill=bill)))
    atomic.write_bytes(path, page.replace(REPORT_CAR_MARK.encode("utf-8"), part.encode("utf-8"), 1))


def describe_car(
    job: Job,
    runtime: Runtime,
    checked: Sequence[Checked],
    *,
    judged: Sequence[Tuple[str, str]] = (),
    bill: Bill,
) -> List[Tuple[str, str]]:
    plan = job.plan
    rows = [("car", f"donkeycar {runtime.versions['donkeycar']}, Python {runtime.python}, {runtime.machine}")]
    rows += [(f"driven here as {each.format}", describe_check(each)) for each in checked]
    if not checked:
        rows.append(("driven here", "no, because this Python has no package that can load the model"))
    rows += judged
    if job.set_aside:
        rows.append(("set aside", format_counts(job.set_aside)))
    if plan.comment:
        rows.append(("comment", plan.comment))
    if plan.transfer:
        rows.append(("started from", os.path.basename(plan.transfer)))
    rows.append(("trained", format_time(job.started)))
    rows.append(("job", job.name))
    if job.backend == "aws" and job.instance_type:
        rows.append(("instance type", job.instance_type))
    if bill.billed_s is not None:
        rows.append(("billed", format_seconds(bill.billed_s)))
    if bill.cost_usd is not None:
        rows.append(("cost", format_usd(bill.cost_usd)))
    return rows


def format_counts(counts: Dict[str, int]) -> str:
    """The most frequent first."""
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} x {reason}" for reason, count in most_first)


def describe_check(checked: Checked) -> str:
    """How one format fared, for the terminal and the report."""
    if checked.largest_difference is None:
        result = "runs"
    elif checked.largest_difference <= SAME:
        result = "as in training"
    else:
        result = f"differs from training by at most {checked.largest_difference:.1e}"
    stands_still = checked.largest_throttle is not None and checked.largest_throttle < STANDING_THROTTLE
    return f"{result}, {checked.ms:.0f} ms a picture{_STANDS_STILL if stands_still else ''}"
