"""sagemaker-jobs: what runs, what has run, and what it cost."""

import argparse
import json
import time
from typing import Any, Dict, List, NamedTuple, Optional

from ..car.car import Car
from ..car.ledger import Entry
from ..cloud.cloud import Cloud
from ..cloud.job import JobState
from ..cloud.job_queue import WAITING
from ..cloud.tuning import tuning_of
from ..interrupts import interrupt_on_hangup
from ..ui import BAD, GOOD, WARNING, PlainUi, format_seconds, format_usd, make_ui, without_nan
from ._fleet import add_fleet_options, show_fleet_jobs
from ._options import add_car_options, open_the_car, open_the_cloud

HELP = "Lists this car's jobs, and every job of the account that is running."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sum", action="store_true", help="show what the jobs cost, month by month")
    parser.add_argument("--json", action="store_true", help="print the jobs as JSON")
    parser.add_argument("--report", action="store_true", help="the old spelling of sagemaker-models --report")
    add_fleet_options(parser)
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if arguments.fleet:
        show_fleet_jobs(car, ui, as_json=arguments.json, only_sum=arguments.sum)
    elif arguments.sum:
        show_sum(car, ui)
    else:
        cloud = open_the_cloud(car)
        interrupt_on_hangup()
        jobs = list_jobs(car, cloud)
        if arguments.json:
            ui.print_exactly(json.dumps([without_nan(describe_job(car, job)) for job in jobs], indent=1))
        else:
            show_jobs(car, ui, jobs)
    return 0


class ListedJob(NamedTuple):
    state: JobState
    entry: Optional[Entry]  # None for a job of another car


def list_jobs(car: Car, cloud: Cloud) -> List[ListedJob]:
    """The jobs of this car, and the running jobs of other cars in the account."""
    entries = {entry.job.name: entry for entry in car.ledger.entries()}
    tunings = {entry.job.name: entry for entry in car.tunings.entries()}
    jobs = [
        ListedJob(state, entries.get(state.name) or tunings.get(tuning_of(state.name) or ""))
        for state in cloud.list_jobs()
    ]
    return [job for job in jobs if job.entry or not cloud.bills or job.state.is_running]


def show_jobs(car: Car, ui: PlainUi, jobs: List[ListedJob]) -> None:
    """A row for each job, and what to do about one whose model waits to be installed."""
    if not jobs:
        ui.print("This car has no jobs yet. Start one with `python manage.py sagemaker-train`.")
        return
    head = ["job", "state", "took", "cost", "model"]
    rows = [describe_row(car, job) for job in jobs]
    if all(row[3] == "-" for row in rows):
        head, rows = head[:3] + head[4:], [row[:3] + row[4:] for row in rows]
    ui.table(head, rows, styles=_STYLES)
    waiting = next((job.state.name for job in jobs if describe_state(job) == ENDED), None)
    tuning = tuning_of(waiting) if waiting else None
    if tuning:
        ui.print("The models of a tuning are not compared yet. Install the best one with:")
        ui.print_command(f"python manage.py sagemaker-tune --attach={tuning}")
    elif waiting:
        ui.print("The model of a job that has ended is not installed yet. Install it with:")
        ui.print_command(f"python manage.py sagemaker-train --attach={waiting}")


ENDED = "ended"  # nobody has watched its end
_STYLES = {"installed": GOOD, "failed": BAD, "kept aside": WARNING, ENDED: WARNING}


def describe_state(job: ListedJob) -> str:
    """In one or two words, what became of it as far as this car is concerned."""
    if job.entry and job.entry.outcome:
        return job.entry.state
    if job.state.secondary_status == WAITING:
        return "waiting"
    running = {"InProgress": "running", "Stopping": "stopping"}
    if job.entry and job.state.status in ("Completed", "Stopped"):
        return ENDED
    return running.get(job.state.status, job.state.status.lower())


def describe_row(car: Car, job: ListedJob) -> List[str]:
    """The cells of its row."""
    described = describe_job(car, job)
    took, cost, loss = described["took_s"], described["cost_usd"], described["val_loss"]
    model = described["model"] or "not of this car"
    return [
        job.state.name,
        described["state"],
        "-" if took is None else format_seconds(took),
        "-" if cost is None else format_usd(cost),
        model if loss is None else f"{model}, validation loss {loss:.4f}",
    ]


def describe_job(car: Car, job: ListedJob) -> Dict[str, Any]:
    """What --json prints about it."""
    state, entry = job
    outcome = entry.outcome if entry else None
    created = state.created
    return {
        "job": state.name,
        "state": describe_state(job),
        "sagemaker_state": state.status,
        "created": created,
        "took_s": (state.training_ended or time.time()) - created if created else None,
        "model": car.display(entry.job.plan.base) if entry else None,
        "epochs": outcome.epochs if outcome else None,
        "val_loss": outcome.val_loss if outcome else None,
        "billed_s": outcome.bill.billed_s if outcome else None,
        "cost_usd": outcome.bill.cost_usd if outcome else None,
    }


def show_sum(car: Car, ui: PlainUi) -> None:
    """What this car's jobs on AWS cost, a line for each month, the newest first; from the ledger alone."""
    by_month: Dict[str, List[Entry]] = {}
    for entry in car.ledger.entries():
        if entry.job.backend == "aws":
            month = time.strftime("%Y-%m", time.gmtime(entry.job.started))
            by_month.setdefault(month, []).append(entry)
    if not by_month:
        ui.print("This car has had no jobs on AWS.")
        return
    head = ["month", "jobs", "billed", "cost", "bill not known"]
    rows: List[List[str]] = []
    for month, entries in by_month.items():
        bills = [entry.outcome.bill for entry in entries if entry.outcome]
        costs = [bill.cost_usd for bill in bills if bill.cost_usd is not None]
        rows.append(
            [
                month,
                str(len(entries)),
                format_seconds(sum(bill.billed_s or 0 for bill in bills)),
                format_usd(sum(costs)),
                str(len(entries) - len(costs)),
            ]
        )
    ui.table(head, rows)
    if any(row[-1] != "0" for row in rows):
        ui.print(
            "The bill of a job is known once it has been watched to its end: "
            "`python manage.py sagemaker-train --attach=JOB`."
        )
