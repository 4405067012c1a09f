"""Parses JSON from untrusted sources, which may be written to crash Python.

Python's parser makes a nested call for each bracket and stops at the recursion limit. But `import donkeycar`
(5.x) raises this limit to 100,000, so the stack overflows first and the process dies.
"""

import json
import re
from typing import Any

MAX_DEPTH = 100
_parse = json.JSONDecoder().decode  # what json.loads calls in the end
_BOM = "\ufeff"
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


def parse_json(text: bytes) -> Any:
    """The value of JSON text in UTF-8, with or without a byte order mark. Raises ValueError."""
    decoded = text.decode("utf-8")  # faster than utf-8-sig, a codec that is written in Python
    if decoded.startswith(_BOM):
        decoded = decoded[len(_BOM) :]
    if decoded.count("[") + decoded.count("{") > MAX_DEPTH and _depth(decoded) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    return _parse(decoded)


def _depth(text: str) -> int:
    deepest = depth = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        if match.group() in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif match.group() in "]}":
            depth -= 1
    return deepest
