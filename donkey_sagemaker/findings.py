"""What the checks before a training find."""

from typing import Callable, NamedTuple, Optional

from .errors import DonkeySagemakerError


class Finding(NamedTuple):
    """The result of one check: fine, wrong (`error`), or not checked."""

    subject: str  # as "bucket"
    text: str  # what was found, in a few words
    error: Optional[DonkeySagemakerError] = None  # what is wrong; training would raise it
    checked: bool = True  # False where the check could not be made


class CannotCheck(Exception):
    """This cannot be known before the job runs; the text says why."""


def run_check(subject: str, check: Callable[[], str]) -> Finding:
    """What a check finds, or what is wrong.

    Args:
        check: returns what it found; raises a DonkeySagemakerError, or CannotCheck.
    """
    try:
        return Finding(subject, check())
    except CannotCheck as reason:
        return Finding(subject, str(reason), checked=False)
    except DonkeySagemakerError as error:
        return Finding(subject, error.what, error=error)
