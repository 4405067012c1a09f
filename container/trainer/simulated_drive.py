"""A simulated car that drives along the line of a recorded drive: how far beside it, how far turned from it.

The car is kinematic: it moves by as much in a frame as the recorded one, and turns in proportion to its
steering. The line bends as the recorded car turned. Only the car's place relative to the line is followed, so
nothing needs to be known of the track. Many cars drive at once, so that a net sees their pictures in one
batch. Lengths are metres, angles radians; a shift is to the right, a turn to the left, as in `View`.
"""

import math
from typing import Callable, Iterator, List, NamedTuple, Sequence

import numpy as np

from .views import View

LARGEST_TURN = math.radians(60)  # from the line: a car that is turned by more does not drive along it
SLOWEST, FASTEST = 0.25, 2.0  # recorded frames that pass in a simulated one


class Line(NamedTuple):
    """The line of a drive, one place for each of its examples."""

    turns: np.ndarray  # (n,) by how much the line turns left between a place and the next one
    angles: np.ndarray  # (n,) the driver's steering
    step_m: float  # from one place to the next
    turn: float  # of the car in a frame at full steering
    trim: float  # of the car in a frame without steering, to the right
    latency: int  # frames between a picture and the effect of its command


class Start(NamedTuple):
    """Where a car starts, and how long it drives."""

    place: int
    end: int  # the first place that it does not drive from
    shift_m: float
    turn: float


class Sight(NamedTuple):
    """What a car sees: the picture of a place, from beside the line."""

    car: int  # the number of its start
    place: int
    view: View


class Moment(NamedTuple):
    """What all cars did in one frame; arrays with an entry for each car that still drives."""

    cars: np.ndarray
    places: np.ndarray
    shifts_m: np.ndarray
    turns: np.ndarray
    angles: np.ndarray  # what the pilot steers for this picture
    are_off: np.ndarray  # the car has left the lane, and is placed back on the line
    metres: np.ndarray  # driven along the line in this frame


Steer = Callable[[List[Sight]], np.ndarray]  # -1 (left) to 1 (right) for each one


def drive(
    starts: Sequence[Start], line: Line, steer: Steer, *, half_lane_m: float, frames: int
) -> Iterator[Moment]:
    """Drives a car from each start, for so many frames or up to its end.

    Until a car's first command takes effect, it steers as the driver did. A car that leaves the lane is
    placed back on the line, and drives on.
    """
    places = np.array([start.place for start in starts], np.float64)
    ends = np.array([start.end for start in starts])
    shifts = np.array([start.shift_m for start in starts], np.float64)
    turns = np.array([start.turn for start in starts], np.float64)
    commands = np.stack(
        [
            line.angles[np.maximum(0, places.astype(int) - line.latency + number)]
            for number in range(line.latency + 1)
        ]
    )
    cars = np.arange(len(starts))
    for _ in range(frames):
        nearest = np.rint(places).astype(int)
        cars = cars[nearest[cars] < ends[cars]]
        if not cars.size:
            return
        at, shift, turn = nearest[cars], shifts[cars], turns[cars]
        sights = [
            Sight(int(car), int(place), View(shift_m=float(one), turn=float(other)))
            for car, place, one, other in zip(cars, at, shift, turn)
        ]
        angles = np.clip(np.nan_to_num(steer(sights)), -1.0, 1.0)
        commands[-1, cars] = angles
        are_off = (np.abs(shift) > half_lane_m) | (np.abs(turn) > LARGEST_TURN)
        # Along a line that bends left, a car to its right has the longer way
        along = np.cos(turn) / np.maximum(0.2, 1 + shift * line.turns[at] / line.step_m)
        along = np.clip(along, SLOWEST, FASTEST)
        yield Moment(cars, at, shift, turn, angles, are_off, along * line.step_m)
        turned = turn - line.turn * commands[0, cars] - line.trim - line.turns[at] * along
        shifts[cars] = np.where(are_off, 0.0, shift - line.step_m * np.sin((turn + turned) / 2))
        turns[cars] = np.where(are_off, 0.0, turned)
        places[cars] += np.where(are_off, 1.0, along)
        commands[:-1] = commands[1:].copy()
