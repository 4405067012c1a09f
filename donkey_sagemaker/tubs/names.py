"""Names that come from a tub, an archive or a user: what is safe, and in which order they stand."""

import hashlib
import re
from typing import Collection, List, Optional, Union

_PLAIN = re.compile(r"(?!\.)[\w .()+,=@-]{1,200}", re.ASCII)
_DIGITS = re.compile(r"([0-9]{1,18})")


def plain_name(text: object) -> Optional[str]:
    """*text* where it is a file's plain name: no folder, no drive, not hidden, ASCII. Else None."""
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def last_name(path: str) -> str:
    """What stands behind the last slash or backslash of *path*."""
    return re.split(r"[\\/]", path)[-1]


def natural_order(text: str) -> List[Union[str, int]]:
    """A sort key that puts tub_2 before tub_10."""
    return [int(piece) if i % 2 else piece for i, piece in enumerate(_DIGITS.split(text))]


def tub_name(path: str, *, taken: Collection[str]) -> str:
    """The name in a job of the tub at *path*: letters, digits, `.`, `_` and `-`.

    A name that is *taken* gets a hash of the path behind it, not a number: a number would depend on
    how many others there are, and with the name every byte that was already sent would change.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", last_name(path)).lstrip(".") or "tub"
    if name in taken:
        name += "-" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return name
