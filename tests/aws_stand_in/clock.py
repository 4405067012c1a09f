"""The time of training jobs and their logs, which tests can advance."""

import threading
import time


class Clock:
    """Starts at the real time and runs with it, until `advance` moves it or `speed` makes it run faster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._speed = 1.0
        self._set_to = time.time()
        self._set_at = time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        return self._set_to + (time.monotonic() - self._set_at) * self._speed

    def advance(self, seconds: float) -> None:
        self._set(self._speed, seconds)

    def run_at(self, speed: float) -> None:
        """Makes it run that many times as fast as real time."""
        self._set(speed, 0.0)

    def _set(self, speed: float, seconds: float) -> None:
        with self._lock:
            self._set_to, self._set_at = self._now() + seconds, time.monotonic()
            self._speed = speed
