"""How the driver's commands are distributed: autopilot, jitter, end stop, dead zone, constant throttle."""

from typing import Iterator

import numpy as np

from .finding import Finding, find_runs, make_finding
from .footage import Footage

FEWEST = 200  # records, to say something about a whole tub
JITTER_WINDOW, JITTER_STEP, JITTER_TURNS = 30, 0.1, 6
SATURATED = 0.25  # of the records at one of the end stops
END_STOP = 0.98
CENTRED, DEAD_ZONE = 0.05, 0.06  # share of exact zeros; the smallest other steering
FEW_POSITIONS = 40  # a stick with fewer is a keyboard
CONSTANT = 0.97  # of the records with the same throttle
STRAIGHT = 0.95  # of the records
STRAIGHT_ANGLE = 0.08
ONE_WAY_CHUNK = 300  # records, about a lap
ONE_WAY_LEAN = 0.15  # mean steering relative to its standard deviation


def find_stick(footage: Footage) -> Iterator[Finding]:
    everywhere = np.ones(footage.size, bool)
    autopilot = ~footage.by_driver
    if autopilot.any():
        yield make_finding("autopilot", footage, autopilot, 1.0, "user/mode is local or local_angle")
    angles, throttles = footage.angles[footage.driven], footage.throttles[footage.driven]
    if angles.size < FEWEST:
        return
    share = float((np.abs(angles) >= END_STOP).mean())
    if share >= SATURATED:
        at_stop = footage.driven & (np.abs(footage.angles) >= END_STOP)
        yield make_finding(
            "saturated", footage, at_stop, 1.0, f"{share:.0%} of the steering is full left or right"
        )
    smallest = _dead_zone(angles)
    if smallest:
        yield make_finding(
            "dead zone", footage, footage.angles == 0, 0.9, f"no steering between 0 and {smallest:.2f}"
        )
    values, counts = np.unique(np.round(throttles[throttles > 0.02], 3), return_counts=True)
    if values.size and counts.max() >= CONSTANT * counts.sum():
        yield make_finding(
            "constant throttle",
            footage,
            everywhere,
            1.0,
            f"while it drives, the throttle is always {values[counts.argmax()]:g}",
        )
    if float((np.abs(angles) <= STRAIGHT_ANGLE).mean()) >= STRAIGHT:
        yield make_finding(
            "straight", footage, everywhere, 0.9, f"{STRAIGHT:.0%} of the steering is below {STRAIGHT_ANGLE}"
        )
    else:
        lean = _one_way_lean(footage)
        if lean:
            side = "right" if lean > 0 else "left"
            yield make_finding(
                "one direction",
                footage,
                everywhere,
                0.8,
                f"every lap turns to the {side}, by {abs(lean):.2f}",
            )


def find_jitter(footage: Footage) -> Iterator[Finding]:
    jitter = measure_jitter(footage)
    if jitter.any():
        yield make_finding(
            "jitter", footage, jitter, 0.9, "the steering jumps back and forth from frame to frame"
        )


def measure_jitter(footage: Footage) -> np.ndarray:
    """Where the steering turns round again and again, by more than a hand does. (n,) bool"""
    n = footage.size
    jitter = np.zeros(n, bool)
    if n <= JITTER_WINDOW:
        return jitter
    steps = np.diff(footage.angles)
    turns = np.zeros(n)
    turns[1:-1] = (steps[1:] * steps[:-1] < 0) & (
        np.minimum(np.abs(steps[1:]), np.abs(steps[:-1])) > JITTER_STEP
    )
    sums = np.concatenate([[0.0], np.cumsum(turns)])
    many = sums[JITTER_WINDOW:] - sums[:-JITTER_WINDOW] >= JITTER_TURNS
    for offset in range(JITTER_WINDOW):
        jitter[offset : offset + many.size] |= many
    within = JITTER_WINDOW // 2  # from the first to the last turn, not to the end of its window
    return find_runs(jitter & (turns > 0), footage.starts, shortest=within, gap=within)


def _dead_zone(angles: np.ndarray) -> float:
    """The smallest steering besides exactly 0, if that is what a dead zone leaves; otherwise 0."""
    others = np.abs(angles[angles != 0])
    if others.size < FEWEST // 2 or np.unique(np.round(others, 3)).size < FEW_POSITIONS:
        return 0.0
    smallest = float(np.percentile(others, 1))
    is_gap = float((angles == 0).mean()) >= CENTRED and smallest >= DEAD_ZONE
    # A dead zone is a gap in what is driven most: right beside it there are many
    near = float(((others >= smallest) & (others < 2 * smallest)).mean())
    return smallest if is_gap and near >= 0.03 else 0.0


def _one_way_lean(footage: Footage) -> float:
    """The mean steering, if that of every lap has one sign, otherwise 0."""
    angles = footage.angles[footage.driven]
    chunks = angles.size // ONE_WAY_CHUNK
    if chunks < 3:
        return 0.0
    means = angles[: chunks * ONE_WAY_CHUNK].reshape(chunks, -1).mean(1)
    lean = float(angles.mean())
    is_one_way = bool((means > 0).all() or (means < 0).all())
    return lean if is_one_way and abs(lean) >= ONE_WAY_LEAN * float(angles.std()) else 0.0
