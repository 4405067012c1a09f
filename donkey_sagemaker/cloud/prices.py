"""What a machine costs, from a table: for an estimate where AWS's own price list is not asked."""

from typing import Dict, NamedTuple, Optional

_TABLE_DATE = "November 2026"

# US dollars an hour of training on demand, by region and type.
_USD_PER_HOUR: Dict[str, Dict[str, float]] = {
    "us-east-1": {
        "ml.m5.large": 0.115,
        "ml.m5.xlarge": 0.23,
        "ml.c5.xlarge": 0.204,
        "ml.c5.2xlarge": 0.408,
        "ml.g4dn.xlarge": 0.7364,
        "ml.g5.xlarge": 1.408,
        "ml.g6.xlarge": 1.127,
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
# Not read from a list but reckoned from the prices of other sizes and regions.
_INFERRED = {("eu-west-1", "ml.m5.large"), ("eu-west-1", "ml.c5.xlarge"), ("eu-west-1", "ml.c5.2xlarge")}


class Price(NamedTuple):
    usd_per_hour: float  # of one machine, on demand
    source: str  # where the number is from and of when, for the user to read


def list_price(instance_type: str, region: str) -> Optional[Price]:
    """The price of a type in a region, or None where the table does not have it."""
    usd = _USD_PER_HOUR.get(region, {}).get(instance_type)
    if usd is None:
        return None
    how = "reckoned" if (region, instance_type) in _INFERRED else "known"
    return Price(usd, "{} in {}, as {} in {}".format(instance_type, region, how, _TABLE_DATE))


def job_cost(*, billable_s: float, count: int, price: Price) -> float:
    """US dollars of a job on `count` machines; a spot job is billed for fewer seconds, not by the hour."""
    return billable_s / 3600 * count * price.usd_per_hour


def most_cost(*, max_runtime_s: float, keep_alive_s: float, count: int, price: Price) -> float:
    """US dollars that a job costs at most: it runs into its time limit, and its machines are kept unused."""
    return job_cost(billable_s=max_runtime_s + keep_alive_s, count=count, price=price)
