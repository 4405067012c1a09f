"""Opposite commands for nearly the same picture: what the driver did here against what he did there."""

from typing import Iterator

import numpy as np

from .finding import Finding, find_runs, make_finding
from .footage import Footage, normalize

FEWEST = 600  # records, so that most places are driven several times
MOST_REFERENCES = 6000
SAMPLE = 1500  # pictures that the principal components are computed from
PARTS = 24  # principal components of the pictures
NEIGHBOURS = 8
APART_S = 2.0  # neighbours in time look alike anyway
OPPOSITE = 0.5  # between the steering and that of the neighbours
LEAST_ANGLE = 0.12  # of both, otherwise they are just straight ahead
MOST_SPREAD = 0.35  # of the neighbours' steering: they must agree
WINDOW, LEAST_SHARE = 15, 0.6  # of the records in a window
LEAST_RECORDS = 30  # in the whole tub; fewer are what neighbours disagree about by chance
_CHUNK = 100  # records whose distances to all references are in memory at once


def find_contradictions(footage: Footage) -> Iterator[Finding]:
    n = footage.size
    if n < FEWEST or footage.driven.sum() < FEWEST:
        return
    expected, agree = expect_angles(footage)
    angles = footage.angles
    opposite = (
        agree
        & footage.driven
        & (angles * expected < 0)
        & (np.abs(angles - expected) >= OPPOSITE)
        & (np.minimum(np.abs(angles), np.abs(expected)) >= LEAST_ANGLE)
    )
    sums = np.concatenate([[0], np.cumsum(opposite)])
    crowded = np.zeros(n, bool)
    many = sums[WINDOW:] - sums[:-WINDOW] >= LEAST_SHARE * WINDOW
    for offset in range(WINDOW):
        crowded[offset : offset + many.size] |= many
    runs = find_runs(crowded & opposite, footage.starts, shortest=WINDOW // 2, gap=4)
    if runs.sum() >= LEAST_RECORDS:
        yield make_finding(
            "contradictory",
            footage,
            runs,
            0.8,
            f"the {NEIGHBOURS} most similar pictures were steered to the other side",
        )


def expect_angles(footage: Footage) -> "tuple[np.ndarray, np.ndarray]":
    """The usual steering for pictures like each one, from other moments, and where these agree. (n,) each"""
    n = footage.size
    points = _reduce(footage)
    references = np.flatnonzero(footage.driven)
    chosen = np.linspace(0, references.size - 1, min(MOST_REFERENCES, references.size)).astype(int)
    references = references[chosen].astype(np.int32)
    others = points[references]
    squares = (others**2).sum(1)
    apart = APART_S * footage.hz
    expected = np.zeros(n, np.float32)
    agree = np.zeros(n, bool)
    for first in range(0, n, _CHUNK):
        last = min(n, first + _CHUNK)
        distances = squares[None] - 2 * points[first:last] @ others.T
        distances[np.abs(np.arange(first, last, dtype=np.int32)[:, None] - references[None]) < apart] = np.inf
        nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        angles = footage.angles[references[nearest]]
        expected[first:last] = np.median(angles, axis=1)
        agree[first:last] = angles.std(1) <= MOST_SPREAD
    return expected, agree


def _reduce(footage: Footage) -> np.ndarray:
    """The pictures as (n, PARTS) float32, which differ as much as the pictures do."""
    sample = normalize(footage.thumbs[:: max(1, footage.size // SAMPLE)])
    middle = sample.mean(0)
    _, _, parts = np.linalg.svd(sample - middle, full_matrices=False)
    projection = parts[:PARTS].T
    chunks = range(0, footage.size, SAMPLE)
    points = [(normalize(footage.thumbs[first : first + SAMPLE]) - middle) @ projection for first in chunks]
    return np.concatenate(points)
