"""What a machine costs."""

from typing import NamedTuple


class Price(NamedTuple):
    usd_per_hour: float  # of one machine, on demand
    source: str  # where the number is from and of when, for the user to read
