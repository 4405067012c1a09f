"""Ctrl-C, a hang-up and a polite kill: each stops the watching, none cuts a step in two."""

import contextlib
import signal
from typing import Iterator, List

_INTERRUPTS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no hang-up


def interrupt_on_hangup() -> None:
    """Makes a closed terminal and a polite kill raise KeyboardInterrupt, as Ctrl-C does."""
    for number in _INTERRUPTS:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[List[int]]:
    """A moment's work that none of them must cut in two; yields those that came meanwhile."""
    came: List[int] = []
    before = {number: signal.signal(number, lambda got, frame: came.append(got)) for number in _INTERRUPTS}
    try:
        yield came
    finally:
        for number, action in before.items():
            signal.signal(number, action)
