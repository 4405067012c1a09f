"""What sagemaker-doctor has found, on a page."""

from typing import Any

import pytest

from donkey_sagemaker.console.doctor_page import show_doctor
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.runs import Run

RUN = Run("0" * 16, ["doctor"], "Checking", "", "", 1e9, 0, 2, False, {})


def test_findings() -> None:
    """Each with its state and its fix; what is wrong comes first."""
    content = [
        {"check": "car", "state": "fine", "found": "mycar", "fix": None},
        {"check": "tub", "state": "wrong", "found": "There is no <tub>.", "fix": "Record one."},
        {"check": "price", "state": "unknown", "found": "not known", "fix": None},
    ]
    page = "\n".join(show_doctor(Forms("key"), RUN, content))
    assert "Wrong: 1. Nothing was changed." in page
    assert (
        'class="verdict bad"><p><b>tub: wrong</b></p><p>There is no &lt;tub&gt;.</p><p>To do: Record one.</p>'
        in page
    )
    assert page.index("tub: wrong") < page.index("car: fine")
    assert "car: fine" in page and "price: not checked" in page and "Check again" in page


@pytest.mark.parametrize("content", [None, [], {"a": 1}, "text"])
def test_nothing_was_checked(content: Any) -> None:
    """Or the file with the result is damaged."""
    assert "Check the car" in "\n".join(show_doctor(Forms("key"), None if content is None else RUN, content))


def test_foreign_content() -> None:
    """Whatever is in that file is only text."""
    page = "\n".join(show_doctor(Forms("key"), RUN, [5, {"state": []}, {"check": "<script>", "found": {}}]))
    assert "<script>" not in page
