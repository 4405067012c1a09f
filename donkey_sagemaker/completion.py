"""What the Tab key completes in a shell, by argcomplete where it is installed."""

import contextlib
import os

from .parser import make_parser


def complete() -> None:
    """Prints what the shell asks for, and exits; returns where argcomplete is not installed."""
    with contextlib.suppress(ImportError):
        import argcomplete

        words = os.environ.get("COMP_LINE", "").split()[1:]
        verb = next((word for word in words if not word.startswith("-")), None)
        argcomplete.autocomplete(make_parser(verb))
