"""All jobs of an account, whichever car started them: whose they are, and what they cost. Pure."""

import re
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .job import JobState, read_job_state
from .prices import Price, job_cost

CAR_TAG, TEAM_TAG, MODEL_TAG = "car", "team", "model"

PriceOf = Callable[[str], Optional[Price]]  # by instance type


class FleetJob(NamedTuple):
    """A job of any car."""

    state: JobState
    car: str  # its SAGEMAKER_FOLDER, otherwise the name of its folder
    team: str  # SAGEMAKER_TEAM of the car; empty if it has none
    model: str  # its name
    metrics: Dict[str, float]  # as the trainer printed them last
    most_s: float  # that it may be billed for

    @property
    def billed_s(self) -> float:
        """What is billed for all of its machines; what may still be, for a job that runs."""
        seconds = self.most_s if self.state.is_running else self.state.billable_s or 0.0
        return seconds * self.state.instance_count

    def cost(self, price_of: PriceOf) -> Optional[float]:
        """In US dollars; at most, until AWS has taken a type. None where no price is known."""
        chosen = self.state.instance_type
        prices = [price_of(each) for each in ([chosen] if chosen else self.state.candidates)]
        costs = [job_cost(billable_s=self.billed_s, count=1, price=price) for price in prices if price]
        return max(costs) if costs and len(costs) == len(prices) else None


def read_fleet_job(description: Dict[str, Any]) -> FleetJob:
    """Reads a TrainingJob of the operation Search.

    Args:
        description: with its times as seconds since the epoch.
    """
    tags = {tag["Key"]: tag["Value"] for tag in description.get("Tags", [])}
    output = description.get("OutputDataConfig", {}).get("S3OutputPath", "")
    folder = re.search(r"/cars/([^/]+)/models$", output)
    stopping = description.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 0)
    kept_s = description.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0)
    return FleetJob(
        state=read_job_state(description),
        car=folder.group(1) if folder else tags.get(CAR_TAG, ""),
        team=tags.get(TEAM_TAG, ""),
        model=tags.get(MODEL_TAG, ""),
        metrics={each["MetricName"]: each["Value"] for each in description.get("FinalMetricDataList", [])},
        most_s=stopping + kept_s,
    )


class Use(NamedTuple):
    """What a car or a team has used."""

    jobs: int
    billed_s: float
    usd: float
    unknown: int  # jobs whose cost is not known


def sum_up(jobs: Sequence[FleetJob], price_of: PriceOf) -> Use:
    costs = [job.cost(price_of) for job in jobs]
    known = [cost for cost in costs if cost is not None]
    return Use(len(jobs), sum(job.billed_s for job in jobs), sum(known), len(costs) - len(known))


def group_by(jobs: Sequence[FleetJob], name_of: Callable[[FleetJob], str]) -> Dict[str, List[FleetJob]]:
    """The jobs of each car, for example, in the order of the names."""
    groups: Dict[str, List[FleetJob]] = {}
    for job in jobs:
        groups.setdefault(name_of(job), []).append(job)
    return {name: groups[name] for name in sorted(groups)}


def start_of_month(now: float) -> float:
    """When the month began, in UTC, as AWS bills it; in seconds since the epoch."""
    day = time.gmtime(now)
    return now - now % 86400 - 86400 * (day.tm_mday - 1)
