"""The input pipeline alone, from JPEGs to batches in TensorFlow, against donkeycar's own."""

import os
import selectors
import statistics
import subprocess
from typing import Dict, List, NamedTuple, Sequence, Tuple

from feed_side import ANSWER
from report import Details, Measured, Row
from tubs import make_extras_tub
from workbench import HERE, CommandFailed, Workbench

from donkey_sagemaker.contract import TYPES
from opt_ml_factory import make_opt_ml

RECORDS = 2000
BRIGHTNESS_AND_BLUR = "BRIGHTNESS,BLUR"
PLAIN_TARGET, AUGMENTED_TARGET, FIRST_TARGET = 4.0, 3.0, 3.0
PATIENCE_S = 180.0  # donkeycar's pipeline has been seen to wait for itself without an end


class Stuck(Exception):
    """A side that gives no answer any more."""


class Case(NamedTuple):
    model_type: str
    augmentations: str  # with commas


class Rates(NamedTuple):
    """Examples a second of each round."""

    ours: List[float]
    theirs: List[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)


def measure(bench: Workbench, *, rounds: int, types: Sequence[str] = TYPES) -> Measured:
    folder = os.path.join(bench.folder, "feeding")
    tub = make_extras_tub(bench, os.path.join(folder, "tub"), records=RECORDS)
    make_opt_ml(os.path.join(folder, "ml"), tub, models=[("pilot.h5", "h5")])
    cases = [Case(each, augmentations) for augmentations in ("", BRIGHTNESS_AND_BLUR) for each in types]
    measured = {case: compare(bench, case, folder, rounds=rounds) for case in cases}
    return Measured(
        [row for case, (first, again) in measured.items() for row in make_rows(case, first, again)],
        [
            Details(
                "Each epoch of batches",
                ("type", "augmentations", "pass", "examples/s, ours", "theirs"),
                [
                    (
                        case.model_type,
                        case.augmentations or "none",
                        name,
                        " ".join(f"{rate:.0f}" for rate in rates.ours),
                        " ".join(f"{rate:.0f}" for rate in rates.theirs),
                    )
                    for case, (first, again) in measured.items()
                    for name, rates in (("first", first), ("later", again))
                ],
            )
        ],
    )


def compare(bench: Workbench, case: Case, folder: str, *, rounds: int) -> Tuple[Rates, Rates]:
    """First and later passes; a side that got stuck is started again, and the round with it."""
    first, again = Rates([], []), Rates([], [])
    while True:
        sides = {name: Side(bench, name, case, folder) for name in ("ours", "theirs")}
        try:
            while len(again.theirs) < rounds:
                answers: Dict[Tuple[str, str], float] = {}
                order = list(sides) if len(again.theirs) % 2 == 0 else list(sides)[::-1]
                for what in ("first", "again"):
                    for name in order:
                        answers[what, name] = sides[name].ask(what)
                for what, rates in (("first", first), ("again", again)):
                    rates.ours.append(answers[what, "ours"])
                    rates.theirs.append(answers[what, "theirs"])
            return first, again
        except Stuck:
            continue
        finally:
            for side in sides.values():
                side.close()


class Side:
    """A process of feed_side.py."""

    def __init__(self, bench: Workbench, name: str, case: Case, folder: str) -> None:
        self._command = [bench.python, os.path.join(HERE, "feed_side.py"), name, *case, folder]
        self._log_path = os.path.join(bench.folder, name + ".log")
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=folder,
                env=bench.environment(CUDA_VISIBLE_DEVICES="-1"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )

    def ask(self, what: str) -> float:
        """Examples a second.

        Raises:
            Stuck, CommandFailed
        """
        self._process.stdin.write(what.encode() + b"\n")  # type: ignore[union-attr]
        line = b""
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
                if not selector.select(PATIENCE_S):
                    raise Stuck
            line = self._process.stdout.readline()  # type: ignore[union-attr]
            if line.startswith(ANSWER.encode()):
                return float(line[len(ANSWER) :])
            if not line:
                with open(self._log_path, encoding="utf-8", errors="replace") as log:
                    raise CommandFailed(self._command, "ended", log.read())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def make_rows(case: Case, first: Rates, again: Rates) -> List[Row]:
    target = AUGMENTED_TARGET if case.augmentations else PLAIN_TARGET
    what = "{}{}".format(
        case.model_type,
        " with {}".format(case.augmentations.replace(",", " and ")) if case.augmentations else "",
    )
    how = (
        f"Examples a second of one epoch of batches of 128, {RECORDS} drawn records, medians of"
        f" {len(again.ours)} passes of each side in turn, each in a process of its own: what Keras is handed,"
        " ours bytes and theirs float64, of either of which the net makes float32 on its device."
    )
    return [
        make_row(
            f"input, {what}: first pass",
            first,
            target=FIRST_TARGET,
            how=how + " From the JPEGs on: ours reads them out of the job's shards.",
        ),
        make_row(f"input, {what}: later passes", again, target=target, how=how + " From what memory holds."),
    ]


def make_row(what: str, rates: Rates, *, target: float, how: str) -> Row:
    return Row(
        what=what,
        ours=f"{statistics.median(rates.ours):,.0f}/s",
        theirs=f"{statistics.median(rates.theirs):,.0f}/s",
        ratio=rates.ratio,
        target=f"at least {target:.0f}",
        met=rates.ratio >= target,
        how=how,
    )
