"""Drives the demo's track with any pilot and summarizes the drive."""

import math
from collections import deque
from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np

from driver import LOOP_S, MIN_THROTTLE, State, step
from scene import Scene
from track import LANE_M, Track

SLOWEST_M_S = 0.2  # a drive that is slower on average is ended
START_M_S = 0.6
KICK_M, KICK_TURN = 0.2, math.radians(10)

Pilot = Callable[[np.ndarray], Tuple[float, float]]  # picture -> angle -1 to 1, throttle


class Moment(NamedTuple):
    """One pass of the drive loop."""

    state: State
    arc: float  # of the nearest point of the centre line, metres
    offset: float  # right of the centre line, metres
    angle: float  # the command that takes effect now
    throttle: float
    is_off: bool  # the car has left the lane and is placed back


class Laps(NamedTuple):
    """The summary of a drive."""

    laps: float
    seconds: float
    mean_distance_m: float  # from the centre line
    largest_distance_m: float
    times_off: int

    def __str__(self) -> str:
        off = "never off the track"
        if self.times_off:
            off = f"{self.times_off} time{'s' if self.times_off > 1 else ''} off the track"
        distances = (
            f"{100 * self.mean_distance_m:.1f} cm from the centre line on average,"
            f" {100 * self.largest_distance_m:.1f} cm at most"
        )
        return f"{self.laps:.1f} laps in {self.seconds:.0f} s, {off}; {distances}"


def drive(
    pilot: Pilot,
    track: Track,
    scene: Scene,
    *,
    laps: float = 3.0,
    latency: int = 0,
    noise: float = 0.0,
    kick_every: int = 0,
    seed: int = 0,
    watch: Optional[Callable[[np.ndarray, Moment], None]] = None,
) -> List[Moment]:
    """Drives a number of laps, or for as long as a car at SLOWEST_M_S would need.

    Args:
        latency: frames between a picture and the effect of its command.
        noise: standard deviation of the play in the steering, added to the angle.
        kick_every: so many frames after the start and after each kick, the car is kicked; 0 for never.
        seed: seed of the noise and the kicks.
        watch: called with each picture and its moment.
    """
    rng, kicks = np.random.RandomState(seed), np.random.RandomState(seed)
    state = State(*track.point(0.0), speed=START_M_S)
    commands = deque([(0.0, MIN_THROTTLE)] * latency)
    moments: List[Moment] = []
    driven_m = 0.0
    while driven_m < laps * track.length and len(moments) * LOOP_S * SLOWEST_M_S < laps * track.length:
        if kick_every and moments and len(moments) % kick_every == 0:
            state = kick(state, track, kicks)
        picture = scene.picture(state.x, state.y, state.heading)
        commands.append(pilot(picture))
        angle, throttle = commands.popleft()
        offset, arc = track.distance_to_centre(state.x, state.y)
        moment = Moment(state, arc, offset, angle, throttle, is_off=bool(abs(offset) > LANE_M / 2))
        if moments:
            driven_m += ahead(track, moments[-1].arc, arc)
        moments.append(moment)
        if watch:
            watch(picture, moment)
        if moment.is_off:
            state = State(*track.point(arc), speed=START_M_S)
        else:
            state = step(state, angle + rng.normal(0, noise), min(1.0, max(0.0, throttle)), LOOP_S)
    return moments


def kick(state: State, track: Track, kicks: np.random.RandomState) -> State:
    """The car is put KICK_M beside the centre line, turned by KICK_TURN: to either side, whatever it does.

    So every pilot gets the same task, and the car is never put outside of its lane.
    """
    side, turn = kicks.choice((-1, 1), 2)
    _, arc = track.distance_to_centre(state.x, state.y)
    x, y, heading = track.point(arc, offset=side * KICK_M)
    return State(x, y, heading + turn * KICK_TURN, state.speed)


def ahead(track: Track, arc: float, later_arc: float) -> float:
    """Metres from one arc position to another by the shorter way; negative is backwards."""
    return (later_arc - arc + track.length / 2) % track.length - track.length / 2


def summarize(moments: List[Moment], track: Track) -> Laps:
    distances = np.abs([moment.offset for moment in moments])
    driven_m = sum(ahead(track, one.arc, other.arc) for one, other in zip(moments, moments[1:]))
    return Laps(
        laps=float(driven_m) / track.length,
        seconds=len(moments) * LOOP_S,
        mean_distance_m=float(distances.mean()),
        largest_distance_m=float(distances.max()),
        times_off=sum(moment.is_off for moment in moments),
    )
