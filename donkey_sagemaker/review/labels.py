"""Opposite commands for nearly the same picture: what the driver did here against what he did there.

What is usual for a picture is the mean of what a regression predicts, and of what was done at the most
similar pictures of other moments. Over a second or two, the driver's steering follows that with a slope of
about 1, even if it says little about a single picture. Where the slope is negative, the driver steered to the
other side. That is reported if it is far likelier than the usual steering, given how much the rest of the
drive strays from it, together with the steering right before and after it that does not follow what is usual.
"""

from typing import Callable, Iterator, Tuple

import numpy as np

from .components import find_components, make_waves
from .finding import Finding, find_edges, find_runs, make_finding
from .footage import Footage
from .regression import predict_from_pictures

FEWEST = 600  # records, so that most places are driven several times
BLOCK = 250  # consecutive records of a fold: longer than most stretches that are steered wrong
MOST_REFERENCES = 6000
PARTS = 24  # principal components of the pictures
NEIGHBOURS = 8
APART_S = 2.0  # neighbours in time look alike anyway
WINDOW = 30  # records over which a slope is measured
BENDS = 0.25  # of the usual steering, squared: a window with less goes straight
DOUBTFUL, OPPOSITE = 0.1, -0.2  # slopes; commands of another moment have one of about 0
EVIDENCE = 250.0  # logarithm of how much more likely the opposite is: neighbours in time are not independent
LEAST_DEVIATION = 0.01  # of a driver's steering from the usual one
# Otherwise the pictures do not say who is right: how far most steering strays, relative to the usual one, and
# how well all of it follows that
MOST_DEVIATION, LEAST_CORRELATION = 0.55, 0.7
MOST_SHARE = 0.25  # of the records; with more, nobody knows which ones are wrong
SHORTEST, GAP = 10, 10
LEAST_RECORDS = 40  # in the whole tub
_CHUNK = 100  # records whose distances to all references are in memory at once


def find_contradictions(footage: Footage) -> Iterator[Finding]:
    driven = footage.driven
    if driven.sum() < FEWEST:
        return
    components = find_components(footage.thumbs, PARTS)
    describe = make_waves(components, footage.thumbs)
    slopes, bends = measure_slopes(footage.angles, _regress(footage, driven, describe), driven)
    doubtful = _widen(bends & (slopes < DOUBTFUL))  # they would teach what is wrong
    usable = driven & ~doubtful
    if usable.sum() < FEWEST:
        return
    expected = (
        _regress(footage, usable, describe)
        + expect_angles(footage, usable, components.project(footage.thumbs))
    ) / 2
    slopes, bends = measure_slopes(footage.angles, expected, driven)
    runs = find_runs(bends & (slopes < OPPOSITE), footage.starts, shortest=SHORTEST, gap=GAP) & driven
    others = driven & ~runs
    deviation = measure_deviation((footage.angles - expected)[others])
    if deviation > MOST_DEVIATION * float(np.sqrt((expected[others] ** 2).mean())):
        return
    if correlate(footage.angles[others], expected[others]) < LEAST_CORRELATION:
        return
    opposite, evidence = weigh_runs(runs, footage.angles, expected, deviation)
    opposite = extend_runs(opposite, bends & (slopes < DOUBTFUL), footage.starts) & driven
    if LEAST_RECORDS <= opposite.sum() <= MOST_SHARE * driven.sum():
        yield make_finding(
            "contradictory",
            footage,
            opposite,
            min(0.95, 0.5 + evidence / 2000),
            "similar pictures of other moments were steered to the other side",
        )


def correlate(some: np.ndarray, others: np.ndarray) -> float:
    """Pearson's coefficient; 0 where one of them does not vary."""
    if min(some.size, others.size) < 2 or not some.std() or not others.std():
        return 0.0
    return float(np.corrcoef(some, others)[0, 1])


def measure_deviation(strayed: np.ndarray) -> float:
    """The standard deviation of (n,) errors, most of which are normal."""
    return max(LEAST_DEVIATION, 1.48 * float(np.median(np.abs(strayed)))) if strayed.size else 1.0


def weigh_runs(
    runs: np.ndarray, angles: np.ndarray, expected: np.ndarray, deviation: float
) -> Tuple[np.ndarray, float]:
    """The runs with enough EVIDENCE that the opposite of what is expected was done.

    Args:
        runs, angles, expected: (n,).
        deviation: of the other steering from what is expected.
    Returns:
        runs (n,) bool, the evidence for the least certain one
    """
    evidence = ((angles - expected) ** 2 - (angles + expected) ** 2) / (2 * deviation**2)
    kept, least = np.zeros(runs.size, bool), np.inf
    for first, last in find_edges(runs):
        of_run = float(evidence[first:last].sum())
        if of_run > EVIDENCE:
            kept[first:last] = True
            least = min(least, of_run)
    return kept, least


def extend_runs(runs: np.ndarray, doubtful: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The runs together with the doubtful records around them. (n,) bool"""
    wide = find_runs(runs | doubtful, starts, shortest=1, gap=GAP)
    for first, last in find_edges(wide):
        wide[first:last] = runs[first:last].any()
    return wide


def measure_slopes(
    angles: np.ndarray, expected: np.ndarray, driven: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """How the steering follows what is expected, over the window around each record, and where that bends.

    Returns:
        slopes (n,) float, bends (n,) bool
    """
    expected = np.where(driven, expected, 0.0)
    products = _sum_window(expected * angles)
    squares = _sum_window(expected**2)
    usual = float((expected[driven] ** 2).mean())
    return products / np.maximum(squares, 1e-6), driven & (squares > BENDS * usual * WINDOW) & (
        squares > 1e-3
    )


def _sum_window(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.ones(WINDOW), "same")


def _widen(mask: np.ndarray) -> np.ndarray:
    """Every record in a window around one that is marked. (n,) bool"""
    wide: np.ndarray = _sum_window(mask.astype(np.float32)) > 0.5
    return wide


def _regress(
    footage: Footage, usable: np.ndarray, describe: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    targets = footage.angles[:, None]
    return predict_from_pictures(footage.thumbs, targets, trained=usable, block=BLOCK, describe=describe)[
        :, 0
    ]


def expect_angles(footage: Footage, usable: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The usual steering for pictures like each one, from other moments. (n,) float32

    Args:
        points: (n, p), in which pictures that look alike are close.
    """
    n = footage.size
    references = np.flatnonzero(usable)
    chosen = np.linspace(0, references.size - 1, min(MOST_REFERENCES, references.size)).astype(int)
    references = references[chosen].astype(np.int32)
    others = points[references]
    squares = (others**2).sum(1)
    apart = APART_S * footage.hz
    expected = np.zeros(n, np.float32)
    for first in range(0, n, _CHUNK):
        last = min(n, first + _CHUNK)
        distances = squares[None] - 2 * points[first:last] @ others.T
        distances[np.abs(np.arange(first, last, dtype=np.int32)[:, None] - references[None]) < apart] = np.inf
        nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        expected[first:last] = np.median(footage.angles[references[nearest]], axis=1)
    return expected
