"""What happened in a training, for a person to read: output/data/report.txt."""

import os
from typing import Any, Dict, Sequence

from .atomic import written_whole
from .fit import Fitted
from .job import Job
from .opt_ml import OptMl

REPORT_NAME = "report.txt"


def write_report(
    opt_ml: OptMl, job: Job, fitted: Fitted, records: Dict[str, Any], notes: Sequence[str]
) -> None:
    lines = [
        "{}, a {} model".format(job.name, job.model_type),
        "Tubs: {}".format(", ".join(sorted(job.tub_paths.values())) or "unnamed"),
        "Examples: {training} to train, {validation} to validate".format(**records),
    ]
    lines += ["Left out: {} {}".format(count, why) for why, count in sorted(records["left_out"].items())]
    lines.append(
        "{} epochs in {:.0f} s{}; the best is epoch {}".format(
            len(fitted.history["loss"]),
            fitted.seconds,
            ", stopped before its time" if fitted.stopped else "",
            fitted.best_epoch,
        )
    )
    lines += list(notes) + ["", "epoch       loss   validation"]
    losses = zip(fitted.history["loss"], fitted.history["val_loss"])
    lines += ["{:>5}{:>11.5f}{:>13.5f}".format(number, *pair) for number, pair in enumerate(losses, start=1)]
    with written_whole(os.path.join(opt_ml.output_data, REPORT_NAME)) as file:
        file.write("\n".join(lines + [""]).encode("utf-8"))
