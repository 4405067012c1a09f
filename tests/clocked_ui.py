"""A UI that knows how long it was silent."""

import time
from typing import Any, List, Tuple

from donkey_sagemaker.ui import PlainUi


class ClockedUi(PlainUi):
    """
    Attributes:
        lines: what was printed and when, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: List[Tuple[float, str]] = []

    def print(self, text: str, **style: Any) -> None:
        super().print(text, **style)
        self.lines.append((time.monotonic(), text))

    def longest_silence(self) -> float:
        """Seconds between two lines, from the launch of the job to the end."""
        times = [at for at, _text in self.lines]
        start = next(number for number, (_at, text) in enumerate(self.lines) if " is running " in text)
        return max(after - before for before, after in zip(times[start:], times[start + 1 :]))
