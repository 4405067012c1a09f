"""Prices of instances and costs of jobs."""

import json

import pytest

from donkey_sagemaker.cloud.prices import Price, job_cost, list_price, make_price_query, most_cost, read_price

PRICE = Price(0.23, "a test")


def test_listed_price():
    """A price has a date."""
    assert list_price("ml.m5.xlarge", "us-east-1") == Price(
        0.23, "ml.m5.xlarge in us-east-1, as listed in November 2026"
    )


def test_each_price_has_its_own_date():
    """A newer type was read at another time."""
    assert list_price("ml.c7i.xlarge", "us-east-1") == Price(
        0.214, "ml.c7i.xlarge in us-east-1, as listed in September 2026"
    )
    assert list_price("ml.c7i.xlarge", "eu-west-1") is None  # nobody has read that one


def test_estimated_price():
    """Some prices are estimated from those of other sizes and regions, and say so."""
    assert list_price("ml.c5.xlarge", "eu-west-1") == Price(
        0.230, "ml.c5.xlarge in eu-west-1, as estimated in November 2026"
    )


@pytest.mark.parametrize(
    "instance_type, region", [("ml.g6.xlarge", "eu-west-1"), ("ml.m5.xlarge", "sa-east-1")]
)
def test_unknown_price(instance_type, region):
    """No price is better than a wrong one."""
    assert list_price(instance_type, region) is None


def test_the_cost_of_a_job():
    """Billed seconds, times the number of instances, at the hourly price."""
    assert job_cost(billable_s=900, count=2, price=PRICE) == pytest.approx(0.115)


def test_highest_cost():
    """The job runs to its time limit, and its instances are kept for a next job that never comes."""
    assert most_cost(max_runtime_s=3600, keep_alive_s=1800, count=1, price=PRICE) == pytest.approx(0.345)


def product(*usd, instance_type="ml.m5.xlarge", component="Training", unit="Hrs", currency="USD"):
    """A product of the price list with these hourly prices."""
    dimensions = {
        f"SKU.{number}": {"unit": unit, "pricePerUnit": {currency: str(each)}}
        for number, each in enumerate(usd)
    }
    return json.dumps(
        {
            "product": {"attributes": {"instanceName": instance_type, "component": component}},
            "terms": {"OnDemand": {"SKU": {"priceDimensions": dimensions}}},
        }
    )


def test_price_query():
    """The query selects one type in one region, so that the results fit on one page."""
    assert make_price_query("ml.m5.xlarge", "eu-west-1") == {
        "ServiceCode": "AmazonSageMaker",
        "Filters": [
            {"Type": "TERM_MATCH", "Field": "instanceName", "Value": "ml.m5.xlarge"},
            {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"},
        ],
    }


@pytest.mark.parametrize(
    "products",
    [
        [product("0.2570000000")],
        [product("0.3", component="Hosting"), product("0.257")],
        [product("0.257"), product("0.9", instance_type="ml.m5.12xlarge")],
        [product("0.0", "0.257")],  # the free tier's first hours
        [product("0.2", "0.257")],
        ["{", "[]", '{"product": 1}', product("x"), product("NaN"), product("inf"), product("0.257")],
        ["[" * 100000, product("9" * 400), product("1e300"), product("-1"), "\ud800", product("0.257")],
        [product("9", unit="Quantity"), product("9", currency="CNY"), product("0.257")],
    ],
)
def test_price_of_training(products):
    """Everything else in the list is ignored; the highest of several prices counts."""
    price = read_price(products, "ml.m5.xlarge", "eu-west-1")
    assert price == Price(0.257, "ml.m5.xlarge in eu-west-1, from AWS's price list today")


@pytest.mark.parametrize("products", [[], [product("0")], ["null"], [product("1", component="Hosting")]])
def test_price_list_without_the_price(products):
    """There is no price, so that the table is used."""
    assert read_price(products, "ml.m5.xlarge", "eu-west-1") is None
