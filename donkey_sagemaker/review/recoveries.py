"""Whether a driver ever leaves the line: a model can only learn to return to it from pictures from beside it.

Whoever always drives the same line sees the same pictures lap after lap: the most similar picture of another
lap is closer than the next one of the same lap. From beside the line, the track looks different.
"""

from typing import Iterator

import numpy as np

from .components import project
from .finding import Finding, make_finding
from .footage import Footage

FEWEST = 600  # records of driving, a few laps
PARTS = 24  # principal components of the pictures
AROUND = 800  # records before and after that may show the same place: a few laps
APART_S = 2.0  # neighbours in time look alike anyway
ALIKE = 0.85  # times the change to the next record, which most pictures differ by from those of other laps
MOST = 75  # percent of the pictures
_CHUNK = 200


def find_no_recoveries(footage: Footage) -> Iterator[Finding]:
    driving = footage.driven & (footage.throttles > 0)
    if driving.sum() < FEWEST:
        return
    ratio = measure_variety(footage, driving)
    if ratio <= ALIKE:
        yield make_finding(
            "no recoveries",
            footage,
            driving,
            0.7,
            f"all laps look alike, to {ratio:.0%} of what changes from a record to the next",
        )


def measure_variety(footage: Footage, driving: np.ndarray) -> float:
    """How different the same place looks in other laps, in terms of the change from a record to the next."""
    points = project(footage, PARTS)
    follows = driving[1:] & driving[:-1] & ~footage.starts[1:]
    steps = np.sqrt(((points[1:] - points[:-1]) ** 2).sum(1))
    apart = int(APART_S * footage.hz)
    places = np.flatnonzero(driving)
    points = points[places]
    distances = []
    for first in range(0, places.size, _CHUNK):
        rows = slice(first, min(places.size, first + _CHUNK))
        near = slice(max(0, rows.start - AROUND), min(places.size, rows.stop + AROUND))
        here, others = points[rows], points[near]
        squares = (here**2).sum(1)[:, None] - 2 * here @ others.T + (others**2).sum(1)[None]
        squares[np.abs(places[rows, None] - places[None, near]) < apart] = np.inf
        distances.append(np.sqrt(np.maximum(squares.min(1), 0)))
    usual_step = float(np.median(steps[follows])) if follows.any() else 0.0
    return float(np.percentile(np.concatenate(distances), MOST)) / max(usual_step, 1e-6)
