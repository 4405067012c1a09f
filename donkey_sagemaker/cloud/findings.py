"""What a look at the cloud found before anything is sent or billed."""

from typing import NamedTuple, Optional

from ..errors import DonkeySagemakerError


class Finding(NamedTuple):
    """One thing that was looked at, read-only. Neither fine nor wrong: it could not be looked at."""

    subject: str  # e.g. "bucket"
    text: str  # what was found, in a few words
    error: Optional[DonkeySagemakerError] = None  # what is wrong with it; training would raise this
    checked: bool = True  # False where we are not allowed to look
