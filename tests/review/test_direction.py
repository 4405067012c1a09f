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
    assert direction and direction.is_sure
    assert direction.ahead[20:-20].min() > 0.3


def test_pictures_without_a_direction() -> None:
    """Noise is neither, and nothing is said about a short tub."""
    noise = np.random.RandomState(1).randint(0, 255, draw_pictures(lap()).shape).astype(np.uint8)
    footage = make_footage(lap(), pictures=noise)
    direction = measure_direction(footage, EVERYWHERE)
    assert direction is None or not direction.is_sure
    assert measure_direction(make_footage(lap(300)), EVERYWHERE[:300]) is None


def test_no_run_crosses_the_start_of_a_session() -> None:
    """Two short looks back are no drive back."""
    footage = make_footage(lap())
    ahead = np.ones(1200, np.float32)
    ahead[600:616] = -1
    direction = Direction(ahead, is_sure=True)
    assert find_backwards(footage, direction, EVERYWHERE).sum() == 16
    starts = footage.starts.copy()
    starts[608] = True
    assert not find_backwards(footage._replace(starts=starts), direction, EVERYWHERE).any()


def test_a_weak_run_is_not_one_backwards() -> None:
    """In a bend that the driver seldom takes, pictures may run a little as if the car went back."""
    footage = make_footage(lap())
    ahead = np.ones(1200, np.float32)
    ahead[300:330], ahead[600:630] = -0.5, -0.9
    found = find_backwards(footage, Direction(ahead, is_sure=True), EVERYWHERE)
    assert np.flatnonzero(found).tolist() == list(range(600, 630))


def test_nothing_runs_backwards_in_a_tub_without_a_clear_direction() -> None:
    """A bend that the driver takes once looks the same there."""
    ahead = np.ones(1200, np.float32)
    ahead[600:640] = -1
    for is_sure in (True, False):
        found = find_backwards(make_footage(lap()), Direction(ahead, is_sure=is_sure), EVERYWHERE)
        assert found.any() == is_sure
