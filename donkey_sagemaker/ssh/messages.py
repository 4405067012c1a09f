"""What a car and the program on its host send each other: a line, and the bytes that follow it.

A line starts with a word that the car has chosen at random, so that nothing else which arrives on the same
connection, such as a greeting of the host, can be taken for an answer.
"""

import json
from typing import Any, Dict, Mapping, Union

from ..untrusted_json import parse_json

MAX_LINE_BYTES = 2**24  # a bucket with 100,000 objects
MAX_BODY_BYTES = 2**30
BLOCK_BYTES = 2**19  # of a download or a log in one answer
SIZE = "bytes"  # of what follows the line


def encode(word: str, fields: Mapping[str, Any], body: Union[bytes, bytearray] = b"") -> bytes:
    """The line of a message; the body is sent after it."""
    return f"{word} {json.dumps(dict(fields, **{SIZE: len(body)}))}\n".encode("ascii")


def decode(word: str, line: bytes) -> Dict[str, Any]:
    """The fields of a line.

    Raises:
        ValueError: it is not a complete line that starts with this word.
    """
    start = word.encode("ascii") + b" "
    if not (line.startswith(start) and line.endswith(b"\n")):
        raise ValueError("not a line of this connection")
    fields = parse_json(line[len(start) :])
    if not isinstance(fields, dict):
        raise ValueError("not a message")
    size = fields.get(SIZE)
    if type(size) is not int or not 0 <= size <= MAX_BODY_BYTES:
        raise ValueError("not a message")
    return fields
