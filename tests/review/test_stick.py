"""How the driver's commands are distributed."""

from typing import Any, Dict

import numpy as np
import pytest

from donkey_sagemaker.review.finding import Finding
from donkey_sagemaker.review.stick import find_jitter, find_stick
from footage_factory import lap, make_footage

DRIVE = make_footage(lap(900))
RANDOM = np.random.RandomState(1)


def find(**changes: Any) -> Dict[str, Finding]:
    return {finding.kind: finding for finding in find_stick(DRIVE._replace(**changes))}


def test_a_good_drive_has_no_finding() -> None:
    """It steers to both sides, with a throttle that changes."""
    assert find() == {}


def test_records_of_the_autopilot() -> None:
    """Exactly those."""
    by_driver = np.ones(900, bool)
    by_driver[100:150] = False
    finding = find(by_driver=by_driver)["autopilot"]
    assert (finding.ranges, finding.confidence) == ([(100, 149)], 1.0)


def test_jitter() -> None:
    """Where the steering jumps back and forth; a keyboard's steps are none."""
    angles = DRIVE.angles.copy()
    angles[300:380] += 0.3 * (-1.0) ** np.arange(80)
    (finding,) = find_jitter(DRIVE._replace(angles=angles))
    ((first, last),) = finding.ranges
    assert 298 <= first <= 303 and 376 <= last <= 382
    assert not list(find_jitter(DRIVE._replace(angles=np.sign(DRIVE.angles))))


@pytest.mark.parametrize(
    "kind, evidence, drive",
    [
        ("saturated", "61% of the steering is full left or right", lambda angles: np.clip(4 * angles, -1, 1)),
        (
            "dead zone",
            "no steering between 0 and 0.15",
            lambda angles: np.where(abs(angles) < 0.15, 0, angles),
        ),
        ("straight", "95% of the steering is below 0.08", lambda angles: 0.05 * angles),
        ("one direction", "every lap turns to the right, by 0.31", lambda angles: angles + 0.3),
        ("one direction", "every lap turns to the left, by 0.29", lambda angles: angles - 0.3),
    ],
)
def test_what_concerns_the_whole_tub(kind: str, evidence: str, drive: Any) -> None:
    """One finding, with what was measured."""
    found = find(angles=drive(DRIVE.angles).astype(np.float32))
    assert list(found) == [kind]
    assert found[kind].evidence == evidence


def test_a_keyboard_has_no_dead_zone() -> None:
    """It has a few positions only."""
    assert "dead zone" not in find(angles=(np.round(DRIVE.angles * 3) / 3).astype(np.float32))


def test_constant_throttle() -> None:
    """However the steering is; pauses do not count."""
    throttles = np.where(np.arange(900) < 100, 0.0, 0.5).astype(np.float32)
    assert (
        find(throttles=throttles)["constant throttle"].evidence
        == "while it drives, the throttle is always 0.5"
    )
    assert find(throttles=throttles * RANDOM.uniform(0.8, 1, 900).astype(np.float32)) == {}


def test_a_short_tub_says_nothing_about_the_driver() -> None:
    """Except for what single records show."""
    assert list(find_stick(make_footage(lap(50), throttles=np.full(50, 0.5, np.float32)))) == []
