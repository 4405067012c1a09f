"""The robust recipe: each record also shows how the driver would steer back from beside the line.

A driver who stays on the line never records how to return to it, so a model that copies that driver does not
learn it. Here a record is shown from up to LARGEST_SHIFT_M beside its place and turned by up to LARGEST_TURN,
with the steering that leads back to the driven line.

That steering is a pure pursuit of the point LOOK_AHEAD_M ahead on the line. For small angles, the arc that
starts along the car's heading and meets a point at distance d, seen under the angle a, has the curvature
2 a / d. A car that is s to the right of the line and turned left by t sees the point further to the left than
the driver did, by the angle s / d - t. If the car drives a circle of the radius r at full steering, steering
of 1 is the curvature 1 / r, so the correction of the steering, which is positive to the right, is

    (2 r / d) * (t - s / d)

The radius is SAGEMAKER_TURNING_RADIUS_M. If that is not set, the tub shows how fast the car turns at full
steering, w radians a second, but not how fast it drives. A driver looks about LOOK_AHEAD_S ahead, so the
speed is taken as LOOK_AHEAD_M / LOOK_AHEAD_S, which makes the gain of the turn 2 / (w * LOOK_AHEAD_S): it
needs neither the car's speed nor any length. If the tub does not show it either, TYPICAL_RADIUS_M is that of
a car in 1:16 to 1:10 with the usual lock of 25 to 30 degrees.
"""

import math
from typing import List, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.tubs.record import Record

from .feed import Columns, Examples
from .pilot import Pilot
from .turning import Turning
from .views import AS_RECORDED, View

LARGEST_SHIFT_M = 0.3
LARGEST_TURN = math.radians(20)
LOOK_AHEAD_M, LOOK_AHEAD_S = 0.55, 0.6
TYPICAL_RADIUS_M = 0.5
LEAST_RADIUS_M, LARGEST_RADIUS_M = 0.35, 0.65  # that a tub is believed: 30% from the typical one

VARIANTS = 4  # of each record, of which an epoch shows one; every second one is a view from elsewhere
# Types whose other inputs or outputs belong to one side of the track or one direction, so that a mirrored
# picture would contradict them
ONE_SIDED_TYPES = ("behavior", "localizer", "imu")
# A tub has bends to both sides if those to its rarer side are so many of those to the other one. Otherwise,
# mirrored pictures show a world that the car never sees, and nets begin to learn late or not at all.
BEND, LEAST_OF_RARER = 0.1, 0.6


# What the report shows of each of its examples
SHOWN_VIEWS = (
    AS_RECORDED,
    View(shift_m=-LARGEST_SHIFT_M),
    View(shift_m=LARGEST_SHIFT_M),
    View(turn=LARGEST_TURN),
    View(turn=-LARGEST_TURN),
    View(shift_m=LARGEST_SHIFT_M, turn=LARGEST_TURN),
)


def find_radius(turning: Optional[Turning]) -> Optional[float]:
    """The radius in metres to steer back with; None if the tub does not show it."""
    if turning is None or not turning.is_sure:
        return None
    radius_m = LOOK_AHEAD_M / LOOK_AHEAD_S / turning.per_s
    return max(LEAST_RADIUS_M, min(LARGEST_RADIUS_M, radius_m))


def describe_view(view: View) -> str:
    """Where a view is from, in words."""
    parts = []
    if view.shift_m:
        parts.append(f"{abs(100 * view.shift_m):.0f} cm further {'right' if view.shift_m > 0 else 'left'}")
    if view.turn:
        side = "left" if view.turn > 0 else "right"
        parts.append(f"turned {side} by {abs(math.degrees(view.turn)):.0f} degrees")
    return ", ".join(parts) or "as recorded"


def steer_back(angle: float, view: View, *, radius_m: float) -> float:
    """The steering for a view, -1 to 1, where the driver steered by `angle`.

    Args:
        radius_m: of the circle that the car drives at full steering.
    """
    corrected = angle + 2 * radius_m / LOOK_AHEAD_M * (view.turn - view.shift_m / LOOK_AHEAD_M)
    return max(-1.0, min(1.0, -corrected if view.mirrored else corrected))


def bends_both_ways(angles: Sequence[float]) -> bool:
    """Whether a drive with this steering has about as many bends to the left as to the right."""
    left, right = (sum(side * angle > BEND for angle in angles) for side in (-1, 1))
    return min(left, right) > LEAST_OF_RARER * max(left, right)


def draw_views(random: np.random.RandomState, *, mirror: bool) -> List[View]:
    """The views of one record, VARIANTS of them: half from its own place, and half mirrored if `mirror`."""
    views = []
    for number in range(VARIANTS):
        shift_m, turn = random.uniform(-1, 1, 2) * (LARGEST_SHIFT_M, LARGEST_TURN) * (number % 2)
        views.append(View(float(shift_m), float(turn), mirrored=mirror and number >= VARIANTS // 2))
    return views


def show_from(view: View, records: Sequence[Record], *, radius_m: float) -> List[Record]:
    """The records of an example with the commands for a view. Only the last one's steering is a target.

    The earlier ones, which a memory pilot gets as inputs, keep the driver's steering: the picture alone must
    show the model that it is off the line.
    """
    if view == AS_RECORDED:
        return list(records)
    mirrored = View(mirrored=view.mirrored)
    views = [mirrored] * (len(records) - 1) + [view]
    return [
        record._replace(angle=steer_back(record.angle, each, radius_m=radius_m))
        for record, each in zip(records, views)
    ]


def make_variants(
    pilot: Pilot,
    examples: Sequence[Tuple[Sequence[Record], Sequence[int]]],
    *,
    radius_m: float,
    mirror: bool,
    seed: int,
) -> Examples:
    """Examples of which a feed shows another variant in each epoch.

    Args:
        examples: the records of each one and the numbers of their pictures.
        radius_m: as for `steer_back`.
        mirror: as for `draw_views`.
    """
    random = np.random.RandomState(seed)
    drawn = [draw_views(random, mirror=mirror) for _ in examples]
    columns = Columns(VARIANTS * len(drawn), picture_inputs=pilot.picture_inputs)
    for number in range(VARIANTS):
        for (records, numbers), views in zip(examples, drawn):
            columns.append(*pilot.example(show_from(views[number], records, radius_m=radius_m), numbers))
    shown = [views[number] for number in range(VARIANTS) for views in drawn]
    return Examples(columns.inputs, columns.targets, views=np.array(shown, np.float64), variants=VARIANTS)
