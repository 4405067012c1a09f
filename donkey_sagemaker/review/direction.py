"""Which way the pictures run: whether they follow each other as they do when the car drives ahead.

What changes from a picture to the next is described by products of one with the other that change their sign
when the two are exchanged. A regression learns from the tub's own driving how they are when the car drives
ahead, so neither the camera nor the floor has to be known. Backwards, everything has the opposite sign.
"""

from typing import NamedTuple, Optional

import numpy as np

from .components import project
from .finding import find_edges, find_runs
from .footage import Footage
from .regression import FOLDS, fold_of, solve

FEWEST, MOST = 500, 4000  # pairs of pictures that the regression needs, and takes
BLOCK = 100  # consecutive records of a fold
PARTS = 40  # principal components of the pictures
WINDOW = 15  # records over which the direction is averaged
BACKWARDS = -0.3  # of the direction in driving; ahead is 1
BACKWARDS_S = 0.6
CLEARLY = -0.6  # the mean of a run
UNUSUAL = 5.8  # standard deviations below what is usual in as many records of driving
_CHUNK = 1000


class Direction(NamedTuple):
    """How pictures follow each other: 1 is usual in driving, -1 runs backwards, 0 is neither."""

    steps: np.ndarray  # (n,) float32, from each record to the next one
    ahead: np.ndarray  # (n,) float32, the same averaged over WINDOW
    driving: np.ndarray  # (n,) bool, where the car drives ahead, mostly

    def is_backwards(self, first: int, last: int) -> bool:
        """Whether a run is far from what is usual in driving: bends often look a little like it."""
        length = last - first
        elsewhere = self.driving.copy()
        elsewhere[max(0, first - length) : last + length] = False
        if elsewhere.sum() < FEWEST:
            return False
        usual = _average(self.steps, length)[elsewhere]
        mean = float(self.steps[first:last].mean())
        return mean < CLEARLY and mean < usual.mean() - UNUSUAL * usual.std()


def measure_direction(footage: Footage, driving: np.ndarray) -> Optional[Direction]:
    """None where there is too little driving, or where its pictures show no direction.

    Args:
        driving: (n,) bool, where the car drives ahead, mostly.
    """
    n = footage.size
    # A pair is a record and the next one
    pairs = np.append(~footage.starts[1:], False)
    taken = driving & pairs
    if taken.sum() < FEWEST:
        return None
    features = _Pairs(footage)
    folds = fold_of(n, block=BLOCK)
    ahead = np.zeros(n, np.float32)
    for fold in range(FOLDS):
        rows = np.flatnonzero(taken & (folds != fold))
        rows = rows[np.linspace(0, rows.size - 1, min(MOST, rows.size)).astype(int)]
        weights = features.fit(rows)
        wanted = np.flatnonzero(pairs & (folds == fold))
        for first in range(0, wanted.size, _CHUNK):
            part = wanted[first : first + _CHUNK]
            ahead[part] = features.describe(part) @ weights
    usual = float(ahead[taken].mean())
    if usual <= 0:
        return None
    ahead /= usual
    return Direction(ahead, _average(ahead, WINDOW), driving)


def _average(values: np.ndarray, length: int) -> np.ndarray:
    """The mean of so many values around each one. (n,) float32"""
    return np.convolve(values, np.full(length, 1 / length), "same").astype(np.float32)


def find_backwards(footage: Footage, direction: Direction, free: np.ndarray) -> np.ndarray:
    """Where the car goes backwards. (n,) bool

    Args:
        free: (n,) bool, where nothing else explains how the pictures run.
    """
    shortest = int(round(BACKWARDS_S * footage.hz))
    runs = find_runs(free & (direction.ahead < BACKWARDS), footage.starts, shortest=shortest, gap=2)
    for first, last in find_edges(runs):
        runs[first:last] = direction.is_backwards(first, last)
    return runs


class _Pairs:
    """Each picture of a tub with the next one, as rows of features."""

    def __init__(self, footage: Footage) -> None:
        self._points = project(footage, PARTS)
        self._one, self._other = np.triu_indices(self._points.shape[1], 1)

    def describe(self, rows: np.ndarray) -> np.ndarray:
        """(rows, features) float32, which change their sign if time runs backwards."""
        a, b = self._points[rows], self._points[rows + 1]
        features = a[:, self._one] * b[:, self._other] - a[:, self._other] * b[:, self._one]
        features /= np.sqrt((features**2).mean(1, keepdims=True)) + 0.01
        return features

    def fit(self, rows: np.ndarray) -> np.ndarray:
        """The weights with which the features of these rows come closest to 1. (features,)"""
        count = self._one.size
        gram, sums = np.zeros((count, count), np.float32), np.zeros(count, np.float32)
        for first in range(0, rows.size, _CHUNK):
            x = self.describe(rows[first : first + _CHUNK])
            gram += x.T @ x
            sums += x.sum(0)
        return solve(gram, sums, rows=rows.size)
