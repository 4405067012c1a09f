"""docs/reference.md matches the program."""

import os
import sys

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(REPO, "docs"))

from make_reference import PATH, make_reference  # noqa: E402

from donkey_sagemaker import VERBS  # noqa: E402
from donkey_sagemaker.settings import SETTINGS  # noqa: E402


def test_the_page_is_up_to_date():
    """After a change of an option or a setting, `make docs` updates the page."""
    with open(PATH, encoding="utf-8") as file:
        assert file.read() == make_reference(), "run `make docs`"


def test_nothing_is_missing():
    """The page contains every verb, every setting and every flag of a setting."""
    page = make_reference()
    for verb in VERBS:
        assert f"### {verb}\n" in page
    for setting in SETTINGS:
        assert f"`{setting.variable}`" in page
        assert not setting.has_flag or f"`{setting.flag}`" in page
    assert "| `--attach[=JOB]` |" in page and "`--tub=PATHS`, `--tubs=PATHS`" in page and "| `JOB` |" in page
