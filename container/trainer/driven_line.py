"""The line that a tub's driver drove, as far as the tub shows it: how it bends, and where it is unbroken."""

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Set

import numpy as np

from .examples import follows
from .pictures import Shape
from .recovery import LOOK_AHEAD_M, LOOK_AHEAD_S, TYPICAL_RADIUS_M, find_radius
from .simulated_drive import Line
from .turning import Compass, Turning
from .views import Camera

LATENCY = 2  # frames between a picture and the effect of its command, unless the tub shows more

UNKNOWN = Turning(per_s=0.0, correlation=0.0, pairs=0)


class Run(NamedTuple):
    """Examples that follow one another."""

    first: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.first


def find_runs(examples: Sequence[Any], chosen: Set[int]) -> List[Run]:
    """The longest runs of chosen examples in which each one was recorded right after the one before.

    Args:
        chosen: indexes into the examples.
    """
    runs: List[Run] = []
    for place in sorted(chosen):
        if (
            runs
            and runs[-1].end == place
            and follows(*(each.records[-1] for each in examples[place - 1 : place + 1]))
        ):
            runs[-1] = runs[-1]._replace(end=place + 1)
        else:
            runs.append(Run(place, place + 1))
    return runs


def make_line(
    examples: Sequence[Any],
    runs: Sequence[Run],
    turning: Optional[Turning],
    *,
    picture_of: Callable[[int], np.ndarray],
    shape: Shape,
    camera: Camera,
    radius_m: Optional[float],
    slide: int,
) -> Line:
    """The line through the runs; elsewhere it is straight.

    It bends as the pictures turn, which is true whatever the driver did with the stick, and where a picture
    does not show it, as a car turns that follows the driver's steering.

    Args:
        turning: how the car turns, as the tub shows it; None if it does not.
        picture_of: the recorded picture of an example.
        shape: of the recorded pictures.
        radius_m: SAGEMAKER_TURNING_RADIUS_M.
        slide: by how many frames the steering of the examples was moved.
    """
    radius_m = radius_m or find_radius(turning) or TYPICAL_RADIUS_M
    if turning is None or not turning.is_sure:
        per_s = LOOK_AHEAD_M / LOOK_AHEAD_S / radius_m
        turning = (turning or UNKNOWN)._replace(per_s=per_s, trim_per_s=0.0, lag=1)
    turn, trim = turning.per_s * turning.frame_s, turning.trim_per_s * turning.frame_s
    angles = np.clip([example.records[-1].angle for example in examples], -1.0, 1.0)
    turns = np.zeros(len(examples))
    compass = Compass(camera, shape)
    for run in runs:
        picture = picture_of(run.first)
        for place in range(run.first, run.end - 1):
            next_picture = picture_of(place + 1)
            seen = compass.turn_between(picture, next_picture)
            if seen is None:
                seen = -turn * angles[max(run.first, place + 1 - turning.lag)] - trim
            turns[place] = seen
            picture = next_picture
    return Line(
        turns=turns,
        angles=angles,
        step_m=radius_m * turn,
        turn=turn,
        trim=trim,
        latency=max(LATENCY, turning.lag - 1 - slide),
    )
