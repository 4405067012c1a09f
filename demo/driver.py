"""A simulated car and its driver: kinematic bicycle model, pure pursuit, and pushes to recover from."""

import math
from collections import deque
from typing import Iterator, NamedTuple

import numpy as np

from track import Track

WHEELBASE_M = 0.26
MAX_STEER = math.radians(27.0)  # of the front wheels at angle 1
MAX_SPEED_M_S = 3.0  # at throttle 1
SPEED_LAG_S = 0.3  # time in which the motor makes 63% of a change
LOOP_S = 0.05  # donkeycar's drive loop at 20 Hz

LOOK_AHEAD_M = 0.55
MIN_THROTTLE, MAX_THROTTLE = 0.2, 0.6
PUSH = 0.45  # standard deviation of the disturbance, relative to the full range of the steering
PUSH_S = 0.5  # how long a push lasts
NO_PUSH_M = 0.24  # at this distance from the centre the car is no longer pushed outwards
BEHAVIOR_OFFSET_M = 0.1  # left of the centre in state 0, right of it in state 1
BEHAVIOR_FRAMES = 60


class State(NamedTuple):
    """Where the car is: middle of the rear axle, under the camera. Metres, radians, metres per second."""

    x: float
    y: float
    heading: float
    speed: float


class Frame(NamedTuple):
    """One pass of the drive loop: where the picture is taken, and what is recorded with it."""

    state: State
    arc: float  # of the nearest point of the centre line, metres
    offset: float  # right of the centre line, metres
    angle: float  # recorded steering, -1 left to 1 right
    throttle: float
    behavior: int  # 0 or 1
    acceleration: float  # m/s2 forward
    turn_rate: float  # radians per second, counterclockwise


def step(state: State, angle: float, throttle: float, dt: float) -> State:
    """The state `dt` seconds later, for an angle from -1 (full left) to 1 and a throttle from 0 to 1."""
    speed = state.speed + (throttle * MAX_SPEED_M_S - state.speed) * min(1.0, dt / SPEED_LAG_S)
    steer = -MAX_STEER * min(1.0, max(-1.0, angle))
    turned = speed * math.tan(steer) / WHEELBASE_M * dt
    middle = state.heading + turned / 2
    return State(
        state.x + speed * math.cos(middle) * dt,
        state.y + speed * math.sin(middle) * dt,
        state.heading + turned,
        speed,
    )


def pursue(track: Track, state: State, *, offset: float = 0.0) -> float:
    """The steering (-1 to 1) towards a point LOOK_AHEAD_M ahead, `offset` metres right of the centre."""
    _, arc = track.distance_to_centre(state.x, state.y)
    x, y, _ = track.point(arc + LOOK_AHEAD_M, offset=offset)
    away = math.hypot(x - state.x, y - state.y)
    bearing = math.atan2(y - state.y, x - state.x) - state.heading
    steer = math.atan(2 * math.sin(bearing) / away * WHEELBASE_M)
    return min(1.0, max(-1.0, -steer / MAX_STEER))


def choose_throttle(track: Track, arc: float) -> float:
    """Fast if the lane ahead is straight, slow if it bends."""
    bend = max(abs(track.curvature_at(arc + ahead)) for ahead in (0.2, 0.6, 1.0))
    return min(MAX_THROTTLE, max(MIN_THROTTLE, MAX_THROTTLE - 0.35 * bend))


def drive(
    track: Track,
    *,
    seed: int,
    frames: int,
    latency: int = 0,
    behaviors: bool = False,
    push_size: float = PUSH,
) -> Iterator[Frame]:
    """Drives from a random place. Pushes disturb the steering again and again, but the car stays on the lane.

    The recorded steering is the driver's reaction to the picture, without the push.

    Args:
        seed: of the start and the pushes.
        frames: how many to record.
        latency: frames between a picture and its command, which is recorded that much later.
        behaviors: drive left of the centre in state 0 and right of it in state 1, alternating.
        push_size: of the pushes, as PUSH; 0 for a driver who never leaves the line.
    """
    rng = np.random.RandomState(seed)
    state = State(*track.point(rng.uniform(0, track.length)), speed=1.0)
    push = 0.0
    fade = math.exp(-LOOP_S / PUSH_S)
    commands = deque([(0.0, MIN_THROTTLE)] * latency)
    for number in range(frames):
        offset, arc = track.distance_to_centre(state.x, state.y)
        behavior = number // BEHAVIOR_FRAMES % 2
        target = BEHAVIOR_OFFSET_M * (2 * behavior - 1) if behaviors else 0.0
        commands.append((pursue(track, state, offset=target), choose_throttle(track, arc)))
        angle, throttle = commands.popleft()
        push = fade * push + math.sqrt(1 - fade**2) * push_size * rng.normal()
        outwards = push * offset > 0
        held = max(0.0, 1 - abs(offset) / NO_PUSH_M) if outwards else 1.0
        after = step(state, angle + push * held, throttle, LOOP_S)
        yield Frame(
            state=state,
            arc=arc,
            offset=offset,
            angle=angle,
            throttle=throttle,
            behavior=behavior,
            acceleration=(after.speed - state.speed) / LOOP_S,
            turn_rate=(after.heading - state.heading) / LOOP_S,
        )
        state = after
