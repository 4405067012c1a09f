"""The price of an instance: from AWS's price list or, without it, from a table with a date. Pure."""

from typing import Any, Dict, Iterable, NamedTuple, Optional

from ..untrusted_json import parse_json

_TABLE_DATE = "November 2026"
# Of types whose price was last read from AWS's list at another time
_DATES = dict.fromkeys(
    ("ml.m7i.large", "ml.m7i.xlarge", "ml.c7i.xlarge", "ml.c7i.2xlarge", "ml.g6e.xlarge"), "September 2026"
)
_TOO_EXPENSIVE = 10_000  # US dollars per hour: no instance costs that much

# US dollars per hour of on-demand training, by region and type.
_USD_PER_HOUR: Dict[str, Dict[str, float]] = {
    "us-east-1": {
        "ml.m5.large": 0.115,
        "ml.m5.xlarge": 0.23,
        "ml.m7i.large": 0.121,
        "ml.m7i.xlarge": 0.242,
        "ml.c5.xlarge": 0.204,
        "ml.c5.2xlarge": 0.408,
        "ml.c7i.xlarge": 0.214,
        "ml.c7i.2xlarge": 0.428,
        "ml.g4dn.xlarge": 0.7364,
        "ml.g5.xlarge": 1.408,
        "ml.g6.xlarge": 1.127,
        "ml.g6e.xlarge": 2.61,
    },
    "eu-west-1": {
        "ml.m5.large": 0.128,
        "ml.m5.xlarge": 0.257,
        "ml.c5.xlarge": 0.230,
        "ml.c5.2xlarge": 0.461,
        "ml.g4dn.xlarge": 0.822,
        "ml.g5.xlarge": 1.57,
    },
}
# Not from a price list, but estimated from the prices of other sizes and regions.
_ESTIMATED = {("eu-west-1", "ml.m5.large"), ("eu-west-1", "ml.c5.xlarge"), ("eu-west-1", "ml.c5.2xlarge")}


class Price(NamedTuple):
    usd_per_hour: float  # of one instance, on demand
    source: str  # where the number comes from and when, for the user to read


def list_price(instance_type: str, region: str) -> Optional[Price]:
    """The price of a type in a region, or None if the table does not have it."""
    usd = _USD_PER_HOUR.get(region, {}).get(instance_type)
    if usd is None:
        return None
    verb = "estimated" if (region, instance_type) in _ESTIMATED else "listed"
    date = _DATES.get(instance_type, _TABLE_DATE)
    return Price(usd, f"{instance_type} in {region}, as {verb} in {date}")


def make_price_query(instance_type: str, region: str) -> Dict[str, Any]:
    """GetProducts' arguments. The results fit on one page: a row for each use of the type in the region."""
    wanted = {"instanceName": instance_type, "regionCode": region}
    return {
        "ServiceCode": "AmazonSageMaker",
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in sorted(wanted.items())
        ],
    }


def read_price(products: Iterable[str], instance_type: str, region: str) -> Optional[Price]:
    """The price of an hour of on-demand training, from the PriceList that GetProducts returns.

    Args:
        products: JSON texts. Those that are not as AWS documents them are skipped.
    Returns:
        the highest of several prices, so that nobody pays more than was shown; None if there is no price.
    """
    found = [usd for text in products for usd in _read_product(text, instance_type)]
    if not found:
        return None
    return Price(max(found), f"{instance_type} in {region}, from AWS's price list today")


def _read_product(text: str, instance_type: str) -> Iterable[float]:
    try:
        item = parse_json(text.encode("utf-8"))
        attributes = item["product"]["attributes"]
        if attributes["component"] != "Training" or attributes["instanceName"] != instance_type:
            return []
        dimensions = [
            dimension
            for term in item["terms"]["OnDemand"].values()
            for dimension in term["priceDimensions"].values()
            if dimension["unit"] == "Hrs" and "USD" in dimension["pricePerUnit"]
        ]
        prices = [float(dimension["pricePerUnit"]["USD"]) for dimension in dimensions]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    # The free tier is listed too, with a price of zero
    return [usd for usd in prices if 0 < usd < _TOO_EXPENSIVE]


def job_cost(*, billable_s: float, count: int, price: Price) -> float:
    """US dollars for a job on `count` instances. A spot job has fewer billable seconds, not a lower price."""
    return billable_s / 3600 * count * price.usd_per_hour


def most_cost(*, max_runtime_s: float, keep_alive_s: float, count: int, price: Price) -> float:
    """US dollars that a job costs at most: it reaches its time limit and its instances are kept unused."""
    return job_cost(billable_s=max_runtime_s + keep_alive_s, count=count, price=price)
