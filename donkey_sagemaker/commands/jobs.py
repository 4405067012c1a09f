"""sagemaker-jobs: what runs, what has run, and what it cost."""

import argparse
import time
from typing import Dict, List, Optional

from ..car.car import Car
from ..car.ledger import Entry
from ..cloud.cloud import Cloud
from ..cloud.job import JobState
from ..interrupts import interrupt_on_hangup
from ..ui import PlainUi, format_seconds, format_usd, make_ui
from ._options import add_car_options, open_the_car, open_the_cloud

HELP = "Lists this car's jobs, and every job of the account that is running."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sum", action="store_true", help="show what the jobs cost, month by month")
    parser.add_argument("--report", action="store_true", help="the old spelling of sagemaker-models --report")
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if arguments.sum:
        show_sum(car, ui)
    else:
        cloud = open_the_cloud(car)
        interrupt_on_hangup()
        show_jobs(car, cloud, ui)
    return 0


def show_jobs(car: Car, cloud: Cloud, ui: PlainUi) -> None:
    """A line for each job of this car, and one for each running job of other cars in the account."""
    entries = {entry.job.name: entry for entry in car.ledger.entries()}
    rows: List[List[str]] = []
    for state in cloud.list_jobs():
        entry = entries.get(state.name)
        if entry or not cloud.bills or state.is_running:
            rows.append(describe_job(car, state, entry))
    if not rows:
        ui.print("This car has no jobs yet. Start one with `python manage.py sagemaker-train`.")
        return
    print_table(ui, [["job", "state", "here", "took", "cost", "model"], *rows])


def describe_job(car: Car, state: JobState, entry: Optional[Entry]) -> List[str]:
    """The cells of its row."""
    took = "-"
    if state.created:
        took = format_seconds((state.training_ended or time.time()) - state.created)
    model, cost = "-", "-"
    if entry:
        model = car.display(entry.job.plan.base)
        outcome = entry.outcome
        if outcome and outcome.val_loss is not None:
            model += f", validation loss {outcome.val_loss:.4f}"
        if outcome and outcome.bill.cost_usd is not None:
            cost = format_usd(outcome.bill.cost_usd)
    return [state.name, state.status, entry.state if entry else "-", took, cost, model]


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
    rows = [["month", "jobs", "billed", "cost", "bill not known"]]
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
    print_table(ui, rows)
    if any(row[-1] != "0" for row in rows[1:]):
        ui.print(
            "The bill of a job is known once it has been watched to its end: "
            "`python manage.py sagemaker-train --attach=JOB`."
        )


def print_table(ui: PlainUi, rows: List[List[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        ui.print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())
