"""What a training is likely to cost and how long it takes, and the instance type for it."""

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..car.car import Car
from ..car.job import Job, Plan
from ..car.ledger import Ledger
from ..car.runtime import bare_type
from ..cloud.cloud import Cloud
from ..cloud.forecast import Forecast, Past, Work, count_epochs, forecast, look_ahead, rank
from ..cloud.machines import SPEEDS
from ..cloud.prices import Price, most_cost
from ..errors import BadInput
from ..setting_kinds import AUTO
from ..settings import DEFAULT_TYPE
from ..ui import PlainUi, format_count, format_seconds, format_usd
from .timing import Timing

_THIS_MACHINE = "this machine"  # in place of an instance type
_SHOWN = 3  # instance types beside the chosen one


class TooExpensive(BadInput):
    def __init__(self, instance_type: str, most_usd: float, limit_usd: float) -> None:
        super().__init__(
            f"This job could cost {format_usd(most_usd)} on {instance_type}, and SAGEMAKER_MAX_COST_USD is "
            f"{limit_usd}.",
            "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or raise SAGEMAKER_MAX_COST_USD.",
        )


class CostUnknown(BadInput):
    """A limit is set, but nobody knows whether the job stays within it."""

    def __init__(self, instance_type: str, limit_usd: float) -> None:
        super().__init__(
            f"The price of {instance_type} is not known, so SAGEMAKER_MAX_COST_USD = {limit_usd} cannot be "
            "enforced.",
            "Allow your AWS user pricing:GetProducts, choose another --instance-type, or set "
            "SAGEMAKER_MAX_COST_USD = None.",
        )


class Estimate(NamedTuple):
    """One instance type for this training."""

    instance_type: str
    price: Optional[Price]
    most_usd: Optional[float]
    likely: Optional[Forecast]


def past_jobs(ledger: Ledger, *, backend: str) -> List[Past]:
    """This car's jobs there that left a model and of which everything is known, the newest first."""
    past: List[Past] = []
    for job, outcome in ledger.entries():
        if outcome is None or not job.requests or job.backend != backend:
            continue
        epochs, trained_s = outcome.epochs or 0, outcome.trained_s or 0
        took_s, billed_s = outcome.bill.took_s or 0, outcome.bill.billed_s or 0
        plan = job.plan
        is_known = (
            plan.records
            and not plan.trial_epochs
            and 1 <= epochs <= plan.max_epochs
            and 0 < trained_s <= took_s
        )
        if is_known and (billed_s or backend == "local"):
            past.append(
                Past(
                    instance_type=_machine_of(job),
                    is_spot=job.requests[0].get("EnableManagedSpotTraining", False),
                    model_type=bare_type(plan.model_type),
                    records=plan.records,
                    epochs=epochs,
                    max_epochs=plan.max_epochs,
                    trained_s=trained_s,
                    took_s=took_s,
                    billed_s=billed_s,
                    before_s=_known(outcome.before_s),
                    after_s=_known(outcome.after_s),
                    machines=_machines_of(job),
                )
            )
    return past


def _known(seconds: Optional[float]) -> Optional[float]:
    return seconds if seconds is not None and seconds >= 0 else None  # NaN is not


def _machine_of(job: Job) -> str:
    return job.instance_type if job.instance_type and job.backend == "aws" else _THIS_MACHINE


def _machines_of(job: Job) -> int:
    resources = job.requests[0].get("ResourceConfig") if job.requests else None
    count = resources.get("InstanceCount") if isinstance(resources, dict) else None
    return count if type(count) is int and count > 0 else 1  # the ledger's file may be damaged


def make_timing(car: Car, job: Job, *, clock: Callable[[], float] = time.time) -> Timing:
    """The time of a job that runs, as this car's last jobs let expect it."""
    past = past_jobs(car.ledger, backend=job.backend)
    outlook = look_ahead(_machine_of(job), _make_work(car, job.plan, machines=_machines_of(job)), past)
    return Timing(outlook, started=job.started, clock=clock)


def _make_work(car: Car, plan: Plan, *, machines: int) -> Work:
    return Work(
        model_type=bare_type(plan.model_type),
        records=plan.records,
        max_epochs=plan.max_epochs,
        stops_early=bool(car.config.get("USE_EARLY_STOP", True)),
        machines=machines,
        trial_epochs=plan.trial_epochs,
    )


class Estimator:
    """Estimates one training from this car's settings and past jobs and from the cloud's prices."""

    def __init__(self, car: Car, cloud: Cloud, plan: Plan) -> None:
        self._settings = car.settings
        self._cloud = cloud
        self._work = _make_work(car, plan, machines=car.settings.instance_count)
        self._past = past_jobs(car.ledger, backend=car.settings.backend)

    @property
    def epochs(self) -> int:
        """That the training is likely to take."""
        return count_epochs(self._work, self._past)

    @property
    def is_auto(self) -> bool:
        return self._settings.instance_type == [AUTO]

    def estimate(self, instance_type: str) -> Estimate:
        settings = self._settings
        price = self._cloud.hourly_price(instance_type)
        most = price and most_cost(
            max_runtime_s=settings.max_runtime_s,
            keep_alive_s=settings.keep_alive_s,
            count=settings.instance_count,
            price=price,
        )
        likely = forecast(
            instance_type,
            self._work,
            self._past,
            price=price,
            count=settings.instance_count,
            spot=settings.spot,
            keep_alive_s=settings.keep_alive_s,
        )
        return Estimate(instance_type, price, most, likely)

    def choose_types(self) -> List[str]:
        """The types that SAGEMAKER_INSTANCE_TYPE names; for "auto" the types we know, the best first."""
        if not self.is_auto:
            return self._settings.instance_type
        estimates = [self.estimate(each) for each in SPEEDS]
        limit = self._settings.max_cost_usd
        affordable = [each for each in estimates if limit is None or (each.most_usd or 0) <= limit]
        likely = [each.likely for each in affordable or estimates if each.likely]
        return [each.instance_type for each in rank(likely, prefer=self._settings.prefer)] or [DEFAULT_TYPE]

    def report_choice(self, ui: PlainUi, types: Sequence[str]) -> None:
        """Why "auto" takes the first of the types that the account may use."""
        if not self.is_auto or not self._cloud.bills:
            return
        first, *others = [_describe_likely(self.estimate(each)) for each in types[: 1 + _SHOWN]]
        ui.print(f"Lowest {self._settings.prefer} of the instance types with quota: {first}")
        if others:
            ui.print(f"  ahead of {'; '.join(others)}")

    def report_price(self, ui: PlainUi, types: Sequence[str]) -> None:
        """What an hour of the first type costs, and what this job is likely to cost, and can cost at most.

        Raises:
            TooExpensive, CostUnknown
        """
        words = self.describe_cost(types[0])
        if words:
            ui.print(words)
        elif self._cloud.bills:
            ui.warn(describe_no_price(types[0]))
        first, *others = [(self.estimate(each).most_usd or 0.0, each) for each in types]
        if self._cloud.bills and words and others and max(others) > first:
            most, dearest = max(others)
            ui.print(f"Without capacity for {types[0]}, it may run on {dearest}: at most {format_usd(most)}")
        self.check_cost(types)

    def describe_cost(self, instance_type: str) -> Optional[str]:
        """In money and time, as far as it is known."""
        return self.describe_price(instance_type) if self._cloud.bills else self._describe_time()

    def _describe_time(self) -> Optional[str]:
        """How long this machine is likely to take; None before the car's first training on it."""
        outlook = look_ahead(_THIS_MACHINE, self._work, self._past)
        if outlook.whole_s is None:
            return None
        jobs = "training" if outlook.jobs == 1 else f"{outlook.jobs} trainings"
        return (
            f"Likely {format_seconds(outlook.whole_s)} until the model is installed "
            f"({format_count(outlook.epochs or 0, 'epoch')}, judging by the last {jobs} here)"
        )

    def describe_price(self, instance_type: str) -> Optional[str]:
        """None where no price is known."""
        each = self.estimate(instance_type)
        if each.price is None or each.most_usd is None:
            return None
        market = " on demand, less on spot" if self._settings.spot else ""
        likely = _describe_forecast(each.likely) if self._work.records else ""
        count = self._settings.instance_count
        machines = f"{count} machines, each at " if count > 1 else ""
        return (
            f"{machines}{format_usd(each.price.usd_per_hour)} an hour{market} ({each.price.source}); "
            f"this job {likely}at most {format_usd(each.most_usd)}"
        )

    def check_cost(self, types: Sequence[str]) -> None:
        """
        Raises:
            TooExpensive, CostUnknown: on any of the types, since each may be the one that is taken.
        """
        limit = self._settings.max_cost_usd
        if limit is None or not self._cloud.bills:
            return
        for instance_type in types:
            most = self.estimate(instance_type).most_usd
            if most is None:
                raise CostUnknown(instance_type, limit)
            if most > limit:
                raise TooExpensive(instance_type, most, limit)


def describe_bill(cloud: Cloud, job: Job) -> str:
    """What a job that continues costs, to go on from "continues"; empty where nothing is billed."""
    if not cloud.bills:
        return ""
    known = [
        most_cost(
            max_runtime_s=request["StoppingCondition"]["MaxRuntimeInSeconds"],
            keep_alive_s=request["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0),
            count=request["ResourceConfig"]["InstanceCount"],
            price=price,
        )
        for request, price in _with_prices(cloud, job)
        if price
    ]
    if not known or len(known) < len(job.requests):
        return " and is billed until it ends"
    return f" and is billed until it ends, at most {format_usd(max(known))}"


def _with_prices(cloud: Cloud, job: Job) -> List[Tuple[Dict[str, Any], Optional[Price]]]:
    """Each request, since AWS may take the type of any of them."""
    return [(each, cloud.hourly_price(each["ResourceConfig"]["InstanceType"])) for each in job.requests]


def describe_no_price(instance_type: str) -> str:
    return f"the price of {instance_type} is not known; see AWS's pricing page"


def _describe_likely(each: Estimate) -> str:
    if each.likely is None or each.likely.usd is None:
        return each.instance_type
    usd, seconds = format_usd(each.likely.usd), format_seconds(each.likely.seconds)
    return f"{each.instance_type}, likely {usd} in {seconds}"


def _describe_forecast(likely: Optional[Forecast]) -> str:
    if likely is None or likely.usd is None:
        return ""
    usd, seconds = format_usd(likely.usd), format_seconds(likely.seconds)
    jobs = "job" if likely.jobs == 1 else f"{likely.jobs} jobs"
    basis = f"judging by this car's last {jobs}" if likely.jobs else "estimated before its first job"
    return f"likely {usd} in {seconds} ({format_count(likely.epochs, 'epoch')}, {basis}), "
