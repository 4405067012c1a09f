"""A camera that was moved during the tub: from some record on, the whole picture lies higher or lower."""

from typing import Iterator

import numpy as np

from .finding import Finding, make_finding
from .footage import HEIGHT, Footage

BLOCK = 150  # records whose rows are averaged: several bends
MOST_SHIFT = 12  # rows of 60 that are tried
LEAST_SHIFT = 2.0  # rows, about 4 of a picture's 120
SAME = 0.8  # correlation of the profiles once one is shifted
GAIN = 0.1  # in correlation, by shifting


def find_moved(footage: Footage) -> Iterator[Finding]:
    n = len(footage)
    blocks = n // BLOCK
    if blocks < 4:
        return
    means = footage.rows[: blocks * BLOCK].reshape(blocks, BLOCK, HEIGHT).astype(np.float32).mean(1)
    profiles = np.diff(means, axis=1)
    best = None
    for cut in range(2, blocks - 1):
        before, after = profiles[:cut].mean(0), profiles[cut:].mean(0)
        shift, aligned, gain = _align(before, after)
        if abs(shift) < LEAST_SHIFT or aligned < SAME or gain < GAIN:
            continue
        # A part before that is like itself, and one after: every block must agree with its side
        agrees = np.mean(
            [_align(before, each)[0] * np.sign(shift) < LEAST_SHIFT / 2 for each in profiles[:cut]]
            + [_align(after, each)[0] * -np.sign(shift) < LEAST_SHIFT / 2 for each in profiles[cut:]]
        )
        if agrees >= 0.9 and (best is None or gain > best[2]):
            best = (cut, shift, gain)
    if best is None:
        return
    cut, shift, _ = best
    place = cut * BLOCK
    mask = np.zeros(n, bool)
    mask[:place] = place <= n - place  # the smaller part
    mask[place:] = place > n - place
    where = "lower" if shift > 0 else "higher"
    share = abs(shift) / HEIGHT
    text = (
        f"from about record {footage.indexes[place]} on, everything lies {share:.0%} of the picture {where}"
    )
    yield make_finding("moved", footage, mask, 0.8, text)


def _align(before: np.ndarray, after: np.ndarray) -> "tuple[int, float, float]":
    """(rows by which *after* lies lower, correlation when shifted, its gain over not shifting)."""
    correlations = {}
    for shift in range(-MOST_SHIFT, MOST_SHIFT + 1):
        one = before[max(0, -shift) : before.size - max(0, shift)]
        other = after[max(0, shift) : after.size - max(0, -shift)]
        correlations[shift] = float(np.corrcoef(one, other)[0, 1])
    shift = max(correlations, key=lambda each: (correlations[each], -abs(each)))
    return shift, correlations[shift], correlations[shift] - correlations[0]
