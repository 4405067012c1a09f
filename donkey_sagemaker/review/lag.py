"""Late commands: by how many frames the driver's steering lags what the camera shows.

A ridge regression from the small pictures to the steering of k frames later is cross-validated for each k. If
commands are late by k frames, the picture says more about the steering of k frames later than about that of
its own record.
"""

from typing import Iterator, List, NamedTuple, Optional

import numpy as np

from .finding import Finding, make_finding
from .footage import Footage
from .regression import FOLDS, fold_of, predict_from_pictures

EARLIEST, LATEST = -3, 10  # frames that are tried
FEWEST, MOST = 400, 6000  # records that the regression needs, and takes
BLOCK = 50  # consecutive records that go into one fold
BENDS = 0.08  # standard deviation of the steering below which there is nothing to align

# Strong evidence: measured on drawn tubs and on the real ones, see docs/data.md
MOST_ERROR = 0.8  # of the best lag, relative to always steering the mean
MOST_RATIO = 0.92  # of its error to that without a lag
MOST_SPREAD = 2  # frames between the answers of two halves of the tub
LEAST_GAIN = 0.05  # of its error below that without a lag, relative to always steering the mean
LEAST_FRAMES = 2  # one frame, 50 ms, is within the error


class Lag(NamedTuple):
    """What the regression says."""

    frames: int
    is_strong: bool
    errors: List[float]  # for EARLIEST to LATEST frames, relative to always steering the mean
    confidence: float  # 0 to 1

    @property
    def error(self) -> float:
        return self.errors[self.frames - EARLIEST]

    @property
    def error_without(self) -> float:
        return self.errors[-EARLIEST]

    def describe(self) -> str:
        gain = 1 - self.error / self.error_without
        return f"a picture explains the steering {self.frames} frames later {gain:.0%} better than its own"


def measure_lag(footage: Footage) -> Optional[Lag]:
    """None if the tub is too short, or does not bend."""
    rows = _usable_rows(footage)
    if rows.size < FEWEST or float(footage.angles[rows].std()) < BENDS:
        return None
    lags = np.arange(EARLIEST, LATEST + 1)
    angles = footage.angles[rows[:, None] + lags[None]]
    everywhere = np.ones(rows.size, bool)
    predicted = predict_from_pictures(footage.thumbs[rows], angles, trained=everywhere, block=BLOCK)
    missed = (predicted - angles) ** 2 / (np.maximum(angles.var(0), 1e-9) * rows.size)
    folds = fold_of(rows.size, block=BLOCK)
    fold_errors = np.stack([missed[folds == fold].sum(0) for fold in range(FOLDS)])  # (FOLDS, lags)
    errors = fold_errors.sum(0)
    frames = int(lags[np.argmin(errors)])
    halves = [int(lags[np.argmin(fold_errors[part].sum(0))]) for part in (slice(0, 2), slice(2, 4))]
    best, without = float(errors.min()), float(errors[-EARLIEST])
    confidence = min(1.0, 0.5 + 2 * (1 - best / max(without, 1e-9)))
    return Lag(frames, is_strong(frames, best, without, halves), errors.tolist(), confidence)


def is_strong(frames: int, best: float, without: float, halves: List[int]) -> bool:
    """Whether the evidence is enough to propose a lag of so many frames.

    Args:
        best: the error with this lag.
        without: the error without a lag.
        halves: the best lag in either half of the tub.
    """
    return (
        LEAST_FRAMES <= frames < LATEST
        and best <= MOST_ERROR
        and best <= MOST_RATIO * without
        and without - best >= LEAST_GAIN
        and max(abs(half - frames) for half in halves) <= MOST_SPREAD
    )


def _usable_rows(footage: Footage) -> np.ndarray:
    """Of a driver, with all the frames before and after that are tried; at most MOST, in whole stretches."""
    n = footage.size
    starts = np.flatnonzero(footage.starts)
    ends = np.append(starts[1:], n)
    inside = [np.arange(start - EARLIEST, end - LATEST) for start, end in zip(starts, ends)]
    rows = np.concatenate(inside) if inside else np.zeros(0, np.int64)
    rows = rows[footage.driven[rows]]
    if rows.size > MOST:
        blocks = rows[: rows.size // BLOCK * BLOCK].reshape(-1, BLOCK)
        rows = blocks[np.linspace(0, len(blocks) - 1, MOST // BLOCK).astype(int)].ravel()
    return rows


def find_late(footage: Footage) -> Iterator[Finding]:
    """Only where the evidence is strong."""
    lag = measure_lag(footage)
    if lag and lag.is_strong:
        text = f"by about {lag.frames} frames ({lag.frames / footage.hz:.2f} s): {lag.describe()}"
        yield make_finding("late", footage, footage.by_driver, lag.confidence, text)
