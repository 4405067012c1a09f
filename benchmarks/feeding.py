"""The input pipeline alone, from JPEGs to batches in TensorFlow, compared with donkeycar's own."""

import os
import selectors
import statistics
import subprocess
from typing import Dict, List, NamedTuple, Sequence, Tuple

from donkey_sagemaker.contract import DONKEYCAR, ROBUST, TYPES
from feed_side import RESULT
from opt_ml_factory import make_opt_ml
from report import Comparison, Measured, Row, SingleRuns, Topic, make_row
from tubs import make_extras_tub
from workbench import HERE, CommandFailed, Workbench

RECORDS = 2000
BRIGHTNESS_AND_BLUR = "BRIGHTNESS,BLUR"
PLAIN_TARGET, AUGMENTED_TARGET, FIRST_TARGET = 4.0, 3.0, 3.0
TIMEOUT_S = 180.0  # donkeycar's pipeline sometimes deadlocks
TOPIC = Topic(
    "Input pipeline",
    f"Examples per second over one epoch of batches of 128, from {RECORDS:,} drawn records. Our trainer "
    "gives Keras bytes, donkeycar float64; the net turns either into float32 on its device.",
)
FIRST_METHOD = "Medians of passes that start from the JPEGs. Ours reads them from the job's shards."
LATER_METHOD = "Medians of passes that start from what the pass before left in memory."


class Stuck(Exception):
    """A side has stopped responding."""


class Case(NamedTuple):
    model_type: str
    augmentations: str  # separated by commas
    recipe: str = DONKEYCAR  # of our side

    @property
    def suffix(self) -> str:
        """The end of a title."""
        suffix = f" with {self.augmentations.replace(',', ' and ')}" if self.augmentations else ""
        return suffix if self.recipe == DONKEYCAR else f"{suffix}, recipe {self.recipe}"


class Rates(NamedTuple):
    """Examples per second of each round."""

    ours: List[float]
    theirs: List[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)


def measure(bench: Workbench, *, rounds: int, types: Sequence[str] = TYPES) -> Measured:
    cases = [Case(each, augmentations) for augmentations in ("", BRIGHTNESS_AND_BLUR) for each in types]
    return measure_cases(bench, cases, rounds=rounds)


def measure_robust(bench: Workbench, *, rounds: int) -> Measured:
    cases = [Case(each, BRIGHTNESS_AND_BLUR, ROBUST) for each in TYPES]
    return measure_cases(bench, cases, rounds=rounds)


def measure_cases(bench: Workbench, cases: Sequence[Case], *, rounds: int) -> Measured:
    folder = os.path.join(bench.folder, "feeding")
    tub = make_extras_tub(bench, os.path.join(folder, "tub"), records=RECORDS)
    make_opt_ml(os.path.join(folder, "ml"), tub, models=[("pilot.h5", "h5")])
    measured = {case: compare(bench, case, folder, rounds=rounds) for case in cases}
    comparisons: Dict[str, Comparison] = {}
    for case, (first, later) in measured.items():
        target = AUGMENTED_TARGET if case.augmentations else PLAIN_TARGET
        for title, method, rates, goal in (
            (f"Input pipeline, first pass{case.suffix}", FIRST_METHOD, first, FIRST_TARGET),
            (f"Input pipeline, later passes{case.suffix}", LATER_METHOD, later, target),
        ):
            comparison = comparisons.setdefault(title, Comparison(title, method, []))
            comparison.rows.append(make_rate_row(case.model_type, rates, target=goal))
    lines = [
        (
            case.model_type,
            case.augmentations or "none",
            name,
            " ".join(f"{rate:.0f}" for rate in rates.ours),
            " ".join(f"{rate:.0f}" for rate in rates.theirs),
        )
        for case, (first, later) in measured.items()
        for name, rates in (("first", first), ("later", later))
    ]
    head = ("type", "augmentations", "pass", "examples/s, ours", "examples/s, theirs")
    return Measured(TOPIC, list(comparisons.values()), [SingleRuns("Epochs of batches", head, lines)])


def compare(bench: Workbench, case: Case, folder: str, *, rounds: int) -> Tuple[Rates, Rates]:
    """The first and the later passes. If a side gets stuck, both start again and so does the round."""
    first, later = Rates([], []), Rates([], [])
    while True:
        sides = {name: Side(bench, name, case, folder) for name in ("ours", "theirs")}
        try:
            while len(later.theirs) < rounds:
                measured: Dict[Tuple[str, str], float] = {}
                order = list(sides) if len(later.theirs) % 2 == 0 else list(sides)[::-1]
                for what in ("first", "again"):
                    for name in order:
                        measured[what, name] = sides[name].run(what)
                for what, rates in (("first", first), ("again", later)):
                    rates.ours.append(measured[what, "ours"])
                    rates.theirs.append(measured[what, "theirs"])
            return first, later
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

    def run(self, what: str) -> float:
        """Runs one epoch, "first" or "again", and returns its examples per second.

        Raises:
            Stuck: nothing came back in time.
            CommandFailed: the process has ended.
        """
        self._process.stdin.write(what.encode() + b"\n")  # type: ignore[union-attr]
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
                if not selector.select(TIMEOUT_S):
                    raise Stuck
            line = self._process.stdout.readline()  # type: ignore[union-attr]
            if line.startswith(RESULT.encode()):
                return float(line[len(RESULT) :])
            if not line:
                with open(self._log_path, encoding="utf-8", errors="replace") as log:
                    raise CommandFailed(self._command, "ended", log.read())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def make_rate_row(what: str, rates: Rates, *, target: float) -> Row:
    return make_row(
        what,
        statistics.median(rates.ours),
        statistics.median(rates.theirs),
        show="{:,.0f}/s",
        target=f"at least {target:.0f}",
        met=rates.ratio >= target,
        runs=len(rates.ours),
    )
