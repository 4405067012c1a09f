#!/usr/bin/env python3
"""Plants faults in drawn tubs and prints how many of them sagemaker-tubs finds, and how many it makes up.

Each tub is drawn by the demo's renderer with a track, a room, light, noise, a camera pose and a speed of its
own, and has one fault at most. Nothing is written. `--tubs 210` takes about a quarter of an hour on one core.
"""

import argparse
import os
import sys
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from donkey_sagemaker.review.duplicates import Seen
from donkey_sagemaker.review.footage import read_footage
from donkey_sagemaker.review.kinds import KINDS
from donkey_sagemaker.review.lag import measure_lag
from donkey_sagemaker.review.review import review_footage
from donkey_sagemaker.tubs.reader import read_tub
from planted import PLANTS, WHOLE, draw_tub
from report import make_table

FIRST_SEED = 1000
LAGS = range(7)  # frames
CLEAN = 3  # tubs of a round
# Faults whose records are known; the others concern the whole tub, or can be seen from two sides
STRETCHES = set(PLANTS) - {
    "saturated",
    "dead zone",
    "constant throttle",
    "straight",
    "contradictory",
    "moved",
}
ROUND: List[Tuple[Optional[str], int]] = [(kind, 0) for kind in (*PLANTS, *WHOLE)]
ROUND += [(None, latency) for latency in LAGS] + [(None, 0)] * CLEAN
OVERLAP = 0.5  # of the records that are found or planted, at least, to count as found


class Case(NamedTuple):
    """A tub to draw."""

    seed: int
    kind: Optional[str]  # the fault
    latency: int = 0


class Score(NamedTuple):
    """What the review said about a tub."""

    case: Case
    found: bool  # the fault, where it is
    made_up: List[str]  # kinds
    lag: int


def make_cases(count: int, first_seed: int) -> List[Case]:
    """Rounds of every fault, every lag and a few clean tubs; each tub has a seed of its own."""
    cases = []
    for number in range(count):
        kind, latency = ROUND[number % len(ROUND)]
        cases.append(Case(first_seed + number, kind, latency))
    return cases


def score(case: Case, *, records: int) -> Score:
    planted = draw_tub(case.seed, case.kind, records=records, latency=case.latency)
    (footage,) = read_footage(read_tub(planted.files, name="tub"))
    findings = review_footage(footage, Seen())
    expected = case.kind or ("late" if case.latency else None)
    found, made_up = False, []
    for finding in findings:
        mask = np.isin(footage.indexes, finding.indexes)
        if finding.kind != expected:
            # Somebody who reacts late really does steer from stop to stop
            if not (finding.kind == "saturated" and case.latency):
                made_up.append(finding.kind)
        elif case.kind in PLANTS and finding.kind in STRETCHES:
            overlap = (mask & planted.mask).sum() / (mask | planted.mask).sum()
            found = bool(overlap >= OVERLAP)
            made_up += [] if (mask & planted.mask).sum() >= OVERLAP * mask.sum() else [finding.kind]
        else:
            found = True
    lag = measure_lag(footage)
    return Score(case, found, made_up, lag.frames if lag and lag.is_strong else 0)


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tubs", type=int, default=210, help="how many to draw (default 210)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the first tub")
    parser.add_argument("--records", type=int, default=2000, help="of each tub (default 2000)")
    options = parser.parse_args(arguments)
    scores = []
    for number, case in enumerate(make_cases(options.tubs, options.first_seed), 1):
        scores.append(score(case, records=options.records))
        one = scores[-1]
        if one.made_up or (case.kind and not one.found):
            print(f"{case}: {'found' if one.found else 'missed'}, made up: {one.made_up}", flush=True)
        if number % len(ROUND) == 0 or number == options.tubs:
            print_results(scores, records=options.records)
    return 0


def print_results(scores: List[Score], *, records: int) -> None:
    rows = []
    for kind in KINDS:
        with_it = [one for one in scores if (one.case.kind or (one.case.latency > 1 and "late")) == kind]
        made_up = sum(one.made_up.count(kind) for one in scores)
        found = sum(one.found for one in with_it)
        rows.append(
            [
                kind,
                str(len(with_it)),
                str(found),
                str(made_up),
                _share(found, found + made_up),
                _share(found, len(with_it)),
            ]
        )
    print(f"\n{len(scores)} tubs:")
    print(make_table(["finding", "planted", "found", "made up", "precision", "recall"], rows))
    lagging = [one for one in scores if one.case.kind is None]
    near = sum(abs(one.lag - one.case.latency) <= 1 for one in lagging)
    print(f"\nThe lag is right to one frame in {near} of {len(lagging)} tubs.")
    clean = [one for one in scores if one.case.kind is None and one.case.latency == 0]
    made_up = sum(len(one.made_up) for one in clean)
    print(f"{made_up} findings are made up in {len(clean)} clean tubs of {records} records.", flush=True)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    sys.exit(main())
