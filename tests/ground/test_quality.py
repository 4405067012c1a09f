"""What a new model is judged by."""

import math

import pytest

from donkey_sagemaker.paired_errors import Paired
from donkey_sagemaker.quality import Comparison, read_validation

GOOD = {
    "driven_std": 0.4,
    "predicted_std": 0.3,
    "error": 0.14,
    "constant_error": 0.33,
    "gain": 0.19,
    "gain_standard_error": 0.03,
    "squared_gain": 0.12,
    "squared_gain_standard_error": 0.02,
}


def validation_of(pictures=200, **changes):
    return read_validation({"pictures": pictures, "angle": dict(GOOD, **changes)})


def test_a_model_that_steers():
    """It varies as the driver does, and is better than a constant."""
    assert validation_of().why_not_judged() is None
    assert validation_of().why_dead() is None


def test_a_model_that_steers_the_same_everywhere():
    """The real case: 1,000 records after 3 epochs."""
    dead = validation_of(predicted_std=0.004, gain=-0.002, squared_gain=0.0003)
    assert dead.why_dead() == (
        "its steering hardly varies (by 0.004 on 200 validation pictures, the driver's by 0.400)"
    )
    assert validation_of(predicted_std=0.081).why_dead() is None


def test_a_model_that_steers_at_random():
    """It varies enough, but a constant would be as good."""
    assert validation_of(error=0.34, gain=-0.01, squared_gain=-0.02).why_dead() == (
        "it steers no better than a constant would (it is off by 0.340 on 200 validation pictures, the best"
        " constant by 0.330)"
    )


@pytest.mark.parametrize("changes", [{"gain": 0.07}, {"squared_gain": 0.05}])
def test_better_than_a_constant_in_one_sense(changes):
    """On a track that is almost straight the median is hard to beat, although the model takes the curves."""
    by_chance = {"gain": 0.05, "squared_gain": 0.03}
    assert validation_of(**by_chance).why_dead() is not None
    assert validation_of(**dict(by_chance, **changes)).why_dead() is None


@pytest.mark.parametrize(
    "validation, reason",
    [
        (validation_of(74), "74 validation pictures are too few: at least 75 are needed"),
        (validation_of(driven_std=0.049), "the driver steers almost straight on all validation pictures"),
    ],
)
def test_nothing_to_judge_by(validation, reason):
    """A short drive, or one without a curve."""
    assert validation.why_not_judged() == reason


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"pictures": 200},
        {"pictures": 200, "angle": []},
        {"pictures": 200, "angle": {"error": 1}},
        {"pictures": "200", "angle": GOOD},
        {"pictures": True, "angle": GOOD},
        {"pictures": 200, "angle": dict(GOOD, error=math.nan)},
        {"pictures": math.inf, "angle": GOOD},
        {"pictures": 200, "angle": dict(GOOD, error=10**400)},
        {"pictures": 200, "angle": dict(GOOD, error=-1e300)},
        {"pictures": 200, "angle": dict(GOOD, other={})},
    ],
)
def test_numbers_that_make_no_sense(values):
    """They come from the bucket, or from an image that does not measure this."""
    assert read_validation(values) is None


def comparison_of(error, previous_error, *, standard_error=0.005, is_fair=True):
    difference = error - previous_error
    return Comparison(200, error, previous_error, Paired(difference, standard_error), is_fair)


@pytest.mark.parametrize(
    "comparison, is_worse, is_better",
    [
        (comparison_of(0.14, 0.14), False, False),
        (comparison_of(0.16, 0.14), True, False),
        (comparison_of(0.14, 0.16), False, True),
        (comparison_of(0.15, 0.14), False, False),  # by less than one training from the next
        (comparison_of(0.16, 0.14, standard_error=0.011), False, False),  # by chance
        (comparison_of(0.14, 0.16, standard_error=0.011), False, False),
        # The previous model may know these pictures by heart
        (comparison_of(0.20, 0.14, is_fair=False), False, False),
        (comparison_of(0.30, 0.14, is_fair=False), True, False),
        (comparison_of(0.14, 0.16, is_fair=False), False, True),
    ],
)
def test_clearly_worse_and_clearly_better(comparison, is_worse, is_better):
    """By more than chance, and by more than one training differs from the next."""
    assert comparison.is_clearly_worse is is_worse
    assert comparison.is_clearly_better is is_better
