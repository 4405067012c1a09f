"""Late commands, and SAGEMAKER_SLIDE = "auto"."""

from typing import List

import numpy as np
import pytest

from donkey_sagemaker.review.footage import Footage
from donkey_sagemaker.review.lag import Lag, find_late, is_strong, measure_lag
from donkey_sagemaker.review.slide import Slide, weigh
from footage_factory import drive_late, lap, make_footage, steer


def react(frames: int) -> Footage:
    pictures, angles = drive_late(frames)
    return make_footage(lap(len(pictures)), pictures=pictures, angles=angles)


@pytest.mark.parametrize("frames", [0, 2, 4, 6])
def test_the_lag_is_measured_to_a_frame(frames: int) -> None:
    """Pictures of one moment with the steering of an earlier one."""
    lag = measure_lag(react(frames))
    assert lag is not None and abs(lag.frames - frames) <= 1
    assert lag.is_strong == (frames >= 2)


def test_the_evidence_is_given_in_seconds() -> None:
    """Half as many frames a second are twice the time."""
    (finding,) = find_late(react(4)._replace(hz=10.0))
    assert finding.evidence.startswith(
        "by about 4 frames (0.40 s): a picture explains the steering 4 frames later "
    )
    assert finding.records == 1600


def test_nothing_is_proposed_where_pictures_do_not_explain_the_steering() -> None:
    """Random commands, a straight drive, and a short one."""
    angles = np.random.RandomState(3).uniform(-1, 1, 1600).astype(np.float32)
    assert not list(find_late(make_footage(lap(1600), angles=angles)))
    assert measure_lag(make_footage(lap(1600), angles=0.01 * steer(lap(1600)))) is None
    assert measure_lag(make_footage(lap(200))) is None


@pytest.mark.parametrize(
    "frames, best, without, halves, expected",
    [
        (4, 0.4, 0.6, [4, 3], True),
        (1, 0.4, 0.6, [1, 1], False),  # within the error of the measurement
        (10, 0.4, 0.6, [10, 10], False),  # the last that is tried: the best may be beyond it
        (4, 0.85, 0.99, [4, 4], False),  # the pictures do not explain the steering
        (4, 0.57, 0.6, [4, 4], False),  # hardly better than without
        (4, 0.04, 0.08, [4, 4], False),  # nothing to gain: nearly all is explained without
        (4, 0.4, 0.6, [4, 1], False),  # the halves of the tub do not agree
    ],
)
def test_strong_evidence(frames: int, best: float, without: float, halves: List[int], expected: bool) -> None:
    """Every condition is needed."""
    assert is_strong(frames, best, without, halves) is expected


def lag_of(frames: int) -> Lag:
    return Lag(frames, True, [1.0] * 3 + [0.8] + [0.4] * 10, 0.9)


@pytest.mark.parametrize(
    "lags, records, slide",
    [
        ([], 900, (0, "no strong evidence that the commands are late")),
        ([(900, 3)], 900, (3, "a picture explains the steering 3 frames later 50% better than its own")),
        ([(1, 3), (8, 4)], 9, (4, "a picture explains the steering 4 frames later 50% better than its own")),
        ([(3, 2), (6, 5)], 9, (0, "the tubs do not agree: their commands are 2 to 5 frames late")),
        ([(3, 3)], 9, (0, "the commands are late in a small part of the records only")),
    ],
)
def test_one_slide_for_all_tubs(lags: list, records: int, slide: tuple) -> None:
    """Only where the tubs agree, and are most of the records."""
    measured = [(count, lag_of(frames)) for count, frames in lags]
    assert weigh(measured, records) == Slide(*slide)
