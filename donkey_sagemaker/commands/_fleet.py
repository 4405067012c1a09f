"""`sagemaker-jobs --fleet` and `sagemaker-models --fleet`: what all cars of an account do."""

import argparse
import json
import time
from typing import Any, Callable, Dict, List, Sequence

from ..car.car import Car
from ..cloud.fleet import FleetJob, PriceOf, group_by, sum_up
from ..errors import BadInput
from ..interrupts import interrupt_on_hangup
from ..ui import PlainUi, format_count, format_seconds, format_time, format_usd, without_nan
from ._options import open_the_cloud

DAYS = 30
DAY_S = 24 * 3600


class NoFleet(BadInput):
    def __init__(self, backend: str) -> None:
        super().__init__(
            f'--fleet lists what all cars of an AWS account do, but SAGEMAKER_BACKEND is "{backend}".',
            "Leave out --fleet.",
        )


def add_fleet_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fleet", action="store_true", help=f"of all cars of the AWS account, in the last {DAYS} days"
    )


class Fleet:
    """The jobs of all cars, the newest first, and their prices.

    Raises:
        NoFleet, CloudRefused
    """

    def __init__(self, car: Car) -> None:
        if car.settings.backend != "aws":
            raise NoFleet(car.settings.backend)
        interrupt_on_hangup()
        cloud = open_the_cloud(car)
        self.price_of: PriceOf = cloud.hourly_price
        self.jobs: List[FleetJob] = cloud.list_fleet(since=time.time() - DAYS * DAY_S)


def show_fleet_jobs(car: Car, ui: PlainUi, *, as_json: bool, only_sum: bool) -> None:
    """A row for each job, then what each team and each car has used."""
    fleet = Fleet(car)
    if as_json:
        described = [without_nan(_describe_job(job, fleet.price_of)) for job in fleet.jobs]
        ui.print_exactly(json.dumps(described, indent=1))
        return
    if not fleet.jobs:
        ui.print(f"No car of this account has started a job in the last {DAYS} days.")
        return
    if not only_sum:
        ui.table(["job", "car", "team", "state", "billed", "cost"], [_row(job, fleet) for job in fleet.jobs])
    for what, name_of in (("team", _team_of), ("car", _car_of)):
        ui.table([what, "jobs", "billed", "cost"], _sum_rows(fleet, name_of))
    running = sum(job.state.is_running for job in fleet.jobs)
    if running:
        ui.print(f"{format_count(running, 'running job')} counted with the most that can be billed.")


def _team_of(job: FleetJob) -> str:
    return job.team or "-"


def _car_of(job: FleetJob) -> str:
    return job.car or "-"


def _row(job: FleetJob, fleet: Fleet) -> List[str]:
    cost = job.cost(fleet.price_of)
    running = job.state.is_running
    return [
        job.state.name,
        _car_of(job),
        _team_of(job),
        "running" if running else job.state.status.lower(),
        ("at most " if running else "") + format_seconds(job.billed_s),
        "-" if cost is None else format_usd(cost),
    ]


def _sum_rows(fleet: Fleet, name_of: Callable[[FleetJob], str]) -> List[List[str]]:
    rows = []
    for name, jobs in group_by(fleet.jobs, name_of).items():
        use = sum_up(jobs, fleet.price_of)
        unknown = f", {use.unknown} not known" if use.unknown else ""
        rows.append([name, str(use.jobs), format_seconds(use.billed_s), format_usd(use.usd) + unknown])
    return rows


def _describe_job(job: FleetJob, price_of: PriceOf) -> Dict[str, Any]:
    return {
        "job": job.state.name,
        "car": job.car or None,
        "team": job.team or None,
        "model": job.model or None,
        "state": job.state.status,
        "created": job.state.created,
        "billed_s": job.billed_s,
        "cost_usd": job.cost(price_of),
        "instance_type": job.state.instance_type,
        "metrics": without_nan(job.metrics),
    }


MODEL_HEAD = ("model", "car", "team", "trained", "epochs", "val. loss", "off/100 m", "cost", "job")


def show_fleet_models(car: Car, ui: PlainUi, *, as_json: bool) -> None:
    """A row for each model that lies in the bucket, as its trainer judged it."""
    fleet = Fleet(car)
    made = [job for job in fleet.jobs if job.state.has_model and not job.state.is_running]
    if as_json:
        ui.print_exactly(
            json.dumps([without_nan(_describe_job(job, fleet.price_of)) for job in made], indent=1)
        )
    elif made:
        ui.table(MODEL_HEAD, [_model_row(job, fleet.price_of) for job in made])
    else:
        ui.print(f"No car of this account has trained a model in the last {DAYS} days.")


def _model_row(job: FleetJob, price_of: PriceOf) -> Sequence[str]:
    cost = job.cost(price_of)

    def metric(name: str, text: str) -> str:
        return text.format(job.metrics[name]) if name in job.metrics else "-"

    return [
        job.model or "-",
        _car_of(job),
        _team_of(job),
        format_time(job.state.created or 0) or "-",
        metric("epoch", "{:.0f}"),
        metric("best_val_loss", "{:.4f}"),
        metric("times_off_per_100_m", "{:.1f}"),
        "-" if cost is None else format_usd(cost),
        job.state.name,
    ]
