"""The car's own part of a model's report: how to drive it, how this car does, and what the job cost."""

import math
import os
from typing import Dict, List, Optional, Sequence, Tuple

from .. import atomic
from ..car.archive import Artifact
from ..car.car import Car
from ..car.check import Checked
from ..car.job import INSTALLED, Bill, Job, Plan
from ..car.model_files import model_name
from ..car.model_history import find_models
from ..car.runtime import Runtime
from ..contract import REPORT_CAR_MARK
from ..page import escape, paragraph, section, table
from ..quality import Comparison
from ..ui import format_seconds, format_time, format_usd
from .install import existing_models

MAX_BYTES = 16 * 2**20  # a larger page is not the trainer's
SAME = 1e-5  # of outputs, which go from -1 to 1: only the last digits of floats differ
STANDING_THROTTLE = 0.01  # no car moves by less
_OWN_PICTURES = (
    "Lower is better. Each validation loss is from that training's own pictures, so a small difference says "
    "nothing."
)
_GOOD_CHECK = (
    "Good: as in training, and below 50 ms a picture: at 20 pictures a second there is no more time."
)
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
    drive: Optional[str] = None,
    beside: Sequence[Sequence[str]] = (),
) -> None:
    """Puts the car's part into the page, in place of the trainer's mark; atomically.

    A page without the mark, from another trainer, is left as it is.

    Args:
        judged: rows on how well the model steers.
        drive: the command that drives the model; None for a model that is not installed.
        beside: rows from compare_with_previous.
    """
    if os.path.getsize(path) > MAX_BYTES:
        return
    with open(path, "rb") as file:
        page = file.read()
    sections = []
    if drive:
        sections.append(
            section(
                "Drive it", paragraph("Type in the car's folder:"), f"<pre>{escape(drive, most=1000)}</pre>"
            )
        )
    if beside:
        head = ("figure", "this model", "the model before")
        sections.append(
            section("Beside the model before", table(beside, head=head), paragraph(_OWN_PICTURES))
        )
    rows = describe_car(job, runtime, checked, judged=judged, bill=bill)
    sections.append(section("On this car", table(rows), paragraph(_GOOD_CHECK)))
    part = "\n".join(sections)
    atomic.write_bytes(path, page.replace(REPORT_CAR_MARK.encode("utf-8"), part.encode("utf-8"), 1))


def compare_with_previous(
    car: Car, plan: Plan, artifact: Artifact, comparison: Optional[Comparison]
) -> List[Sequence[str]]:
    """Rows of (figure, this model, the model that it replaces); none without one that has a history.

    Call it before the new model is installed.

    Args:
        comparison: of both on the same pictures; None where they could not be compared.
    """
    name = model_name(plan.base)
    installed = [model for model in find_models(car) if (model.name, model.state) == (name, INSTALLED)]
    if not installed or not existing_models(plan):
        return []
    previous = installed[0]
    rows: List[Sequence[str]] = []
    if comparison:
        what = f"steering error, on the same {comparison.pictures} pictures"
        rows.append((what, f"{comparison.error:.3f}", f"{comparison.previous_error:.3f}"))
    losses = artifact.history.get("val_loss") or []
    if losses and math.isfinite(previous.best):
        rows.append(("validation loss", f"{min(losses):.4f}", f"{previous.best:.4f}"))
        rows.append(("epochs", str(len(losses)), str(previous.epochs)))
    return rows


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
