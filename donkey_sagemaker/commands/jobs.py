"""The stories of sagemaker-jobs and sagemaker-stop."""

import time
from typing import Any, Dict, List, Optional

from ..car.car import Car
from ..car.ledger import Launch, Ledger
from ..training.watch import RUNNING
from ..ui import PlainUi, format_seconds, format_usd


def show_jobs(car: Car, cloud: Any, ui: PlainUi) -> None:
    """A line a job of this car, and a line for each job of the account that runs for somebody else."""
    launches = {launch.job: launch for launch in Ledger(car.scratch("jobs")).all()}
    rows: List[List[str]] = []
    for job in cloud.list_jobs():
        launch = launches.get(job["TrainingJobName"])
        if launch or not cloud.bills or job["TrainingJobStatus"] in RUNNING:
            rows.append(describe_job(car, job, launch))
    if not rows:
        ui.say("This car has no jobs yet. `donkey-sagemaker train` starts one.")
        return
    say_table(ui, [["job", "state", "here", "took", "cost", "model"]] + rows)


def say_table(ui: PlainUi, rows: List[List[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        ui.say("  ".join("{:<{}}".format(cell, width) for cell, width in zip(row, widths)).rstrip())


def show_sum(car: Car, ui: PlainUi) -> None:
    """What this car's jobs on AWS were billed, a line a month, the newest first; by the ledger alone."""
    by_month: Dict[str, List[Launch]] = {}
    for launch in Ledger(car.scratch("jobs")).all():
        if launch.backend == "aws":
            month = time.strftime("%Y-%m", time.gmtime(launch.started))
            by_month.setdefault(month, []).append(launch)
    if not by_month:
        ui.say("This car has had no jobs on AWS.")
        return
    rows = [["month", "jobs", "billed", "cost", "bill not known"]]
    for month, launches in by_month.items():
        costs = [launch.cost_usd for launch in launches if launch.cost_usd is not None]
        rows.append(
            [
                month,
                str(len(launches)),
                format_seconds(sum(launch.billed_s or 0 for launch in launches)),
                format_usd(sum(costs)),
                str(len(launches) - len(costs)),
            ]
        )
    say_table(ui, rows)
    if any(row[-1] != "0" for row in rows[1:]):
        ui.say(
            "A bill is known once a job's end was watched: `python manage.py sagemaker-train --attach=JOB`."
        )


def describe_job(car: Car, job: Dict[str, Any], launch: Optional[Launch]) -> List[str]:
    """The cells of its row."""
    started, took = job.get("CreationTime"), "-"
    if started:
        took = format_seconds(job.get("TrainingEndTime", time.time()) - started)
    model, cost = "-", "-"
    if launch:
        model = car.shown(launch.base)
        if launch.val_loss is not None:
            model += f", validation loss {launch.val_loss:.4f}"
        if launch.cost_usd is not None:
            cost = format_usd(launch.cost_usd)
    return [
        job["TrainingJobName"],
        job["TrainingJobStatus"],
        launch.state if launch else "-",
        took,
        cost,
        model,
    ]


def stop_job(cloud: Any, ui: PlainUi, launch: Launch) -> None:
    """Asks the job to stop; its best model so far waits to be fetched."""
    cloud.stop_job(launch.job)
    ui.say(f"{launch.job} is asked to stop.")


def tell_how_to_install(ui: PlainUi, launch: Launch) -> None:
    ui.say("What it had learned is installed by:")
    ui.say(f"  python manage.py sagemaker-train --attach={launch.job}")
