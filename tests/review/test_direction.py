"""Which way the pictures run."""

import numpy as np

from donkey_sagemaker.review.direction import Direction, find_backwards, measure_direction
from donkey_sagemaker.review.footage import Footage
from donkey_sagemaker.review.motion import find_motion
from footage_factory import draw_pictures, lap, make_footage

EVERYWHERE = np.ones(1200, bool)


def drive_back(where: int, length: int) -> Footage:
    """At *where*, the car goes back by so many records, and then on again; the throttle is positive."""
    places = lap()
    places[where : where + length] = where - np.arange(length)
    places[where + length :] -= 2 * length
    return make_footage(places)


def test_pictures_that_run_backwards_are_found() -> None:
    """Although no throttle is negative."""
    (finding,) = find_motion(drive_back(600, 40))
    ((first, last),) = finding.ranges
    assert (finding.kind, finding.evidence) == ("backwards", "the pictures run backwards")
    assert abs(first - 600) <= 6 and abs(last - 639) <= 6


def test_a_drive_ahead_runs_ahead() -> None:
    """At each of its records."""
    direction = measure_direction(make_footage(lap()), EVERYWHERE)
    assert direction and direction.ahead[20:-20].min() > 0.3


def test_pictures_without_a_direction() -> None:
    """In noise, nothing runs backwards, and nothing is said about a short tub."""
    noise = np.random.RandomState(1).randint(0, 255, draw_pictures(lap()).shape).astype(np.uint8)
    footage = make_footage(lap(), pictures=noise)
    direction = measure_direction(footage, EVERYWHERE)
    assert direction is None or not find_backwards(footage, direction, EVERYWHERE).any()
    assert measure_direction(make_footage(lap(300)), EVERYWHERE[:300]) is None


def make_direction(*, spread: float = 0.1, **runs: float) -> Direction:
    """Driving ahead, more or less clearly.

    Args:
        runs: by name, as _600_630, the direction of these records.
    """
    steps = np.random.RandomState(1).normal(1, spread, 1200).astype(np.float32)
    for name, value in runs.items():
        first, last = map(int, name.split("_")[1:])
        steps[first:last] = value
    return Direction(steps, steps, EVERYWHERE)


def test_no_run_crosses_the_start_of_a_session() -> None:
    """Two short looks back are no drive back."""
    footage = make_footage(lap())
    direction = make_direction(_600_616=-1.0)
    assert find_backwards(footage, direction, EVERYWHERE).sum() == 16
    starts = footage.starts.copy()
    starts[608] = True
    assert not find_backwards(footage._replace(starts=starts), direction, EVERYWHERE).any()


def test_a_weak_run_is_not_one_backwards() -> None:
    """In a bend that the driver seldom takes, pictures may run a little as if the car went back."""
    for value, expected in ((-0.5, False), (-0.9, True)):
        found = find_backwards(make_footage(lap()), make_direction(_600_630=value), EVERYWHERE)
        assert found[600:630].all() == found.any() == expected


def test_nothing_runs_backwards_in_a_tub_without_a_clear_direction() -> None:
    """Where other bends look nearly as much like it, it is one of them."""
    back = {"_600_640": -1.0}
    bends = {f"_{first}_{first + 40}": -0.25 for first in (100, 300, 800, 1000)}
    for runs, expected in ((back, True), (dict(back, **bends), False)):
        found = find_backwards(make_footage(lap()), make_direction(**runs), EVERYWHERE)
        assert found.any() == expected
