"""Ctrl-C, a hang-up and a polite kill: each interrupts the program, none cuts an atomic step in two."""

import contextlib
import signal
from typing import Iterator, List

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no hang-up


def interrupt_on_hangup() -> None:
    """Makes a closed terminal and a polite kill raise KeyboardInterrupt, as Ctrl-C does."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[List[int]]:
    """Holds interrupts back during a step that must not be cut in two; yields those that have arrived."""
    arrived: List[int] = []
    before = {number: signal.signal(number, lambda got, frame: arrived.append(got)) for number in _SIGNALS}
    try:
        yield arrived
    finally:
        for number, action in before.items():
            signal.signal(number, action)
