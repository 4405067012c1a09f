"""From the plan to a tuning that the cloud runs, which is started exactly once."""

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from ..car.car import Car
from ..car.job import FAILED, Job, Outcome
from ..car.launch_file import make_launch_file
from ..cloud.cloud import Cloud
from ..cloud.errors import NoSuchJob, Unreachable
from ..cloud.prices import Price
from ..cloud.tuning import Tuner
from ..cloud.tuning_request import SHORTEST_S, runtime_within
from ..errors import BadInput, DonkeySagemakerError, add_note
from ..interrupts import deferred_interrupts
from ..ui import PlainUi, format_count, format_seconds, format_usd
from .detach import Detaching
from .launch import Resumable


class TuningTooExpensive(BadInput):
    def __init__(self, instance_type: str, parallel: int, limit_usd: float) -> None:
        super().__init__(
            f"{format_count(parallel, 'trial')} at a time on {instance_type} could cost more than"
            f" --max-cost-usd {limit_usd:g} before SageMaker has ended them.",
            "Lower --parallel, choose another --instance-type, or raise --max-cost-usd.",
        )


class TuningCostUnknown(BadInput):
    def __init__(self, instance_type: str) -> None:
        super().__init__(
            f"The price of {instance_type} is not known, so --max-cost-usd cannot be enforced.",
            "Allow your AWS user pricing:GetProducts, choose another --instance-type, or leave it out.",
        )


class Bound(NamedTuple):
    """The most that a tuning can cost."""

    usd: Optional[float]  # None if no price is known
    max_runtime_s: Optional[int] = None  # after which SageMaker ends it; None: its trials end before


def bound_cost(
    instance_type: str,
    *,
    trials: int,
    parallel: int,
    machines: int,
    trial_usd: Optional[float],
    price: Optional[Price],
    limit_usd: Optional[float],
) -> Bound:
    """
    Args:
        machines: of each trial.
        trial_usd: the most that one trial can cost.
    Raises:
        TuningCostUnknown, TuningTooExpensive
    """
    if price is None or trial_usd is None:
        if limit_usd is not None:
            raise TuningCostUnknown(instance_type)
        return Bound(None)
    if limit_usd is None or trial_usd * trials <= limit_usd:
        return Bound(trial_usd * trials)
    runtime_s = runtime_within(limit_usd, price=price, machines=machines * min(parallel, trials))
    if runtime_s < SHORTEST_S:
        raise TuningTooExpensive(instance_type, min(parallel, trials), limit_usd)
    return Bound(limit_usd, runtime_s)


def describe_bound(ui: PlainUi, bound: Bound, *, likely_usd: Optional[float]) -> None:
    if bound.usd is not None:
        words = f"likely {format_usd(likely_usd)}, " if likely_usd is not None else ""
        ui.print(f"All of them together: {words}at most {format_usd(bound.usd)}")
    if bound.max_runtime_s is not None:
        ui.print(
            f"SageMaker ends the tuning after {format_seconds(bound.max_runtime_s)}, to stay within that"
        )


def find_same_tuning(car: Car, tuner: Tuner, job: Job) -> Optional[Resumable]:
    """A tuning that tries exactly the same and is not installed yet, so that nothing is paid for twice."""
    for other in car.tunings.pending():
        if (other.bucket, other.fingerprint) != (job.bucket, job.fingerprint):
            continue
        try:
            state = tuner.describe(other.name)
        except NoSuchJob:
            return Resumable(other, is_started=False)
        if state.status != "Failed":
            return Resumable(other, is_started=True)
        car.tunings.write(other, Outcome(FAILED))
    return None


def start_tuning(
    car: Car,
    cloud: Cloud,
    tuner: Tuner,
    job: Job,
    request: Dict[str, Any],
    *,
    objects: Callable[[], Mapping[str, bytes]],
    detaching: Detaching,
) -> None:
    """
    Args:
        job: as the ledger of tunings will have it.
        request: for a tuning of that name.
        detaching: gets its name at the very moment from which on an interrupt leaves it behind.
        objects: what its trials read beside the shards, by key.
    """
    car.ensure_id()
    car.tunings.write(job)  # first: a tuning that nobody knows about is paid for and lost
    try:
        for key, body in objects().items():
            cloud.put(key, body)
        cloud.put(job.keys.launch, make_launch_file(job, car))
        with deferred_interrupts() as arrived:
            tuner.start(request)
            detaching.job = job.name
    except Unreachable as error:
        add_note(error, f"The tuning {job.name} may have been started: the same command finds out.")
        raise
    except (DonkeySagemakerError, OSError):
        car.tunings.remove(job.name)
        raise
    if arrived:
        raise KeyboardInterrupt
