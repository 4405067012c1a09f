"""Ctrl-C, a hang-up and a polite kill: each interrupts the program, none cuts an atomic step in two."""

import contextlib
import signal
from typing import Iterator, List

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no hang-up
INTERRUPTED = 130  # the exit code of an interrupted program
_late: List[int] = []  # arrived during a step that must not be cut in two


def interrupt_on_hangup() -> None:
    """Makes a closed terminal and a polite kill raise KeyboardInterrupt, as Ctrl-C does.

    A signal that whoever started this program has it ignore (nohup and SIGHUP) stays ignored.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[List[int]]:
    """Holds interrupts back during a step that must not be cut in two; yields those that have arrived."""
    arrived: List[int] = []
    before = {
        number: signal.signal(number, lambda got, frame: arrived.append(got))
        for number in _SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield arrived
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        _late.extend(arrived)


def raise_late_interrupt() -> None:
    """Raises KeyboardInterrupt if an interrupt was held back since the last call."""
    if _late:
        _late.clear()
        raise KeyboardInterrupt
