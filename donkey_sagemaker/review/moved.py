"""A camera that was moved during the tub: from some record on, the whole picture lies higher or lower."""

from typing import Iterator, NamedTuple, Optional

import numpy as np

from .finding import Finding, make_finding
from .footage import HEIGHT, Footage

SIDE = 300  # records before and after a moment that are compared: a lap, or several bends
STEP = 25  # records between two moments
MOST_SHIFT = 12  # rows of 60 that are tried
LEAST_SHIFT = 2  # rows, 4 of a picture's 120
SAME = 0.7  # correlation of the two sides, once one is shifted
GAIN = 0.3  # in correlation, by shifting


class Shift(NamedTuple):
    rows: int  # by which everything lies lower afterwards
    correlation: float
    gain: float  # in correlation, over not shifting


def find_moved(footage: Footage) -> Iterator[Finding]:
    n = footage.size
    # The mean of every row of pixels over STEP records, then its change from row to row: lines and horizon
    steps = n // STEP
    side = SIDE // STEP
    if steps < 2 * side:
        return
    means = footage.rows[: steps * STEP].reshape(steps, STEP, HEIGHT).mean(1)
    profiles = np.diff(means, axis=1)
    best = None
    for cut in range(side, steps - side + 1):
        shift = align(profiles[cut - side : cut].mean(0), profiles[cut : cut + side].mean(0))
        if shift and (best is None or shift.gain > best[1].gain):
            best = cut * STEP, shift
    if best is None:
        return
    place, shift = best
    before = np.arange(n) < place
    where = "lower" if shift.rows > 0 else "higher"
    text = (
        f"from about record {footage.indexes[place]} on, everything lies "
        f"{abs(shift.rows) / HEIGHT:.0%} of the picture {where}"
    )
    yield make_finding("moved", footage, before if place <= n - place else ~before, 0.8, text)


def align(before: np.ndarray, after: np.ndarray) -> Optional[Shift]:
    """The shift of one profile that makes it like the other; None where that is no camera that was moved."""
    correlations = {}
    for rows in range(-MOST_SHIFT, MOST_SHIFT + 1):
        one = before[max(0, -rows) : before.size - max(0, rows)]
        other = after[max(0, rows) : after.size - max(0, -rows)]
        spread = float(one.std() * other.std())
        covariance = float(((one - one.mean()) * (other - other.mean())).mean())
        correlations[rows] = covariance / spread if spread > 1e-6 else 0.0
    rows = max(correlations, key=lambda each: (correlations[each], -abs(each)))
    shift = Shift(rows, correlations[rows], correlations[rows] - correlations[0])
    is_moved = abs(rows) >= LEAST_SHIFT and shift.correlation >= SAME and shift.gain >= GAIN
    return shift if is_moved else None
