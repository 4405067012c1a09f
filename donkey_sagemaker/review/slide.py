"""SAGEMAKER_SLIDE = "auto": the measured lag of the tubs, if the evidence is strong."""

from typing import List, NamedTuple, Sequence, Tuple

from ..tubs.reader import Tub
from .footage import read_sample
from .lag import Lag, measure_lag

STRETCHES, LENGTH = 6, 1000  # of each tub
LEAST_SHARE = 0.5  # of the records must be in tubs that agree
MOST_APART = 1  # frames between two tubs that agree


class Slide(NamedTuple):
    """The number of frames to use, and why."""

    frames: int
    reason: str


def choose_slide(tubs: Sequence[Tub]) -> Slide:
    """0 where the evidence is weak, or where the tubs do not agree."""
    measured: List[Tuple[int, Lag]] = []
    records = 0
    for tub in tubs:
        for footage in read_sample(tub, stretches=STRETCHES, length=LENGTH):
            records += footage.size
            lag = measure_lag(footage)
            if lag and lag.is_strong:
                measured.append((footage.size, lag))
    return weigh(measured, records)


def weigh(measured: Sequence[Tuple[int, Lag]], records: int) -> Slide:
    """
    Args:
        measured: (records, lag) of each tub with strong evidence.
        records: of all tubs.
    """
    if not measured:
        return Slide(0, "no strong evidence that the commands are late")
    frames = sorted(lag.frames for _, lag in measured)
    if frames[-1] - frames[0] > MOST_APART:
        return Slide(0, f"the tubs do not agree: their commands are {frames[0]} to {frames[-1]} frames late")
    if sum(count for count, _ in measured) < LEAST_SHARE * records:
        return Slide(0, "the commands are late in a small part of the records only")
    _, lag = max(measured, key=lambda pair: pair[0])
    return Slide(lag.frames, lag.describe())
