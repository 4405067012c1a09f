"""The errors of two models on the same pictures."""

import random

import pytest

from donkey_sagemaker.paired_errors import Paired, compare_errors


def test_the_mean_difference():
    """Positive where the first errors are larger; the same errors on all pictures leave nothing to chance."""
    difference, standard_error = compare_errors([0.3] * 100, [0.1] * 100)
    assert difference == pytest.approx(0.2)
    assert standard_error == pytest.approx(0)


def test_independent_errors():
    """The standard error is the usual one: the deviation by the root of the count."""
    noise = random.Random(1)
    found = [compare_errors([noise.gauss(0, 1) for _ in range(400)], [0.0] * 400) for _ in range(50)]
    mean = sum(each.standard_error for each in found) / len(found)
    assert mean == pytest.approx(1 / 400**0.5, rel=0.1)


def test_neighbours_that_err_alike_count_less():
    """A picture that is repeated ten times says no more than once."""
    noise = random.Random(1)
    once = [noise.gauss(0, 1) for _ in range(200)]
    repeated = [value for value in once for _ in range(10)]
    expected = compare_errors(once, [0.0] * 200).standard_error
    assert compare_errors(repeated, [0.0] * 2000).standard_error == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("count", [2, 3, 19, 21, 50])
def test_any_number_of_pictures(count):
    """Also one that cannot be divided by the number of stretches."""
    paired = compare_errors([float(number) for number in range(count)], [0.0] * count)
    assert paired.difference == pytest.approx((count - 1) / 2)
    assert paired.standard_error > 0


def test_beyond_chance():
    """In one direction only."""
    assert Paired(0.21, 0.1).is_above(2.0)
    assert not Paired(0.19, 0.1).is_above(2.0)
    assert not Paired(-0.5, 0.1).is_above(2.0)
    assert not Paired(0.0, 0.0).is_above(2.0)
