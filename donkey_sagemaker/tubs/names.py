"""Names from a tub, an archive or a user: which of them are safe, and how they are sorted."""

import hashlib
import re
from typing import Collection, List, Optional, Union

_PLAIN = re.compile(r"(?!\.)[\w .()+,=@-]{1,200}", re.ASCII)
_DIGITS = re.compile(r"([0-9]{1,18})")


def plain_name(text: object) -> Optional[str]:
    """*text* if it is the plain name of a file (ASCII, no folder, no drive, not hidden), otherwise None."""
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def base_name(path: str) -> str:
    """The part of *path* after its last slash or backslash."""
    return re.split(r"[\\/]", path)[-1]


def natural_order(text: str) -> List[Union[str, int]]:
    """A sort key that sorts tub_2 before tub_10."""
    return [int(piece) if i % 2 else piece for i, piece in enumerate(_DIGITS.split(text))]


def tub_name(path: str, *, taken: Collection[str]) -> str:
    """The name in a job for the tub at *path*, made of letters, digits, `.`, `_` and `-`.

    If the name is *taken*, a hash of the path is appended. A number would depend on the other tubs, and
    whenever the name changes, all data of the tub must be uploaded again.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", base_name(path)).lstrip(".") or "tub"
    if name in taken:
        name += "-" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return name
