"""The different places and lights in a tub, so that its owner sees which of them are rare."""

from typing import List, NamedTuple, Optional

import numpy as np

from .footage import Footage
from .strips import Shown, show

BLOCK = 100  # records whose mean picture stands for where they were driven
MOST = 6  # scenes
APART = 26.0  # mean difference of grey values between the mean pictures of two scenes


class Scenery(NamedTuple):
    share: float  # of the records
    first_index: int
    brightness: float
    example: Optional[Shown]


def find_scenes(footage: Footage) -> List[Scenery]:
    """The most common first; a single one where all of the tub looks alike."""
    n = footage.size
    edges = np.append(np.arange(0, max(1, n - BLOCK // 2), BLOCK), n)
    means = np.stack(
        [footage.thumbs[a:b].astype(np.float32).mean(0).ravel() for a, b in zip(edges[:-1], edges[1:])]
    )
    centres = [0]
    while len(centres) < MOST:
        distances = _distances(means, centres).min(1)
        farthest = int(distances.argmax())
        if distances[farthest] < APART:
            break
        centres.append(farthest)
    nearest = _distances(means, centres).argmin(1)
    sizes = np.diff(edges)
    scenes = []
    for number, centre in enumerate(centres):
        place = int(edges[centre])
        members = nearest == number
        scenes.append(
            Scenery(
                share=float(sizes[members].sum() / n),
                first_index=int(footage.indexes[edges[:-1][members][0]]),
                brightness=float(means[members].mean()),
                example=show(footage, min(n - 1, place + BLOCK // 2)),
            )
        )
    return sorted(scenes, key=lambda scene: -scene.share)


def _distances(means: np.ndarray, centres: List[int]) -> np.ndarray:
    """(blocks, centres)"""
    distances: np.ndarray = np.stack([np.abs(means - means[centre]).mean(1) for centre in centres], 1)
    return distances
