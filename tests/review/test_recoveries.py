"""Whether the driver ever leaves the line."""

import re

import numpy as np

from donkey_sagemaker.review.recoveries import find_no_recoveries
from footage_factory import draw_pictures, lap, make_footage


def test_the_same_line_lap_after_lap() -> None:
    """What to do is to record recoveries, or to train with views from beside the line."""
    footage = make_footage(lap())
    (finding,) = find_no_recoveries(footage)
    assert (finding.kind, finding.records) == ("no recoveries", 1200)
    text = r"all laps look alike, to \d% of what changes from a record to the next"
    assert re.fullmatch(text, finding.evidence)


def test_a_driver_who_is_off_the_line_and_returns() -> None:
    """Every lap looks different."""
    aside = draw_pictures(lap() * 3 // 8, seed=5)  # meets the same places elsewhere in each lap
    pictures = draw_pictures(lap()) // 2 + aside // 2
    assert not list(find_no_recoveries(make_footage(lap(), pictures=pictures)))


def test_one_lap_says_nothing() -> None:
    """Nor does what the autopilot drove."""
    assert not list(find_no_recoveries(make_footage(lap(500))))
    assert not list(find_no_recoveries(make_footage(lap(), by_driver=np.zeros(1200, bool))))
