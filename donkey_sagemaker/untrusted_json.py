"""Parses JSON from untrusted sources, which may be written to crash Python or to keep it busy.

Python's parser makes a nested call for each bracket and stops at the recursion limit. But `import donkeycar`
(5.x) raises this limit to 100,000, so the stack overflows first and the process dies. And before Python 3.11,
reading a number takes time that grows with the square of its digits.
"""

import json
import re
from typing import Any, Union

MAX_DEPTH = 100
MAX_DIGITS = 300  # of a whole number that is kept as such; a float can hold it
_BOM = "\ufeff"
_BRACKET_OR_QUOTE = re.compile(r'[\[\]{}"\\]')


def parse_json(text: bytes) -> Any:
    """The value of JSON text in UTF-8, with or without a byte order mark. Raises ValueError."""
    decoded = text.decode("utf-8")  # faster than utf-8-sig, a codec that is written in Python
    if decoded.startswith(_BOM):
        decoded = decoded[len(_BOM) :]
    if decoded.count("[") + decoded.count("{") > MAX_DEPTH and _depth(decoded) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    return _parse(decoded)


def _parse_int(digits: str) -> Union[int, float]:
    """A number that no float can hold becomes infinite, as 1e400 does."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits[:2] + "e999")


_parse = json.JSONDecoder(parse_int=_parse_int).decode


def _depth(text: str) -> int:
    """How deep brackets outside of strings are nested; in one pass, whatever the text is."""
    deepest = depth = 0
    in_string = False
    escaped_at = -1  # the position of a character that a backslash escapes
    for match in _BRACKET_OR_QUOTE.finditer(text):
        character, position = match.group(), match.start()
        if position == escaped_at:
            continue
        if character == "\\":
            escaped_at = position + 1 if in_string else -1
        elif character == '"':
            in_string = not in_string
        elif not in_string and character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not in_string:
            depth -= 1
    return deepest
