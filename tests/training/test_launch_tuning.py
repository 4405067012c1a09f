"""The most that a tuning can cost."""

import pytest

from donkey_sagemaker.cloud.prices import Price
from donkey_sagemaker.training.launch_tuning import (
    Bound,
    TuningCostUnknown,
    TuningTooExpensive,
    bound_cost,
)

PRICE = Price(0.36, "a table")  # 0.0001 USD a second


def bound(limit_usd=None, *, trials=10, parallel=2, machines=1, trial_usd=0.36, price=PRICE):
    return bound_cost(
        "ml.m5.xlarge",
        trials=trials,
        parallel=parallel,
        machines=machines,
        trial_usd=trial_usd,
        price=price,
        limit_usd=limit_usd,
    )


def test_the_time_limits_of_the_trials():
    """Without a limit of cost, or with one that they cannot exceed."""
    assert bound() == Bound(pytest.approx(3.6)) == bound(3.7)


def test_a_limit_of_cost():
    """SageMaker ends the tuning so early that all instances, always busy, stay within it."""
    assert bound(2.0) == Bound(2.0, max_runtime_s=10000 - 300)
    assert bound(2.0, parallel=20).max_runtime_s == 2000 - 300  # at most as many as there are trials
    assert bound(2.0, machines=2, trial_usd=0.72).max_runtime_s == 5000 - 300


def test_a_limit_that_cannot_be_kept():
    """Two minutes are the least that SageMaker lets a tuning run."""
    assert bound(0.0842).max_runtime_s == 121
    with pytest.raises(TuningTooExpensive):
        bound(0.08)


def test_no_price():
    """Then a limit cannot be enforced, and without one nothing is promised."""
    assert bound(price=None, trial_usd=None) == Bound(None)
    with pytest.raises(TuningCostUnknown):
        bound(1.0, price=None, trial_usd=None)
