"""tubs.html: the whole drive as a timeline, and pictures of everything that was found."""

from typing import Callable, Iterator, List, Sequence

from ..page import (
    LINES,
    cards,
    count_card,
    escape,
    figure,
    format_steering,
    image,
    make_page,
    paragraph,
    section,
    table,
)
from .finding import Finding
from .kinds import KINDS
from .overview import BINS, Overview
from .ranges import format_ranges
from .review import Reviewed
from .scenes import Scenery
from .strips import Shown
from .table import make_advice

_WIDTH = 400  # of the timeline and the histograms, in units of the drawing
_CURVE = 60  # height of a curve
_BAR = 12  # height of a bar, with its gap
_LABEL = 16
_STRIPS = 40  # of the whole page, which stays small enough for a phone


def make_tubs_page(car_name: str, reviewed: Sequence[Reviewed], *, display: Callable[[str], str]) -> str:
    """
    Args:
        display: path of a tub -> as the user would type it.
    """
    findings = [finding for piece in reviewed for finding in piece.findings]
    suspicious = sum(len(_suspicious(piece.findings)) for piece in reviewed)
    strips_left = _STRIPS
    sections = []
    for piece in reviewed:
        sections.append(_describe_piece(piece, display(piece.path), strips=strips_left))
        strips_left = max(0, strips_left - len(piece.findings))
    return make_page(
        f"Tubs of {car_name}",
        f"<h1>Tubs of {escape(car_name)}</h1>",
        cards(
            [
                count_card(sum(piece.records for piece in reviewed), "record", ", without deleted ones"),
                count_card(len(findings), "finding"),
                count_card(suspicious, "record", " that could be deleted"),
            ]
        ),
        section("What was found", _summary(reviewed, display)),
        *sections,
    )


def _suspicious(findings: Sequence[Finding]) -> "set[int]":
    return {index for finding in findings if KINDS[finding.kind].deletable for index in finding.indexes}


def _summary(reviewed: Sequence[Reviewed], display: Callable[[str], str]) -> str:
    rows = [
        (KINDS[finding.kind].title, finding.records, f"{finding.confidence:.0%}", display(piece.path))
        for piece in reviewed
        for finding in piece.findings
    ]
    if not rows:
        return paragraph("Nothing suspicious.")
    return table(rows, head=("what", "records", "sure", "tub"))


def _describe_piece(piece: Reviewed, path: str, *, strips: int) -> str:
    overview = piece.overview
    first, last = overview.indexes
    parts = [
        paragraph(
            f"Records {first} to {last}, {overview.hz:.0f} a second. From left to right, the whole drive:"
        ),
        f'<div class="chart">{draw_timeline(overview)}</div>',
    ]
    for number, finding in enumerate(piece.findings):
        shown = overview.strips[number] if number < strips else []
        parts.append(_describe_finding(finding, shown, number=number))
    parts.append("<h3>How often each command was driven</h3>")
    parts.append(f'<div class="chart">{draw_histograms(overview)}</div>')
    if len(overview.scenes) > 1:
        parts.append("<h3>Places and lights</h3>")
        parts.append(
            paragraph("A model drives worse where it has seen little. The shares of what looks alike:")
        )
        parts.append(_pictures(_describe_scene(scene) for scene in overview.scenes if scene.example))
    return section(path, *parts)


def _describe_finding(finding: Finding, shown: Sequence[Shown], *, number: int) -> str:
    kind = KINDS[finding.kind]
    where = format_ranges(finding.ranges, most=8)
    swatch = f'<span class="swatch line{number % LINES}" style="border-top: .6em solid"></span>'
    lines = [
        f"<h3>{swatch}{escape(kind.title)}</h3>",
        paragraph(f"{finding.records} records: {where}"),
        paragraph(f"{finding.confidence:.0%} sure: {finding.evidence}."),
        paragraph(f"Effect: {kind.effect}."),
        paragraph(f"To do: {make_advice(finding)}."),
    ]
    if shown:
        lines.append(_pictures(_figure(each, f"record {each.index}") for each in shown))
    return "\n".join(lines)


def _describe_scene(scene: Scenery) -> str:
    assert scene.example  # noqa: S101 - the caller has checked
    return _figure(scene.example, f"{scene.share:.0%}, from record {scene.first_index} on")


def _figure(shown: Shown, caption: str) -> str:
    steering, throttle = format_steering(shown.angle), f"throttle {shown.throttle:.2f}"
    picture = image(shown.jpeg, kind="jpeg", alt=f"The driver steers {steering}, {throttle}.")
    lines = [escape(caption), f'<span class="driven">driver {steering}</span>', throttle]
    return figure(picture, "<br>".join(lines))


def _pictures(figures: Iterator[str]) -> str:
    return f'<div class="pictures">{"".join(figures)}</div>'


def draw_timeline(overview: Overview) -> str:
    """Steering, throttle and brightness over the drive, and below them a bar for each finding, as SVG."""
    count = len(overview.angle)
    step = _WIDTH / count
    parts: List[str] = []
    top = 0.0
    for label, points in (
        ("steering, left below and right above", [(low, high) for low, high in overview.angle]),
        ("throttle", [(0.0, value) for value in overview.throttle]),
        ("brightness", [(-1.0, value / 127.5 - 1) for value in overview.brightness]),
    ):
        parts.append(_text(0, top + _LABEL - 3, label))
        top += _LABEL
        parts.append(f'<path class="rule" d="M0 {top + _CURVE / 2:.1f}H{_WIDTH}"/>')
        strokes = []
        for number, (low, high) in enumerate(points):
            y = [top + _CURVE / 2 * (1 - max(-1.0, min(1.0, value))) for value in (low, high)]
            strokes.append(f"M{(number + 0.5) * step:.1f} {y[0] + 0.5:.1f}V{y[1] - 0.5:.1f}")
        width = f"{max(1.0, step):.1f}"
        parts.append(
            f'<path class="drawn" d="{"".join(strokes)}" stroke="currentColor" stroke-width="{width}"/>'
        )
        top += _CURVE
    for number, bar in enumerate(overview.bars):
        parts.append(_text(0, top + _LABEL - 3, KINDS[bar.kind].title))
        top += _LABEL
        for first, last in bar.spans:
            parts.append(
                f'<rect x="{first * step:.1f}" y="{top:.1f}" width="{(last - first + 1) * step:.1f}" '
                f'height="{_BAR - 3}" class="line{number % LINES}" fill="currentColor"/>'
            )
        top += _BAR
    return _svg(top, "The drive from its beginning to its end", parts)


def draw_histograms(overview: Overview) -> str:
    """Steering and throttle from -1 to 1, as SVG."""
    parts: List[str] = []
    top = 0.0
    for label, counts in (("steering", overview.angle_counts), ("throttle", overview.throttle_counts)):
        highest = max(max(counts), 1)
        step = _WIDTH / BINS
        for number, count in enumerate(counts):
            height = _CURVE * count / highest
            parts.append(
                f'<rect x="{number * step:.1f}" y="{top + _CURVE - height:.1f}" width="{step - 1:.1f}" '
                f'height="{height:.1f}" class="drawn" fill="currentColor"/>'
            )
        parts.append(f'<path class="rule" d="M0 {top + _CURVE:.1f}H{_WIDTH}"/>')
        for value in (-1, 0, 1):
            anchor = {-1: "start", 0: "middle", 1: "end"}[value]
            parts.append(_text((value + 1) / 2 * _WIDTH, top + _CURVE + _LABEL - 2, f"{value:g}", anchor))
        parts.append(_text(_WIDTH / 4, top + _CURVE + _LABEL - 2, label, "middle"))
        top += _CURVE + _LABEL + 6
    return _svg(top, "How often each steering and throttle was driven", parts)


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}" '
        f'font-size="13">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
