#!/usr/bin/env python3
"""Plants faults in drawn and in real tubs, and prints which of them sagemaker-tubs finds.

Each drawn tub has a track, a room, light, noise, a camera pose, a speed and a driver of its own. Most have
faults of three kinds, the others a fault of the whole tub, late commands, or no fault. The real tubs are
those of ../shared/data, where that folder exists. With --keep, what the review reads of each tub is kept in
a folder: a run that was interrupted continues there, and a changed review is measured again within minutes.
docs/data.md says on which seeds the review was tuned.
"""

import argparse
import os
import sys
import tarfile
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from donkey_sagemaker.review.duplicates import Seen
from donkey_sagemaker.review.footage import Footage, read_footage
from donkey_sagemaker.review.kinds import KINDS
from donkey_sagemaker.review.lag import measure_lag
from donkey_sagemaker.review.review import review_footage
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import V2, Tub, read_tub
from machine import describe_machine
from planted import DRIVEN, STRETCHES, WHOLE, NoRoom, Planted, draw_tub, film_late, film_tub
from report import make_table, write_block

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(REPO, "docs", "data.md")
BEGIN, END = "<!-- `benchmarks/review.py` writes from here -->\n", "<!-- to here -->\n"
REAL = os.path.join(os.path.dirname(REPO), "shared", "data")
FIRST_SEED = 20000
ROUNDS = 6
RECORDS = 1600
LAGS = range(7)  # frames
CLEAN = 4  # tubs of a round, besides that with a lag of 0
OVERLAP = 0.5  # of the planted records are found, and of those that are found, planted
TWICE = ("moved", *DRIVEN)  # faults of whole tubs that are hard to see: two tubs of each in a round
REAL_LATE, REAL_LAG = "tub_v2_track", 4  # the real tub whose lag is known, and its lag
NO_TUB = Tub(FolderFiles("."), name="tub", layout=V2)  # of kept footage, whose pictures are gone


class Case(NamedTuple):
    """A tub to make."""

    name: str
    seed: int
    kinds: Tuple[str, ...] = ()  # of its faults
    latency: int = 0
    real: str = ""  # the real tub in which they are planted


class Score(NamedTuple):
    """What the review said about a tub."""

    records: int
    planted: List[str]  # kinds
    found: List[str]  # of these kinds
    made_up: List[str]  # kinds
    lag: int


def make_cases(rounds: int, first_seed: int) -> Iterator[Case]:
    """Each round has every fault, every lag and a few clean tubs; each tub has a seed of its own."""
    stretches = list(STRETCHES)
    seed = first_seed
    for _ in range(rounds):
        of_round: List[Tuple[Tuple[str, ...], int]] = []
        for number in range(len(stretches)):
            # In the order in which they are planted: an inserted fault moves what follows
            chosen = sorted((number + apart) % len(stretches) for apart in (0, 4, 9))
            of_round.append((tuple(stretches[each] for each in chosen), 0))
        of_round += [((kind,), 0) for kind in (*WHOLE, *DRIVEN, *TWICE)]
        of_round += [((), latency) for latency in LAGS] + [((), 0)] * CLEAN
        for kinds, latency in of_round:
            yield Case(f"drawn {seed}", seed, kinds, latency)
            seed += 1


def make_real_cases(names: Sequence[str], first_seed: int) -> Iterator[Case]:
    """Every fault in every real tub, three at a time; and lags in the tub whose own is known."""
    stretches = list(STRETCHES)
    for name in names:
        for number, kind in enumerate((*STRETCHES, *WHOLE)):
            kinds: Tuple[str, ...] = (kind,)
            if kind in STRETCHES:
                chosen = sorted((number + apart) % len(stretches) for apart in (0, 4, 9))
                kinds = tuple(stretches[each] for each in chosen)
            yield Case(f"{name} {kind}", first_seed + number, kinds, real=name)
    if REAL_LATE in names:
        for lag in LAGS:
            yield Case(f"{REAL_LATE} lag {lag}", 0, latency=lag, real=REAL_LATE)


def unpack_real_tubs(folder: str) -> Dict[str, str]:
    """The path of each of the real tubs, by name; none where their folder does not exist."""
    paths = {}
    for name in sorted(os.listdir(REAL)) if os.path.isdir(REAL) else []:
        if name.endswith(".tar.gz"):
            path = os.path.join(folder, name[:-7])
            with tarfile.open(os.path.join(REAL, name)) as archive:
                archive.extractall(path)
            paths[name[:-7]] = os.path.join(path, "tub")
    return paths


def plant(case: Case, real: Dict[str, str]) -> Planted:
    """
    Raises:
        NoRoom
    """
    if not case.real:
        return draw_tub(case.seed, case.kinds, records=RECORDS, latency=case.latency)
    tub = read_tub(FolderFiles(real[case.real]), name=case.real)
    if case.kinds:
        return film_tub(tub, case.seed, case.kinds, most=RECORDS)
    return film_late(tub, case.latency - REAL_LAG)


class Made(NamedTuple):
    """What the review reads of a tub, and which records are bad, as in `Planted`."""

    footage: Footage
    faults: np.ndarray
    optional: np.ndarray


def make(case: Case, real: Dict[str, str]) -> Made:
    """
    Raises:
        NoRoom
    """
    planted = plant(case, real)
    (footage,) = read_footage(read_tub(planted.files, name="tub"))
    return Made(footage._replace(tub=NO_TUB), planted.faults, planted.optional)


def measure(case: Case, path: str, excused: Sequence[str], *, real: Dict[str, str]) -> Optional[Score]:
    """Makes a tub, unless it is kept there, and reviews it. None where it is too short for its faults."""
    if not os.path.exists(path):
        make_and_keep(case, path, real)
    made = read_kept(path)
    one = score(case, made, excused=excused) if made else None
    missed = sorted(set(one.planted) - set(one.found)) if one else []
    if one and (one.made_up or missed):
        print(
            f"{case.name} with {', '.join(one.planted)}: missed {missed}, made up {one.made_up}", flush=True
        )
    return one


def make_and_keep(case: Case, path: str, real: Dict[str, str]) -> None:
    """The kept file has no records where the tub is too short for its faults."""
    columns: Dict[str, Any] = {}
    try:
        made = make(case, real)
    except NoRoom:
        pass
    else:
        columns = dict(made.footage._asdict(), faults=made.faults, optional=made.optional)
        del columns["tub"]
    part = f"{path}.{os.getpid()}"
    with open(part, "wb") as file:
        np.savez_compressed(file, **columns)
    os.replace(part, path)


def find_own(path: str) -> List[str]:
    """What is found in a real tub before anything is planted; looked at, and described in docs/data.md."""
    tub = read_tub(FolderFiles(path), name=os.path.basename(path))
    return [finding.kind for footage in read_footage(tub) for finding in _find(footage)]


def read_kept(path: str) -> Optional[Made]:
    with np.load(path) as kept:
        columns = {name: kept[name] for name in kept.files}
    if not columns:
        return None
    faults, optional = columns.pop("faults"), columns.pop("optional")
    columns.update(hz=float(columns["hz"]), images=columns["images"].tolist())
    return Made(Footage(tub=NO_TUB, **columns), faults, optional)


def score(case: Case, made: Made, *, excused: Sequence[str]) -> Score:
    """
    Args:
        excused: kinds that are in the tub without having been planted.
    """
    footage = made.footage
    late = ["late"] if case.latency > 1 else []
    found, made_up = [], []
    for finding in _find(footage):
        mask = np.isin(footage.indexes, finding.indexes)
        kind = finding.kind
        if kind in STRETCHES:
            bad = (made.faults == kind) & ~made.optional
            if kind in case.kinds and (mask & bad).sum() >= OVERLAP * bad.sum():
                found.append(kind)
            right = mask & (bad | made.optional)
            # A stick that saturates makes every tremor of the hand larger
            is_right = right.sum() >= OVERLAP * mask.sum() or (kind, case.kinds) == ("jitter", ("saturated",))
            if not is_right and kind not in excused:
                made_up.append(kind)
        elif kind in case.kinds or kind in late:
            found.append(kind)
        elif kind not in excused and not (case.latency and kind in ("late", "saturated")):
            made_up.append(kind)  # somebody who reacts late really does steer from stop to stop
    lag = measure_lag(footage)
    return Score(footage.size, [*case.kinds, *late], found, made_up, lag.frames if lag else 0)


def _find(footage: Any) -> Any:
    return review_footage(footage, Seen())


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of 34 drawn tubs (default {ROUNDS})")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the first tub")
    parser.add_argument("--keep", metavar="FOLDER", help="for the tubs; a run continues with what is there")
    parser.add_argument(
        "--jobs", type=int, default=1, help="tubs that are measured at the same time (default 1)"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/data.md")
    options = parser.parse_args(arguments)
    machine = describe_machine({"numpy": np.__version__}, repo=REPO)
    with tempfile.TemporaryDirectory(prefix="donkey-review-") as scratch:
        real = unpack_real_tubs(os.path.join(scratch, "real"))
        cases = [
            *make_cases(options.rounds, options.first_seed),
            *make_real_cases(list(real), options.first_seed),
        ]
        folder = options.keep or os.path.join(scratch, "made")
        os.makedirs(folder, exist_ok=True)
        paths = [os.path.join(folder, case.name.replace(" ", "_") + ".npz") for case in cases]
        with ProcessPoolExecutor(options.jobs) as pool:
            own = dict(zip(real, pool.map(find_own, real.values())))
            excused = [own.get(case.real, []) for case in cases]
            scores = pool.map(partial(measure, real=real), cases, paths, excused)
            scored = [(case, one) for case, one in zip(cases, scores) if one]
    block = make_block(scored, machine)
    print(block)
    if options.write:
        write_block(PAGE, block, begin=BEGIN, end=END)
        print("Written to " + PAGE)
    return 0


def make_block(scored: Sequence[Tuple[Case, Score]], machine: Dict[str, str]) -> str:
    """The tables, as Markdown."""
    drawn = [(case, one) for case, one in scored if not case.real]
    real = [(case, one) for case, one in scored if case.real]
    seeds = [case.seed for case, _ in drawn]
    lines = [
        f"{len(drawn)} drawn tubs of about {RECORDS:,} records (seeds {min(seeds)} to {max(seeds)}), and "
        f"{len(real)} pieces of real tubs with faults:",
        "",
        make_table(
            ("finding", "drawn: planted", "found", "made up", "precision", "recall")
            + ("real: planted", "found", "made up", "precision", "recall"),
            [
                (f"`{kind.replace(' ', '-')}`", *_count(kind, drawn), *_count(kind, real))
                for kind in KINDS
                if any(kind in one.planted + one.made_up for _, one in scored)
            ],
        ),
        "",
    ]
    for name, part in (("drawn", drawn), ("real", real)):
        lagging = [(case, one) for case, one in part if not case.kinds]
        near = sum(abs(one.lag - case.latency) <= 1 for case, one in lagging)
        if lagging:
            lines.append(
                f"- Lags of {LAGS[0]} to {LAGS[-1]} frames: right to one frame in {near} of {len(lagging)} "
                f"{name} tubs ({near / len(lagging):.0%})."
            )
    clean = [one for case, one in drawn if not case.kinds and not case.latency]
    records, made_up = sum(one.records for one in clean), [kind for one in clean for kind in one.made_up]
    lines += [
        f"- {len(clean)} clean drawn tubs, {records:,} records: {len(made_up)} false findings"
        + (f" ({', '.join(sorted(set(made_up)))})." if made_up else "."),
        "",
        make_table(("machine", ""), list(machine.items())),
        "",
    ]
    return "\n".join(lines)


def _count(kind: str, scored: Sequence[Tuple[Case, Score]]) -> Tuple[str, ...]:
    planted = sum(kind in one.planted for _, one in scored)
    found = sum(kind in one.found for _, one in scored)
    made_up = sum(kind in one.made_up for _, one in scored)
    return str(planted), str(found), str(made_up), _share(found, found + made_up), _share(found, planted)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    sys.exit(main())
