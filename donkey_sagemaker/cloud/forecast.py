"""How long a training takes on each instance type, what it costs, and which type is best. Pure.

    seconds on the instance = start + records x reading + epochs x records x work of a record / speed

Before a car's first job the numbers are this program's own; each finished job of the car corrects them.
docs/cost.md says which of them were measured.
"""

import statistics
from typing import List, NamedTuple, Optional, Sequence

from .machines import SPEEDS, is_gpu
from .prices import Price, job_cost

# GFLOP to train once on a record of 160x120 pixels. Measured for linear; the others in proportion to their
# layers. An rnn sees three pictures for each record, a 3d net twenty.
_WORK = {"linear": 0.25, "categorical": 0.21, "rnn": 0.49, "3d": 2.54}
_USUAL_WORK = _WORK["linear"]
# A fifth of the records is for validation, which takes a third of the work of training.
_VALIDATION = 0.8 + 0.2 / 3

# Seconds that are billed besides the epochs: image, tubs, TensorFlow's import, conversion, archive.
_START_S = {False: 90.0, True: 180.0}  # without and with a GPU, whose image is several times as large
_RECORD_S = 1 / 2000  # to read and decode a record, once
_EPOCHS = 30  # until early stopping
_SPOT_SHARE = 0.4  # the part of a spot job's seconds that is billed

# What each further machine adds to the speed of the first one (docs/several-machines.md)
_FURTHER = 0.8

_LAST = 5  # number of jobs that count, because cars and habits change


class Work(NamedTuple):
    """A training that is planned."""

    model_type: str  # without prefix
    records: int
    max_epochs: int
    stops_early: bool
    machines: int = 1
    trial_epochs: int = 0  # of other settings, before those of the model


class Past(NamedTuple):
    """A finished training, from the ledger."""

    instance_type: str
    is_spot: bool
    model_type: str
    records: int
    epochs: int
    max_epochs: int
    trained_s: float  # of all epochs
    took_s: float  # on the instance
    billed_s: float
    before_s: Optional[float] = None  # from its launch to its first epoch; None if nobody watched that
    after_s: Optional[float] = None  # from its last epoch to the installed model
    machines: int = 1


class Forecast(NamedTuple):
    """How long a training is likely to take on one instance type."""

    instance_type: str
    epochs: int
    seconds: float  # on the instance
    usd: Optional[float]  # None if no price is known
    jobs: int  # how many of the car's jobs it is based on


class Outlook(NamedTuple):
    """What a training is likely to take, part by part; None where the car's jobs do not say it."""

    epochs: Optional[int] = None
    before_s: Optional[float] = None
    epoch_s: Optional[float] = None
    after_s: Optional[float] = None
    jobs: int = 0  # how many of the car's jobs it is based on

    @property
    def whole_s(self) -> Optional[float]:
        """From the launch to the installed model."""
        if self.epochs is None or self.before_s is None or self.epoch_s is None or self.after_s is None:
            return None
        return self.before_s + self.epochs * self.epoch_s + self.after_s


NOTHING_KNOWN = Outlook()


def look_ahead(instance_type: str, work: Work, past: Sequence[Past]) -> Outlook:
    """
    Args:
        past: this car's finished jobs, the newest first.
    """
    past = past[:_LAST]
    same = [each for each in past if (each.instance_type, each.machines) == (instance_type, work.machines)]
    epochs = _likely_epochs(work, past)
    paces = [each.trained_s / _gflop_of(each) for each in same]
    epoch_gflop = _gflop(work.model_type, records=work.records, epochs=1)
    epoch_s = statistics.median(paces) * epoch_gflop if paces and work.records else None
    before_s = _median([each.before_s for each in same])
    if before_s is not None and epoch_s is not None:
        before_s += work.trial_epochs * epoch_s
    return Outlook(
        epochs=epochs,
        before_s=before_s,
        epoch_s=epoch_s,
        after_s=_median([each.after_s for each in same]),
        jobs=len(same),
    )


def _median(values: Sequence[Optional[float]]) -> Optional[float]:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def forecast(
    instance_type: str,
    work: Work,
    past: Sequence[Past],
    *,
    price: Optional[Price],
    count: int,
    spot: bool,
    keep_alive_s: float = 0,
) -> Optional[Forecast]:
    """How long the training is likely to take.

    Args:
        past: this car's finished jobs, the newest first.
        count: number of instances.
        keep_alive_s: how long they are kept, and billed, after the job.
    Returns:
        None for a type whose speed neither this program nor the car's jobs know.
    """
    past = past[:_LAST]
    pace = _pace(instance_type, past)
    if pace is None:
        return None
    epochs = count_epochs(work, past)
    gflop = _gflop(work.model_type, records=work.records, epochs=epochs + work.trial_epochs)
    seconds = _start_s(instance_type, past) + _RECORD_S * work.records + pace * gflop / _speedup(count)
    billable_s = seconds * (_spot_share(past) if spot else 1) + keep_alive_s
    usd = None if price is None else job_cost(billable_s=billable_s, count=count, price=price)
    return Forecast(instance_type, epochs, seconds, usd, len(past))


def rank(forecasts: Sequence[Forecast], *, prefer: str) -> List[Forecast]:
    """The forecasts whose price is known, the best first.

    Args:
        prefer: "cost" or "time".
    """
    priced = [(each.usd, each.seconds, each) for each in forecasts if each.usd is not None]
    if prefer == "time":
        priced.sort(key=lambda item: (item[1], item[0]))
    else:
        priced.sort(key=lambda item: (item[0], item[1]))
    return [each for _usd, _seconds, each in priced]


def _gflop(model_type: str, *, records: int, epochs: int) -> float:
    return _WORK.get(model_type, _USUAL_WORK) * _VALIDATION * records * epochs


def _speedup(machines: int) -> float:
    return 1 + _FURTHER * (machines - 1)


def _pace(instance_type: str, past: Sequence[Past]) -> Optional[float]:
    """Seconds per GFLOP of one machine, which depend on the augmentations and the size of the pictures."""
    paces = {each: each.trained_s * _speedup(each.machines) / _gflop_of(each) for each in past}
    same = [paces[each] for each in past if each.instance_type == instance_type]
    if same:
        return statistics.median(same)
    if instance_type not in SPEEDS:
        return None
    slowness = [paces[each] * SPEEDS[each.instance_type] for each in past if each.instance_type in SPEEDS]
    return (statistics.median(slowness) if slowness else 1) / SPEEDS[instance_type]


def _gflop_of(past: Past) -> float:
    return _gflop(past.model_type, records=past.records, epochs=past.epochs)


def count_epochs(work: Work, past: Sequence[Past]) -> int:
    """How many a training is likely to take."""
    likely = _likely_epochs(work, past)
    return min(_EPOCHS, work.max_epochs) if likely is None else likely


def _likely_epochs(work: Work, past: Sequence[Past]) -> Optional[int]:
    """As many as similar trainings took, under the same limit; None without any."""
    if not work.stops_early:
        return work.max_epochs or None
    similar = [
        each.epochs
        for each in past
        if (each.model_type, each.max_epochs) == (work.model_type, work.max_epochs)
    ]
    return round(statistics.median(similar)) if similar else None


def _start_s(instance_type: str, past: Sequence[Past]) -> float:
    has_gpu = is_gpu(instance_type)
    similar = [
        max(each.took_s - each.trained_s - _RECORD_S * each.records, 0)
        for each in past
        if is_gpu(each.instance_type) == has_gpu
    ]
    return statistics.median(similar) if similar else _START_S[has_gpu]


def _spot_share(past: Sequence[Past]) -> float:
    shares = [each.billed_s / each.took_s for each in past if each.is_spot]
    return statistics.median(shares) if shares else _SPOT_SHARE
