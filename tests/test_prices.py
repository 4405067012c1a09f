"""What a job costs."""

import pytest

from donkey_sagemaker.cloud.prices import Price, job_cost, list_price, most_cost

PRICE = Price(0.23, "a test")


def test_a_known_price_tells_where_it_is_from():
    """A price is worth nothing without its date."""
    assert list_price("ml.m5.xlarge", "us-east-1") == Price(
        0.23, "ml.m5.xlarge in us-east-1, as known in November 2026"
    )


def test_a_reckoned_price_says_so():
    """Some are derived from other sizes and regions."""
    assert list_price("ml.c5.xlarge", "eu-west-1") == Price(
        0.230, "ml.c5.xlarge in eu-west-1, as reckoned in November 2026"
    )


@pytest.mark.parametrize(
    "instance_type, region", [("ml.g6.xlarge", "eu-west-1"), ("ml.m5.xlarge", "sa-east-1")]
)
def test_an_unknown_price_is_none(instance_type, region):
    """No guess is better than a wrong one."""
    assert list_price(instance_type, region) is None


def test_the_cost_of_a_job():
    """Billed seconds of one machine, times machines, at the price of an hour."""
    assert job_cost(billable_s=900, count=2, price=PRICE) == pytest.approx(0.115)


def test_the_most_that_a_job_can_cost():
    """It runs to its time limit, and its machines wait for a next job that never comes."""
    assert most_cost(max_runtime_s=3600, keep_alive_s=1800, count=1, price=PRICE) == pytest.approx(0.345)
