"""Ranges of `_index`, typed and printed."""

import pytest

from donkey_sagemaker.review.ranges import LAST, BackwardsRange, format_ranges, make_ranges, parse_range


@pytest.mark.parametrize(
    "text, expected",
    [
        ("120-180", (120, 180)),
        ("900-", (900, LAST)),
        ("7", (7, 7)),
        ("still", None),
        ("-5", None),
        ("1-2-3", None),
        ("1" * 16, None),
        ("", None),
    ],
)
def test_typed_ranges(text: str, expected: object) -> None:
    """What is no range may be the name of a finding."""
    assert parse_range(text) == expected


def test_a_range_that_ends_before_it_begins() -> None:
    """Most likely a typing error, so nothing is deleted."""
    with pytest.raises(BackwardsRange) as error:
        parse_range("180-120")
    assert error.value.what == "The range 180-120 ends before it begins."


def test_indexes_become_ranges() -> None:
    """Records that are deleted already do not split one."""
    assert make_ranges([5, 1, 2, 3, 9, 3]) == [(1, 3), (5, 5), (9, 9)]
    assert make_ranges([1, 2, 5, 9], bridges={3, 4, 7}) == [(1, 5), (9, 9)]
    assert make_ranges([]) == []


def test_long_lists_of_ranges_are_shortened() -> None:
    """The first few, as they can be typed."""
    assert format_ranges([(1, 3), (5, 5)]) == "1-3, 5"
    assert format_ranges([(n, n) for n in range(0, 12, 2)]) == "0, 2, 4, 6 and 2 more"
