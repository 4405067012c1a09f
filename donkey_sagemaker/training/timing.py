"""How long a job still takes until its model is installed, and what it took, for the next forecast."""

import time
from typing import Callable, Optional

from ..cloud.forecast import NOTHING_KNOWN, Outlook
from ..contract import Progress, Step
from ..ui import format_seconds

_VALIDATION = (
    13 / 12
)  # an epoch takes so much of its training time: a fifth of the records, a third of the work
_SHORTEST_S = 1.0  # less than that is not worth a word


class Timing:
    """One job's time.

    Args:
        outlook: what the car's past jobs say about this one.
        started: when the job was launched, in seconds since the epoch.
        clock: gives such seconds.

    Attributes:
        before_s: from the launch to the first epoch; None if that was not watched.
    """

    def __init__(
        self, outlook: Outlook = NOTHING_KNOWN, *, started: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.before_s: Optional[float] = None
        self._outlook = outlook
        self._started = started
        self._clock = clock
        self._last: Optional[Progress] = None
        self._seen_at = 0.0  # when the last line about an epoch arrived
        self._step: Optional[Step] = None
        self._was_watched = False
        self._is_trained = False
        self._epoch_s = outlook.epoch_s or 0.0

    def start_again(self) -> None:
        """The job has waited in a queue until now, which says nothing about how long it takes."""
        self._started = self._clock()

    def see_epoch(self, progress: Progress, *, is_running: bool) -> None:
        """
        Args:
            is_running: otherwise the line was printed some time ago.
        """
        self._last, self._step, self._seen_at = progress, None, self._clock()
        self._is_trained = False  # even if it was: an interrupted job starts again
        self._epoch_s = progress.seconds
        self._was_watched = is_running
        if progress.epoch == 1 and is_running:
            self.before_s = max(self._seen_at - self._started - progress.seconds, 0.0)

    def see_step(self, step: Step) -> None:
        self._step, self._seen_at = step, self._clock()
        if step.batch < step.batches:
            self._epoch_s = _VALIDATION * step.left_s * step.batches / (step.batches - step.batch)

    def see_last_epoch(self) -> None:
        """The training is over, which an early end does not show before."""
        self._is_trained = True

    @property
    def has_begun(self) -> bool:
        """Whether an epoch has ended."""
        return self._last is not None

    @property
    def after_s(self) -> Optional[float]:
        """From the last epoch until now; None if its end was not watched."""
        return self._clock() - self._seen_at if self._last and self._was_watched else None

    def describe(self) -> str:
        """How much longer it takes, in a few words; empty where nobody knows."""
        seen = self._step or self._last
        if seen is None:
            whole_s = self._outlook.whole_s
            return "" if whole_s is None else _about(whole_s - (self._clock() - self._started))
        likely, after_s = self._outlook.epochs, self._outlook.after_s
        passed_s = self._clock() - self._seen_at
        if self._is_trained:
            return "" if after_s is None else _about(after_s - passed_s)
        goal = likely if likely is not None and seen.epoch <= likely else seen.epochs
        may_end_early = goal != likely and seen.epoch < goal
        rest_s = 0.0
        if self._step:
            rest_s = self._step.left_s + self._epoch_s * (1 - 1 / _VALIDATION)
        left_s = rest_s + (goal - seen.epoch) * self._epoch_s - passed_s
        if after_s is not None:
            return _about(left_s + after_s, is_most=may_end_early)
        return _about(left_s, "of training left", is_most=may_end_early)


def _about(seconds: float, what: str = "left", *, is_most: bool = False) -> str:
    if seconds < _SHORTEST_S:
        return ""
    return f"{'at most' if is_most else 'about'} {format_seconds(seconds)} {what}"
