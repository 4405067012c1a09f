"""The car's random id: every donkeycar is called mycar, and several of them may share one bucket."""

import os
import re
import uuid
from typing import Optional

from ..atomic import write_bytes
from ..untrusted_file import read_file

_ID = re.compile(r"[0-9a-f]{12}")


def read_id(path: str) -> Optional[str]:
    """The id in a file; None where there is none, or it is damaged."""
    try:
        text = read_file(path, max_bytes=100).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if _ID.fullmatch(text) else None


def create_id(path: str) -> str:
    """Writes a new random id to a file, and returns it."""
    car_id = uuid.uuid4().hex[:12]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_bytes(path, car_id.encode("ascii") + b"\n", follows_link=False)
    return car_id
