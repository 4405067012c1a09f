"""docs/reference.md and the program say the same."""

import os
import sys

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(REPO, "docs"))

from make_reference import PATH, make_reference  # noqa: E402

from donkey_sagemaker import VERBS  # noqa: E402
from donkey_sagemaker.settings import SETTINGS  # noqa: E402


def test_the_page_is_up_to_date():
    """After a change of an option or a setting, `make docs` writes it anew."""
    with open(PATH, encoding="utf-8") as file:
        assert file.read() == make_reference(), "run `make docs`"


def test_nothing_is_left_out():
    """Every verb, every setting, every flag of one."""
    page = make_reference()
    for verb in VERBS:
        assert f"### {verb}\n" in page
    for setting in SETTINGS:
        assert f"`{setting.variable}`" in page
        assert not setting.has_flag or f"`{setting.flag}`" in page
    assert "| `--attach[=JOB]` |" in page and "`--tub=PATHS`, `--tubs=PATHS`" in page and "| `JOB` |" in page
