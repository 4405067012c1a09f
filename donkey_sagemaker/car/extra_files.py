"""The files that come with a model, for a person to look at: its loss plot, its history and its report."""

import os
from typing import Callable, Dict, Optional

from .. import untrusted_page
from ..tubs.pictures import picture_fault
from ..untrusted_json import parse_json

MAX_BYTES = 16 * 2**20  # the trainer's are a few hundred kilobytes, and two megabytes for the report


def find_fault(role: str, path: str) -> Optional[str]:
    """Why a "plot", "history" or "report" is not what its name says; None if it is."""
    if os.path.getsize(path) > MAX_BYTES:
        return f"it is larger than {MAX_BYTES:,} bytes"
    with open(path, "rb") as file:
        return _CHECKS[role](file.read())


def _check_plot(content: bytes) -> Optional[str]:
    is_png = content.startswith(b"\x89PNG\r\n\x1a\n") and picture_fault(content) is None
    return None if is_png else "it is not a PNG picture"


def _check_history(content: bytes) -> Optional[str]:
    try:
        is_history = isinstance(parse_json(content), dict)
    except ValueError:
        is_history = False
    return None if is_history else "it is not a JSON object"


_CHECKS: Dict[str, Callable[[bytes], Optional[str]]] = {
    "plot": _check_plot,
    "history": _check_history,
    "report": untrusted_page.find_fault,
}
