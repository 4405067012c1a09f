"""A UI that knows how long it was silent."""

import time
from typing import Any, List, Tuple

import pytest

from donkey_sagemaker import ui
from donkey_sagemaker.ui import PlainUi

QUIET_S = ui.QUIET_S  # before conftest.py changes it


class ClockedUi(PlainUi):
    """What sagemaker-train prints to a pipe, as fast as it does for its owner.

    Attributes:
        lines: what was printed and when, in seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        monkeypatch.setattr(ui, "QUIET_S", QUIET_S)
        monkeypatch.setattr("donkey_sagemaker.commands.train.make_ui", lambda: self)
        self.lines: List[Tuple[float, str]] = []

    def print(self, text: str, **style: Any) -> None:
        super().print(text, **style)
        self.lines.append((time.monotonic(), text))

    def longest_silence(self) -> float:
        """Seconds between two lines, from the launch of the job to the end."""
        times = [at for at, _text in self.lines]
        start = next(number for number, (_at, text) in enumerate(self.lines) if " is running " in text)
        return max(after - before for before, after in zip(times[start:], times[start + 1 :]))
