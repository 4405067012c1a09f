"""The findings as text on a terminal."""

from typing import Callable, Iterator, Sequence

from .finding import Finding
from .kinds import KINDS
from .ranges import format_ranges
from .review import Reviewed, make_verdict

_INDENT = " " * 4


def make_lines(reviewed: Sequence[Reviewed], *, display: Callable[[str], str]) -> Iterator[str]:
    """A paragraph for each finding, below its tub; the last line is about all of them."""
    paths = list(dict.fromkeys(piece.path for piece in reviewed))
    for path in paths:
        pieces = [piece for piece in reviewed if piece.path == path]
        records = sum(piece.records for piece in pieces)
        findings = [finding for piece in pieces for finding in piece.findings]
        yield f"{display(path)}: {records} records{'' if findings else ', nothing suspicious'}"
        for finding in findings:
            yield from _describe(finding)
    all_findings = [finding for piece in reviewed for finding in piece.findings]
    yield "Found: " + make_verdict(f"{sum(piece.records for piece in reviewed)} records", all_findings)


def _describe(finding: Finding) -> Iterator[str]:
    kind = KINDS[finding.kind]
    yield (
        f"  {kind.title}: {finding.records} records ({format_ranges(finding.ranges)}), "
        f"{finding.confidence:.0%} sure"
    )
    yield f"{_INDENT}Seen:   {finding.evidence}"
    yield f"{_INDENT}Effect: {kind.effect}"
    yield f"{_INDENT}To do:  {make_advice(finding)}"


def make_advice(finding: Finding) -> str:
    """What to do, with the word that deletes these records."""
    kind = KINDS[finding.kind]
    if not kind.deletable:
        return kind.advice
    return f"{kind.advice} (--delete {finding.kind.replace(' ', '-')})"
