"""The one family of errors that a user is meant to read.

Every error says *what* failed, with the user's own path or name, and one thing to do (*fix*).
`cli.main` prints both and ends with `exit_code`; anything else that escapes is a defect of ours.
A module that can fail defines its own subclasses, whose constructors own their wording.
"""


class DonkeySagemakerError(Exception):
    """What went wrong and the one thing to do about it.

    Args:
        what: one or two sentences, with the path or name the user gave.
        fix: one thing to type or to set.
    """

    exit_code = 2

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class BadInput(DonkeySagemakerError):
    """A path, file, flag or setting of the user's cannot be used."""

    exit_code = 2


class JobFailed(DonkeySagemakerError):
    """The training job did not end with a model, or its model was refused."""

    exit_code = 1


class CloudRefused(DonkeySagemakerError):
    """AWS (or the local stand-in for it) said no."""

    exit_code = 3
