#!/usr/bin/env python3
"""Writes the table of docs/cost.md from the program's own estimates: `make docs`."""

import os
import re
import sys
from typing import List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from donkey_sagemaker.cloud.forecast import Forecast, Work, forecast, rank
from donkey_sagemaker.cloud.machines import SPEEDS
from donkey_sagemaker.cloud.prices import list_price
from donkey_sagemaker.ui import format_seconds

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cost.md")
REGION = "us-east-1"  # our price table has all types there
RECORDS = (1000, 10000, 100000)
_TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)


def estimate(records: int, *, region: str = REGION, spot: bool = False) -> List[Forecast]:
    """The estimates for a car's first job, a linear model, on each instance type."""
    work = Work("linear", records=records, max_epochs=100, stops_early=True)
    forecasts = (
        forecast(each, work, [], price=list_price(each, region), count=1, spot=spot) for each in SPEEDS
    )
    return [each for each in forecasts if each]


def make_table() -> str:
    lines = ["| instance type |", "|---|"] + [f"| {each} |" for each in SPEEDS]
    for records in RECORDS:
        on_demand, on_spot = estimate(records), estimate(records, spot=True)
        cheapest, fastest = rank(on_demand, prefer="cost")[0], rank(on_demand, prefer="time")[0]
        cells = []
        for each, spot in zip(on_demand, on_spot):
            seconds, usd = format_seconds(each.seconds), dollars(each)
            seconds = f"**{seconds}**" if each is fastest else seconds
            usd = f"**{usd}**" if each is cheapest else usd
            cells.append(f"{seconds}, {usd} ({dollars(spot)})")
        for number, cell in enumerate([f"{records:,} records", "---"] + cells):
            lines[number] += "---|" if cell == "---" else f" {cell} |"
    return "\n".join(lines) + "\n"


def dollars(each: Forecast) -> str:
    return f"{each.usd or 0:.3f}"


def make_page(page: str) -> str:
    """The page with a new table."""
    return _TABLE.sub(lambda match: make_table(), page)


if __name__ == "__main__":
    with open(PATH, encoding="utf-8") as file:
        text = make_page(file.read())
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text)
