"""The results of the checks that run before a training."""

from typing import Callable, NamedTuple, Optional

from .errors import DonkeySagemakerError


class Finding(NamedTuple):
    """The result of one check: passed, failed (with an `error`), or not checked."""

    subject: str  # e.g. "bucket"
    text: str  # the result in a few words
    error: Optional[DonkeySagemakerError] = None  # the problem, which a training would raise as well
    checked: bool = True  # False if the check could not be made


class CannotCheck(Exception):
    """This cannot be checked before the job runs. The text explains why."""


def run_check(subject: str, check: Callable[[], str]) -> Finding:
    """Runs one check and returns its result.

    Args:
        check: returns the result in a few words; raises a DonkeySagemakerError or CannotCheck.
    """
    try:
        return Finding(subject, check())
    except CannotCheck as reason:
        return Finding(subject, str(reason), checked=False)
    except DonkeySagemakerError as error:
        return Finding(subject, error.what, error=error)
