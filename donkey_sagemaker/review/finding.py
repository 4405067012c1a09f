"""A finding of the review."""

from typing import List, NamedTuple

import numpy as np

from .footage import Footage
from .ranges import Range, make_ranges


class Finding(NamedTuple):
    """Something in the driving of one tub that would spoil a model."""

    kind: str  # a key of KINDS
    tub: str  # its name
    ranges: List[Range]  # ascending; deleted records may be among them
    indexes: List[int]  # of the records, ascending
    confidence: float  # 0 to 1
    evidence: str  # what was measured, in a few words

    @property
    def records(self) -> int:
        return len(self.indexes)


def make_finding(kind: str, footage: Footage, mask: np.ndarray, confidence: float, evidence: str) -> Finding:
    """
    Args:
        mask: (n,) bool, the records in question.
    """
    indexes = sorted(footage.indexes[mask].tolist())
    return Finding(
        kind,
        footage.tub.name,
        ranges=make_ranges(indexes, bridges=footage.tub.deleted_indexes),
        indexes=indexes,
        confidence=round(min(1.0, max(0.0, confidence)), 2),
        evidence=evidence,
    )


def find_runs(mask: np.ndarray, starts: np.ndarray, *, shortest: int, gap: int = 0) -> np.ndarray:
    """The mask without runs that are too short. (n,) bool

    Args:
        starts: (n,) bool, records that do not follow the one before; no run crosses one.
        gap: so many records that are not marked do not end a run, and become part of it.
    """
    joined = np.zeros(mask.size, bool)
    cuts = set(np.flatnonzero(starts).tolist())
    first = last = -1
    for place in np.flatnonzero(mask).tolist():
        crosses = last >= 0 and any(cut in cuts for cut in range(last + 1, place + 1))
        if last < 0 or place - last > gap + 1 or crosses:
            if first >= 0 and last - first + 1 >= shortest:
                joined[first : last + 1] = True
            first = place
        last = place
    if first >= 0 and last - first + 1 >= shortest:
        joined[first : last + 1] = True
    return joined


def find_edges(mask: np.ndarray) -> np.ndarray:
    """The first record of each run of marked ones, and the first one after it. (runs, 2) int"""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)
