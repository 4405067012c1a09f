"""The one family of errors that a user is meant to read.

Every error states *what* failed, with the user's own path or name, and one thing to do (*fix*). `cli.main`
prints both and exits with `exit_code`; any other exception that escapes is a bug. A module that can fail
defines its own subclasses, whose constructors own their wording.
"""

from typing import List


class DonkeySagemakerError(Exception):
    """What failed, and the one thing to do about it.

    Args:
        what: one or two sentences, with the path or name the user gave.
        fix: one thing to type or to set.
    """

    exit_code = 2

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def add_note(error: BaseException, text: str) -> None:
    """What else the user must know, whatever the error is. Python 3.11 has this as a method of the error."""
    error.__dict__.setdefault("__notes__", []).append(text)


def get_notes(error: BaseException) -> List[str]:
    return list(getattr(error, "__notes__", []))


class BadInput(DonkeySagemakerError):
    """A path, file, flag or setting that the user gave cannot be used."""

    exit_code = 2


class JobFailed(DonkeySagemakerError):
    """The training job did not end with a model, or its model was rejected or kept aside."""

    exit_code = 1


class CloudRefused(DonkeySagemakerError):
    """AWS, or its emulation on this machine, refused."""

    exit_code = 3
