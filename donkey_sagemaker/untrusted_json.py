"""JSON from outside, which may be made to crash Python.

Python's parser goes one call deeper for each bracket and stops at the recursion limit, but `import donkeycar`
(5.x) raises that limit to 100,000, where the stack itself overflows first and the process dies.
"""

import json
import re
from typing import Any

MAX_DEPTH = 100
_parse = json.JSONDecoder().decode  # what json.loads does in the end
_BOM = "\ufeff"
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


def parse_json(text: bytes) -> Any:
    """The value in UTF-8 JSON text, with or without a byte order mark. Raises ValueError."""
    decoded = text.decode("utf-8")  # not utf-8-sig, a codec that is written in Python
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
