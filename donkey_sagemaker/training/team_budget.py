"""SAGEMAKER_TEAM_MINUTES and SAGEMAKER_TEAM_USD: what a team may use on AWS in a month.

Jobs that run count with the most that they can be billed for, so that together they stay within the budget.
"""

import time
from typing import Any, Dict, List, Sequence

from ..car.car import Car
from ..cloud.cloud import Cloud
from ..cloud.fleet import FleetJob, start_of_month, sum_up
from ..cloud.prices import most_cost
from ..errors import BadInput
from ..ui import format_usd


class NoTeam(BadInput):
    def __init__(self, variable: str) -> None:
        super().__init__(
            f"{variable} is set, but the car has no team.",
            'Name it in myconfig.py, for example SAGEMAKER_TEAM = "red".',
        )


class OverBudget(BadInput):
    """
    Args:
        used, running, job: what ended jobs have used, running ones may use, and this one may use.
        rest_s: the longest that this job may run; 0 if it may not run at all.
    """

    def __init__(
        self, team: str, variable: str, *, budget: str, used: str, running: str, job: str, rest_s: int
    ) -> None:
        what = (
            f"The team {team} may use {budget} this month ({variable}). Its ended jobs have used {used}, "
            f"those that run may use {running} more, and this one could take {job}."
        )
        if rest_s > 0:
            fix = f"Limit it: `python manage.py sagemaker-train --set SAGEMAKER_MAX_RUNTIME_S={rest_s}`."
        else:
            fix = f"Raise {variable}, or wait for the next month."
        super().__init__(what, fix)


class UseUnknown(BadInput):
    def __init__(self, team: str, jobs: int) -> None:
        super().__init__(
            f"The price of {jobs} of this month's jobs of the team {team} is not known, so "
            "SAGEMAKER_TEAM_USD cannot be enforced.",
            "Set SAGEMAKER_TEAM_MINUTES in its place, or allow your AWS user pricing:GetProducts.",
        )


def check_team_budget(car: Car, cloud: Cloud, requests: Sequence[Dict[str, Any]]) -> None:
    """
    Args:
        requests: each may be the one that is taken.
    Raises:
        BadInput: the job could exceed a budget, or a budget cannot be enforced.
        CloudRefused: AWS does not say what the team has used.
    """
    settings = car.settings
    budgets = {"SAGEMAKER_TEAM_MINUTES": settings.team_minutes, "SAGEMAKER_TEAM_USD": settings.team_usd}
    limited = [variable for variable, budget in budgets.items() if budget is not None]
    if not limited or not cloud.bills:
        return
    if settings.team is None:
        raise NoTeam(limited[0])
    fleet = cloud.list_fleet(since=start_of_month(time.time()))
    jobs = [job for job in fleet if job.team == settings.team]
    for request in requests:
        if settings.team_minutes is not None:
            _check_minutes(settings.team, settings.team_minutes, jobs, request)
        if settings.team_usd is not None:
            _check_usd(settings.team, settings.team_usd, jobs, request, cloud)


def _split(jobs: Sequence[FleetJob]) -> List[List[FleetJob]]:
    """(ended, running)"""
    return [[job for job in jobs if job.state.is_running == runs] for runs in (False, True)]


def _seconds(request: Dict[str, Any]) -> float:
    """The most that a job can be billed for, for each machine."""
    kept_s = request["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    return float(request["StoppingCondition"]["MaxRuntimeInSeconds"] + kept_s)


def _check_minutes(team: str, budget: float, jobs: Sequence[FleetJob], request: Dict[str, Any]) -> None:
    count = request["ResourceConfig"]["InstanceCount"]
    used, running = (sum(job.billed_s for job in part) / 60 for part in _split(jobs))
    needed = _seconds(request) * count / 60
    rest = budget - used - running
    if needed > rest:
        raise OverBudget(
            team,
            "SAGEMAKER_TEAM_MINUTES",
            budget=f"{budget:g} minutes",
            used=f"{used:.1f}",
            running=f"{running:.1f}",
            job=f"{needed:.1f}",
            rest_s=int(rest * 60 / count),
        )


def _check_usd(
    team: str, budget: float, jobs: Sequence[FleetJob], request: Dict[str, Any], cloud: Cloud
) -> None:
    resources = request["ResourceConfig"]
    price = cloud.hourly_price(resources["InstanceType"])
    uses = [sum_up(part, cloud.hourly_price) for part in _split(jobs)]
    unknown = sum(use.unknown for use in uses) + (price is None)
    if unknown or price is None:
        raise UseUnknown(team, unknown)
    count = resources["InstanceCount"]
    needed = most_cost(max_runtime_s=int(_seconds(request)), keep_alive_s=0, count=count, price=price)
    rest = budget - sum(use.usd for use in uses)
    if needed > rest:
        raise OverBudget(
            team,
            "SAGEMAKER_TEAM_USD",
            budget=format_usd(budget),
            used=format_usd(uses[0].usd),
            running=format_usd(uses[1].usd),
            job=format_usd(needed),
            rest_s=int(rest * 3600 / (price.usd_per_hour * count)),
        )
