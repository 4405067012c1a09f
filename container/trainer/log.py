"""Lines for the user. Their prefix sets them apart from the rest of the log."""

import contextlib
from typing import Iterator

from donkey_sagemaker.contract import LOG_PREFIX

_muted = [False]


def log(text: str) -> None:
    if not _muted[0]:
        print(LOG_PREFIX + text, flush=True)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Leaves out what is logged meanwhile: for work that is repeated, as in the trials of a tuning."""
    before, _muted[0] = _muted[0], True
    try:
        yield
    finally:
        _muted[0] = before
