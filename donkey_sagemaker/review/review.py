"""The review of tubs: everything that is found in them, tub after tub."""

from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from ..tubs.reader import Tub
from .camera import find_exposure
from .duplicates import Seen
from .finding import Finding
from .footage import Footage, read_footage, read_sample
from .kinds import KINDS
from .labels import find_contradictions
from .lag import find_late
from .motion import find_motion
from .moved import find_moved
from .overview import Overview, make_overview
from .recoveries import find_no_recoveries
from .stick import find_jitter, find_stick

Finder = Callable[[Footage], Iterator[Finding]]
# What stretches of a tub show by themselves, and what is about the driving in the rest of it
OF_STRETCHES: Tuple[Finder, ...] = (find_motion, find_exposure, find_jitter)
OF_DRIVING: Tuple[Finder, ...] = (find_stick, find_late, find_moved, find_contradictions, find_no_recoveries)
SAMPLE_TUBS, SAMPLE_STRETCHES, SAMPLE_LENGTH = 3, 2, 500  # what `train` and `doctor` look at


class Reviewed(NamedTuple):
    """A tub, or a piece of a long one, and what was found in it."""

    path: str
    records: int
    findings: List[Finding]
    overview: Overview


def review_tubs(tubs: Dict[str, Tub], *, advance: Callable[..., None]) -> Iterator[Reviewed]:
    """
    Args:
        tubs: by path.
        advance: called with the number of records that were read, and then with what follows, as its note.
    Raises:
        UnreadableFolder
    """
    seen = Seen()
    for path, tub in tubs.items():
        for footage in read_footage(tub, advance=advance):
            advance(0, "comparing them")
            findings = review_footage(footage, seen)
            yield Reviewed(path, footage.size, findings, make_overview(footage, findings))


def review_sample(tubs: Sequence[Tub]) -> Tuple[str, List[Finding]]:
    """(which records were reviewed, what was found in them): a few stretches, about a second's work.

    The first is empty if there was nothing to review.
    """
    records = 0
    findings: List[Finding] = []
    is_part = len(tubs) > SAMPLE_TUBS or any(
        tub.estimate_records() > SAMPLE_STRETCHES * SAMPLE_LENGTH for tub in tubs
    )
    for tub in tubs[:: -(-len(tubs) // SAMPLE_TUBS)]:
        for footage in read_sample(tub, stretches=SAMPLE_STRETCHES, length=SAMPLE_LENGTH):
            records += footage.size
            findings += review_footage(footage, Seen())
    reviewed = f"{'a sample of ' if is_part else ''}{records} records"
    return reviewed if records else "", findings


def review_footage(footage: Footage, seen: Seen) -> List[Finding]:
    """What is wrong with it, in the order of KINDS."""
    found = [finding for find in OF_STRETCHES for finding in find(footage)]
    spoiled = np.isin(footage.indexes, [index for finding in found for index in finding.indexes])
    found += [finding for find in OF_DRIVING for finding in find(footage._replace(usable=~spoiled))]
    found += seen.find_duplicates(footage)
    order = list(KINDS)
    return sorted(found, key=lambda finding: order.index(finding.kind))


def make_verdict(reviewed: str, findings: Sequence[Finding]) -> str:
    """One line about all of them, without an end.

    Args:
        reviewed: what was reviewed, such as "900 records".
    """
    if not findings:
        return f"nothing suspicious in {reviewed}"
    counts: Dict[str, int] = {}
    for finding in findings:
        counts[finding.kind] = counts.get(finding.kind, 0) + finding.records
    parts = [f"{KINDS[kind].title} ({count})" for kind, count in counts.items()]
    return f"{', '.join(parts)}, of {reviewed}"
