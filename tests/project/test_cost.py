"""docs/cost.md shows the program's own estimates, and they are as low as promised."""

import os
import re
import sys
from typing import Dict

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(REPO, "docs"))

from make_cost import PATH, RECORDS, estimate, make_page  # noqa: E402

from donkey_sagemaker.cloud.machines import SPEEDS  # noqa: E402
from donkey_sagemaker.cloud.prices import list_price  # noqa: E402
from donkey_sagemaker.settings import DEFAULT_TYPE, SETTINGS  # noqa: E402


@pytest.fixture(scope="module")
def page() -> str:
    with open(PATH, encoding="utf-8") as file:
        return file.read()


def test_the_table_is_up_to_date(page: str) -> None:
    """It has every type and every size. After a change of a price or a speed, run `make docs`."""
    assert page == make_page(page), "run `make docs`"
    assert all(f"| {each} |" in page for each in SPEEDS)
    assert all(f"{each:,} records" in page for each in RECORDS)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_ten_thousand_records_cost_some_cents(region: str) -> None:
    """On the default instance type it is under 4 cents on demand and under 1.5 cents on spot."""
    (on_demand,) = [each.usd for each in estimate(10000, region=region) if each.instance_type == DEFAULT_TYPE]
    (spot,) = [
        each.usd for each in estimate(10000, region=region, spot=True) if each.instance_type == DEFAULT_TYPE
    ]
    assert on_demand < 0.04 and spot < 0.015


def test_the_worked_example_matches_the_program(page: str) -> None:
    """Its seconds and dollars are the program's, in both regions."""
    seconds: Dict[str, float] = {}
    for region in ("us-east-1", "eu-west-1"):
        (expected,) = [each for each in estimate(10000, region=region) if each.instance_type == DEFAULT_TYPE]
        seconds[region] = expected.seconds
        assert f"{expected.usd:.3f} USD in {region}" in page
        assert f"{0.4 * expected.usd:.3f} USD in {region}" in page
    assert seconds["us-east-1"] == seconds["eu-west-1"]
    assert f"| together | {seconds['us-east-1']:.0f} s |" in page
    assert f"501 / 3600 x {list_price(DEFAULT_TYPE, 'eu-west-1').usd_per_hour} USD" in page


def test_settings_of_the_page_exist(page: str) -> None:
    """Every setting that the page names exists."""
    shown = set(re.findall(r"SAGEMAKER_[A-Z_]+", page))
    assert shown and shown <= {setting.variable for setting in SETTINGS}
