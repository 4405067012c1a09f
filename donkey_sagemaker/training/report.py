"""The car's own part of a model's report: how it drives the model here, and what the job cost."""

import os
from typing import Dict, List, Sequence, Tuple

from .. import atomic
from ..car.check import Checked
from ..car.ledger import Launch
from ..car.runtime import Runtime
from ..contract import REPORT_CAR_MARK
from ..page import section, table
from ..ui import format_seconds, format_time, format_usd

MAX_BYTES = 16 * 2**20  # a larger page is not the trainer's
STANDING_THROTTLE = 0.01  # no car moves by less
_STANDS = (
    "; it steers, but gives no throttle: give it yourself (mode local_angle), or train with another "
    "SAGEMAKER_SEED"
)


def complete_report(path: str, launch: Launch, runtime: Runtime, checked: Sequence[Checked]) -> None:
    """Puts the car's part into the page, in place of the trainer's mark; atomically.

    A page without the mark, from another trainer, is left as it is.
    """
    if os.path.getsize(path) > MAX_BYTES:
        return
    with open(path, "rb") as file:
        page = file.read()
    part = section("On this car", table(describe_car(launch, runtime, checked)))
    atomic.write_bytes(path, page.replace(REPORT_CAR_MARK.encode("utf-8"), part.encode("utf-8"), 1))


def describe_car(launch: Launch, runtime: Runtime, checked: Sequence[Checked]) -> List[Tuple[str, str]]:
    car = "donkeycar {}, Python {}, {}".format(runtime.versions["donkeycar"], runtime.python, runtime.machine)
    rows = [("car", car)]
    rows += [("driven here as " + each.format, describe_check(each)) for each in checked]
    if not checked:
        rows.append(("driven here", "no: this Python has nothing that loads the model"))
    if launch.set_aside:
        rows.append(("set aside", format_counts(launch.set_aside)))
    if launch.comment:
        rows.append(("comment", launch.comment))
    if launch.transfer:
        rows.append(("went on from", os.path.basename(launch.transfer)))
    rows.append(("trained", format_time(launch.started)))
    rows.append(("job", launch.job))
    if launch.backend == "aws" and launch.requests:
        rows.append(("machine", launch.requests[0]["ResourceConfig"]["InstanceType"]))
    if launch.billed_s is not None:
        rows.append(("billed", format_seconds(launch.billed_s)))
    if launch.cost_usd is not None:
        rows.append(("cost", format_usd(launch.cost_usd)))
    return rows


def format_counts(counts: Dict[str, int]) -> str:
    """The most frequent first."""
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} x {reason}" for reason, count in most_first)


def describe_check(checked: Checked) -> str:
    """How one format fared, for terminal and report."""
    stands = checked.largest_throttle is not None and checked.largest_throttle < STANDING_THROTTLE
    return "{}, {:.0f} ms a picture{}".format(
        "like in training"
        if checked.largest_difference is None
        else f"off by at most {checked.largest_difference:.1e}",
        checked.ms,
        _STANDS if stands else "",
    )
