"""docs/cost.md tells what the program reckons, and that is as little as was promised."""

import os
import re
import sys

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(REPO, "docs"))

from make_cost import PATH, RECORDS, make_page, reckon  # noqa: E402

from donkey_sagemaker.cloud.machines import SPEEDS  # noqa: E402
from donkey_sagemaker.cloud.prices import list_price  # noqa: E402
from donkey_sagemaker.settings import DEFAULT_TYPE, SETTINGS  # noqa: E402


@pytest.fixture(scope="module")
def page():
    with open(PATH, encoding="utf-8") as file:
        return file.read()


def test_the_table_is_up_to_date(page):
    """After a change of a price or a speed, `make docs` writes it anew; it has every type and every size."""
    assert page == make_page(page), "run `make docs`"
    assert all(f"| {each} |" in page for each in SPEEDS)
    assert all(f"{each:,} records" in page for each in RECORDS)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_ten_thousand_records_cost_some_cents(region):
    """On the default machine under 4 cents on demand, under 1.5 on spot."""
    (on_demand,) = [each.usd for each in reckon(10000, region=region) if each.instance_type == DEFAULT_TYPE]
    (spot,) = [
        each.usd for each in reckon(10000, region=region, spot=True) if each.instance_type == DEFAULT_TYPE
    ]
    assert on_demand < 0.04 and spot < 0.015


def test_the_sum_is_that_of_the_program(page):
    """Seconds and dollars of the page's sum, for both regions."""
    seconds = {}
    for region in ("us-east-1", "eu-west-1"):
        (found,) = [each for each in reckon(10000, region=region) if each.instance_type == DEFAULT_TYPE]
        seconds[region] = found.seconds
        assert f"{found.usd:.3f} USD in {region}" in page
        assert f"{0.4 * found.usd:.3f} USD in {region}" in page
    assert seconds["us-east-1"] == seconds["eu-west-1"]
    assert "| together | {:.0f} s |".format(seconds["us-east-1"]) in page
    assert "501 / 3600 x {} USD".format(list_price(DEFAULT_TYPE, "eu-west-1").usd_per_hour) in page


def test_settings_of_the_page_exist(page):
    """Those that it names."""
    shown = set(re.findall(r"SAGEMAKER_[A-Z_]+", page))
    assert shown and shown <= {setting.variable for setting in SETTINGS}
