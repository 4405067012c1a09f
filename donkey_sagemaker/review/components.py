"""Pictures as points: their principal components, in which pictures that look alike are close."""

from typing import NamedTuple

import numpy as np

from .footage import Footage, normalize

SAMPLE = 1500  # pictures that the components are computed from
_CHUNK = 2000


class Components(NamedTuple):
    middle: np.ndarray  # (300,) float32, the mean picture
    parts: np.ndarray  # (p, 300) float32, orthonormal

    def project(self, thumbs: np.ndarray) -> np.ndarray:
        """(n, p) float32"""
        chunks = [thumbs[first : first + _CHUNK] for first in range(0, max(1, len(thumbs)), _CHUNK)]
        return np.concatenate([(normalize(chunk) - self.middle) @ self.parts.T for chunk in chunks])

    def measure_rest(self, thumbs: np.ndarray) -> np.ndarray:
        """How much of each picture none of the components shows. (n,)"""
        rows = normalize(thumbs) - self.middle
        rows -= (rows @ self.parts.T) @ self.parts
        rest: np.ndarray = np.sqrt((rows**2).mean(1))
        return rest


def find_components(thumbs: np.ndarray, count: int) -> Components:
    """The first *count* of them, of up to SAMPLE of these pictures."""
    sample = normalize(thumbs[:: max(1, len(thumbs) // SAMPLE)])
    middle = sample.mean(0)
    _, _, parts = np.linalg.svd(sample - middle, full_matrices=False)
    return Components(middle, parts[:count])


def project(footage: Footage, count: int) -> np.ndarray:
    """All pictures of a tub as points of *count* coordinates. (n, count) float32"""
    return find_components(footage.thumbs, count).project(footage.thumbs)
