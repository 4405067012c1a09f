"""What docs/aws.md and docs/setup.md show exists: settings, options, prices."""

import os
import re

import pytest

from donkey_sagemaker.cli import make_parser
from donkey_sagemaker.cloud.prices import list_price
from donkey_sagemaker.settings import SETTINGS


@pytest.fixture(scope="module")
def page(repo_path: str) -> str:
    """Both, one after the other."""
    text = ""
    for name in ("setup.md", "aws.md"):
        with open(os.path.join(repo_path, "docs", name), encoding="utf-8") as file:
            text += file.read()
    return text


def test_settings_exist(page: str) -> None:
    """Who copies a setting is not told that there is none."""
    shown = set(re.findall(r"SAGEMAKER_[A-Z_]+", page))
    assert shown - {setting.variable for setting in SETTINGS} == set()
    assert "SAGEMAKER_ROLE_ARN" in shown


def test_options_exist(page: str) -> None:
    """Those of our commands; the shell blocks are AWS's."""
    ours = re.sub(r"```bash\n.*?```", "", page, flags=re.DOTALL)
    (verbs,) = [action.choices for action in make_parser()._actions if isinstance(action.choices, dict)]
    known = {flag for verb in verbs.values() for action in verb._actions for flag in action.option_strings}
    shown = set(re.findall(r"--[a-z][a-z-]+", ours))
    assert shown - known == set()
    assert {"--dry-run", "--teardown"} <= shown


def test_prices_are_those_of_the_program(page: str) -> None:
    """One table of prices in two places."""
    rows = re.findall(r"^\| (ml\.\S+)[^|]*\|[^|]*\| (\S+) \| (\S+) \|$", page, re.MULTILINE)
    assert len(rows) == 7
    for instance_type, *cells in rows:
        for region, cell in zip(("us-east-1", "eu-west-1"), cells):
            price = list_price(instance_type, region)
            known = "-" if price is None else "{:g}".format(price.usd_per_hour)
            reckoned = price is not None and "reckoned" in price.source
            assert cell == ("~" if reckoned else "") + known, (instance_type, region)
