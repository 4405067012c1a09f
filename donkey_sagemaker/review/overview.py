"""What the page shows of a whole drive: its curves over time, and how its commands are distributed."""

from typing import List, NamedTuple, Sequence

import numpy as np

from .finding import Finding
from .footage import Footage
from .ranges import Range
from .scenes import Scenery, find_scenes
from .strips import Shown, choose_places, show

COLUMNS = 240  # of the timeline
BINS = 41  # of a histogram


class Bar(NamedTuple):
    """Where on the timeline a finding is."""

    kind: str
    spans: List[Range]  # first and last column


class Overview(NamedTuple):
    """Of one piece of a tub."""

    tub: str  # its name
    indexes: Range  # the first and the last record
    records: int
    hz: float
    angle: List[List[float]]  # lowest and highest steering of each column of the timeline
    throttle: List[float]  # mean of each column
    brightness: List[float]
    bars: List[Bar]
    angle_counts: List[int]  # of BINS between -1 and 1
    throttle_counts: List[int]
    strips: List[List[Shown]]  # for each finding
    scenes: List[Scenery]


def make_overview(footage: Footage, findings: Sequence[Finding]) -> Overview:
    n = footage.size
    edges = np.unique(np.linspace(0, n, COLUMNS + 1).astype(int))
    first = edges[:-1]
    widths = np.diff(edges)
    low, high = np.minimum.reduceat(footage.angles, first), np.maximum.reduceat(footage.angles, first)
    return Overview(
        tub=footage.tub.name,
        indexes=(int(footage.indexes.min()), int(footage.indexes.max())),
        records=n,
        hz=footage.hz,
        angle=np.stack([low, high], 1).tolist(),
        throttle=(np.add.reduceat(footage.throttles, first) / widths).tolist(),
        brightness=(np.add.reduceat(footage.brightness, first) / widths).tolist(),
        bars=[Bar(finding.kind, _find_spans(footage, finding, first)) for finding in findings],
        angle_counts=_count(footage.angles),
        throttle_counts=_count(footage.throttles),
        strips=[_make_strip(footage, finding) for finding in findings],
        scenes=find_scenes(footage),
    )


def _count(commands: np.ndarray) -> List[int]:
    counts: List[int] = np.histogram(np.clip(commands, -1, 1), bins=BINS, range=(-1, 1))[0].tolist()
    return counts


def _find_spans(footage: Footage, finding: Finding, first: np.ndarray) -> List[Range]:
    marked = np.zeros(footage.size, bool)
    for start, end in finding.ranges:
        marked |= (footage.indexes >= start) & (footage.indexes <= end)
    columns = np.flatnonzero(np.maximum.reduceat(marked, first))
    breaks = np.flatnonzero(np.diff(columns) > 1) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(columns, breaks) if run.size]


def _make_strip(footage: Footage, finding: Finding) -> List[Shown]:
    shown = [show(footage, place) for place in choose_places(footage, finding)]
    return [each for each in shown if each is not None]
