"""Lines on standard output, and in a file how far the command is: for a program that shows that to a person.

The file is JSON: `doing` is what the command does, with `note` beside it, `done` of `total` where that can be
counted, and `epochs` has (loss, validation loss) of each epoch of a training, of at most `max_epochs`.
"""

import contextlib
import json
import os
import time
from typing import Any, Dict, Iterator

from .contract import Progress, Step
from .ui import Advance, EpochDisplay, PlainUi, describe_step, without_nan

INTERVAL_S = 0.5  # between two writes of what only counts up


class ProgressUi(PlainUi):
    """
    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._state: Dict[str, Any] = {"doing": "", "note": "", "done": 0, "total": 0, "epochs": []}
        self._written_at = 0.0

    def update(self, *, at_once: bool = False, **changes: Any) -> None:
        """Changes some of the state. Not synced to the disk: after a power cut, nobody needs it."""
        self._state.update(changes)
        if not at_once and time.monotonic() - self._written_at < INTERVAL_S:
            return
        self._written_at = time.monotonic()
        with contextlib.suppress(OSError):  # a full disk must not stop the work
            with open(self._path + ".part", "w") as file:
                json.dump(self._state, file)
            os.replace(self._path + ".part", self._path)

    def add_epoch(self, progress: Progress) -> None:
        losses = without_nan({"loss": progress.loss, "val_loss": progress.val_loss})
        epochs = self._state["epochs"][: progress.epoch - 1] + [[losses["loss"], losses["val_loss"]]]
        self.update(epochs=epochs, max_epochs=progress.epochs)

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        done = 0

        def advance(count: int, note: str = "") -> None:
            nonlocal done
            done += count
            self.update(done=done, note=note)

        self.update(at_once=True, doing=title, note="", done=0, total=total)
        yield advance
        self.update(at_once=True, doing="", note="", done=0, total=0)

    @contextlib.contextmanager
    def busy(self, title: str) -> Iterator[None]:
        self.update(at_once=True, doing=title, note="")
        yield
        self.update(at_once=True, doing="")

    @contextlib.contextmanager
    def epochs(self) -> Iterator[EpochDisplay]:
        yield _EpochFile(self)
        self.update(at_once=True, doing="", note="", done=0, total=0)


class _EpochFile(EpochDisplay):
    def __init__(self, ui: ProgressUi) -> None:
        super().__init__(ui)
        self._file = ui

    def show_activity(self, activity: str, note: str) -> None:
        self._file.update(doing=activity, note=note)

    def show_epoch(self, progress: Progress, note: str) -> None:
        super().show_epoch(progress, note)
        self._file.add_epoch(progress)
        self._file.update(at_once=True, note=note, done=0, total=0)

    def show_step(self, step: Step, note: str) -> None:
        self._file.update(doing=describe_step(step), note=note, done=step.batch, total=step.batches)
