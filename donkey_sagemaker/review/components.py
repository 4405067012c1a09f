"""Pictures as points: their principal components, in which pictures that look alike are close."""

import math
from typing import Callable, NamedTuple

import numpy as np

from .footage import Footage, normalize

SAMPLE = 1500  # pictures that the components are computed from
WAVES = 300
WAVE_LENGTH = 0.7  # of the median distance between two pictures
PIXELS_SHARE = 0.5  # of the pixels beside the waves
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


def make_waves(components: Components, thumbs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A description of pictures from which a linear regression learns what is not linear in their pixels.

    It has their pixels, and waves of random directions over their components: random Fourier features (Rahimi
    and Recht 2007), so the regression is one with a Gaussian kernel.

    Args:
        thumbs: the pictures of the tub, whose distances decide how long the waves are.
    Returns:
        (n, 15, 20) uint8 -> (n, 300 + WAVES) float32, whose squares sum up to about 300
    """
    random = np.random.RandomState(1)
    sample = components.project(thumbs[random.randint(0, len(thumbs), SAMPLE)])
    distance = float(np.median(np.sqrt(((sample[::2] - sample[1::2]) ** 2).sum(1))))
    directions = random.normal(0, 1 / (WAVE_LENGTH * distance + 1e-6), (len(components.parts), WAVES)).astype(
        np.float32
    )
    phases = random.uniform(0, 2 * math.pi, WAVES).astype(np.float32)
    of_pixels = np.float32(math.sqrt(PIXELS_SHARE))
    of_waves = np.float32(math.sqrt(2 * (1 - PIXELS_SHARE) * components.middle.size / WAVES))

    def describe(thumbs: np.ndarray) -> np.ndarray:
        waves = np.cos(components.project(thumbs) @ directions + phases)
        described: np.ndarray = np.concatenate([of_pixels * normalize(thumbs), of_waves * waves], axis=1)
        return described

    return describe
