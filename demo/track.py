"""A closed track on a floor: its line, and where a place is on it. NumPy only.

Lengths are metres, angles radians. The floor is the x-y plane, headings turn counterclockwise from x.
Offsets and curvatures follow donkeycar's sign of steering: negative is left, positive is right.
"""

import math
from typing import Tuple

import numpy as np

LANE_M = 0.7  # wide
POINT_M = 0.02  # spacing of the centre line's points

MIN_RADIUS_M = 0.85  # a car with 0.26 m between its axles and 27 degrees of steering turns on 0.51 m
MIN_GAP_M = 0.45  # floor between two parts of the track


class Track:
    """A smooth closed lane that never meets itself, bends both ways and is wide enough for the car.

    Args:
        seed: the same seed is the same track.
        reverse: driven in the other direction.
    """

    def __init__(self, seed: int, *, reverse: bool = False) -> None:
        rng = np.random.RandomState(seed)
        centre = _draw_centre(rng)
        while not _is_drivable(centre):
            centre = _draw_centre(rng)
        self.centre = centre[::-1].copy() if reverse else centre  # (N, 2), evenly spaced, closed
        self._ahead = np.roll(self.centre, -1, axis=0) - self.centre
        self._spacing = np.hypot(self._ahead[:, 0], self._ahead[:, 1])
        self.length = float(self._spacing.sum())
        self.arc = np.concatenate([[0.0], np.cumsum(self._spacing)[:-1]])  # (N,) of each point
        self.curvature = _curvature(self.centre)  # (N,) 1/m

    def distance_to_centre(self, x: float, y: float) -> Tuple[float, float]:
        """How far right of the centre line a point is (negative: left), and the nearest arc position."""
        offsets = self.centre - (x, y)
        nearest = int(np.argmin(offsets[:, 0] ** 2 + offsets[:, 1] ** 2))
        ahead_x, ahead_y = self._ahead[nearest] / self._spacing[nearest]
        from_x, from_y = -offsets[nearest]
        along = from_x * ahead_x + from_y * ahead_y
        return from_x * ahead_y - from_y * ahead_x, (self.arc[nearest] + along) % self.length

    def point(self, arc: float, *, offset: float = 0.0) -> Tuple[float, float, float]:
        """x, y and heading of the lane at an arc position, `offset` metres right of its centre."""
        index = int(np.searchsorted(self.arc, arc % self.length, side="right")) - 1
        heading = math.atan2(self._ahead[index, 1], self._ahead[index, 0])
        past = arc % self.length - self.arc[index]
        x, y = self.centre[index] + self._ahead[index] * (past / self._spacing[index])
        return x + offset * math.sin(heading), y - offset * math.cos(heading), heading

    def curvature_at(self, arc: float) -> float:
        """1/m, positive if the lane bends to the right."""
        return float(self.curvature[np.searchsorted(self.arc, arc % self.length, side="right") - 1])

    def side_line(self, offset: float) -> np.ndarray:
        """The closed line (N, 2) that runs `offset` metres right of the centre."""
        ahead = np.roll(self.centre, -1, axis=0) - np.roll(self.centre, 1, axis=0)
        ahead /= np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
        return self.centre + offset * np.column_stack([ahead[:, 1], -ahead[:, 0]])


def _draw_centre(rng: np.random.RandomState) -> np.ndarray:
    """A circle bent by a few harmonics, as points POINT_M apart."""
    turn = np.linspace(0.0, 2.0 * math.pi, 4000, endpoint=False)
    radius = np.ones_like(turn)
    for harmonic, most in ((2, 0.3), (3, 0.25), (4, 0.14), (5, 0.08)):
        radius += rng.uniform(0.3, 1.0) * most * np.cos(harmonic * turn + rng.uniform(0.0, 2.0 * math.pi))
    dense = rng.uniform(2.3, 2.9) * radius[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    dense = np.vstack([dense, dense[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(dense, axis=0).T))])
    wanted = np.linspace(0.0, arc[-1], int(arc[-1] / POINT_M), endpoint=False)
    return np.column_stack([np.interp(wanted, arc, dense[:, axis]) for axis in (0, 1)])


def _curvature(centre: np.ndarray) -> np.ndarray:
    """1/m at each point of an evenly spaced closed line, over 20 cm so that rounding does not show."""
    step = 5
    heading = np.roll(centre, -step, axis=0) - np.roll(centre, step, axis=0)
    heading = np.arctan2(heading[:, 1], heading[:, 0])
    turned = np.roll(heading, -step) - np.roll(heading, step)
    curvature: np.ndarray = -((turned + math.pi) % (2.0 * math.pi) - math.pi) / (2 * step * POINT_M)
    return curvature


def _is_drivable(centre: np.ndarray) -> bool:
    curvature = _curvature(centre)
    if np.abs(curvature).max() > 1.0 / MIN_RADIUS_M or curvature.min() > -0.3 or curvature.max() < 0.3:
        return False
    few = centre[::5]
    apart = np.hypot(*(few[:, None] - few[None]).transpose(2, 0, 1))
    steps = np.abs(np.subtract.outer(np.arange(len(few)), np.arange(len(few))))
    along = np.minimum(steps, len(few) - steps) * 5 * POINT_M
    return bool(apart[along > 2.0].min() > LANE_M + MIN_GAP_M)
