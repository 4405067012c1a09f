"""The tubs, and one tub: its pictures along the drive, what was found, deleting and restoring."""

import os
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ..car.car import Car
from ..page import LINES, escape, paragraph, section
from ..review.deletions import UNDO_NAME
from ..review.kinds import KINDS
from ..review.ranges import Range, format_ranges
from ..tubs.reader import Record
from ..ui import format_count
from .car_reader import FoundTub
from .layout import Forms, actions, address, at, heading, link, number, path_of
from .runs import Run

TILES = 120  # pictures of a view
_LONGEST_WORD = 100000  # letters of an option; Linux allows 128 kB


class Stretch(NamedTuple):
    """Positions that are shown, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Found(NamedTuple):
    """A finding as `sagemaker-tubs --json` prints it."""

    kind: str
    ranges: List[Range]
    records: int
    confidence: float
    evidence: str
    to_do: str
    effect: str


def read_findings(content: Any) -> List[Found]:
    """From what the command has printed; nothing of what it would not print."""
    found: List[Found] = []
    try:
        for tub in content["tubs"]:
            for each in tub["findings"]:
                ranges = [(int(first), int(last)) for first, last in each["ranges"]]
                if each["kind"] in KINDS:
                    texts = [str(each[name]) for name in ("evidence", "to_do", "effect")]
                    found.append(
                        Found(each["kind"], ranges, int(each["records"]), float(each["confidence"]), *texts)
                    )
    except (KeyError, TypeError, ValueError):
        return []
    return found


def show_tubs(car: Car, tubs: Sequence[FoundTub]) -> List[str]:
    """The list of them."""
    rows = []
    for found in tubs:
        deleted = len(found.tub.deleted_indexes)
        note = format_count(found.records, "record") + (f", {deleted} deleted" if deleted else "")
        rows.append(
            f'<li><a href="{path_of("tubs", found.key)}"><b>{escape(car.display(found.path))}</b><br>'
            f'<span class="soft">{note}</span>{_strip(found)}</a></li>'
        )
    return [heading("Tubs"), f'<ul class="rows">{"".join(rows)}</ul>']


def _strip(found: FoundTub, count: int = 4) -> str:
    size = found.timeline.size
    positions = sorted({size * (2 * number + 1) // (2 * count) for number in range(count)}) if size else []
    pictures = "".join(f"<span>{_picture(found, position, alt='')}</span>" for position in positions)
    return f'<div class="tiles">{pictures}</div>'


def _picture(found: FoundTub, position: int, *, alt: str) -> str:
    where = address(path_of("tubs", found.key, "pictures", str(position)), v=int(found.changed))
    return f'<img src="{escape(where)}" width="80" height="60" loading="lazy" alt="{escape(alt)}">'


def show_tub(
    car: Car,
    forms: Forms,
    found: FoundTub,
    stretch: Optional[Stretch],
    *,
    review: Optional[Run],
    findings: Sequence[Found],
    notice: str,
) -> List[str]:
    """
    Args:
        stretch: what is shown; None for the whole tub.
        review: the last review of this tub.
        notice: what the last command about it has printed, as markup.
    """
    whole = Stretch(0, max(0, found.timeline.size - 1))
    shown = stretch or whole
    is_whole = shown == whole
    records = found.timeline.read(_positions(shown))
    deleted = len(found.tub.deleted_indexes)
    note = format_count(found.records, "record") + (f", {deleted} deleted" if deleted else "")
    parts = [heading(car.display(found.path), note=note), notice]
    undo = os.path.exists(os.path.join(found.path, UNDO_NAME))
    restore = forms.button("Undo the last deletion", path_of("tubs", found.key, "restore")) if undo else ""
    if records:
        parts.append(_describe_view(found, shown, records, whole))
        parts.append(_tiles(found, shown, records, findings))
        if not is_whole:
            parts.append(_delete_form(forms, found, records))
    else:
        parts.append(paragraph("There is no record that can be read here."))
    parts.append(actions(restore))
    if is_whole:
        parts.append(_show_findings(forms, found, review, findings))
    else:
        parts.append(actions(link("The whole tub", path_of("tubs", found.key), style="button")))
    return parts


def _positions(shown: Stretch) -> List[int]:
    step = max(1, -(-shown.size // TILES))
    return list(range(shown.first, shown.last + 1, step))


def _describe_view(
    found: FoundTub, shown: Stretch, records: Sequence[Tuple[int, Record]], whole: Stretch
) -> str:
    first, last = records[0][1].index, records[-1][1].index
    step = max(1, -(-shown.size // TILES))
    text = f"Records {first} to {last}"
    text += f", every {step}th. Tap a picture to look closer." if step > 1 else "."
    here = path_of("tubs", found.key)
    moves = ""
    if shown != whole:
        size = shown.size
        earlier = max(0, shown.first - size)
        later = min(shown.last + 1, whole.last)
        middle, wide = shown.first + size // 2, 4 * size
        wider = Stretch(max(0, middle - wide // 2), min(whole.last, middle + wide // 2))
        moves = actions(
            link("Earlier", address(here, first=earlier, last=earlier + size - 1), style="button"),
            link("Later", address(here, first=later, last=min(later + size - 1, whole.last)), style="button"),
            link("Wider", address(here, first=wider.first, last=wider.last), style="button"),
        )
    return paragraph(text) + moves


def _tiles(
    found: FoundTub, shown: Stretch, records: Sequence[Tuple[int, Record]], findings: Sequence[Found]
) -> str:
    here = path_of("tubs", found.key)
    step = max(1, -(-shown.size // TILES))
    tiles = []
    for place, (position, record) in enumerate(records):
        until = records[place + 1][1].index - 1 if place + 1 < len(records) else record.index + step - 1
        kinds = [number for number, each in enumerate(findings) if _meet(each.ranges, record.index, until)]
        classes = ["deleted"] if record.index in found.tub.deleted_indexes else []
        words = [f"record {record.index}"] + classes + [KINDS[findings[kind].kind].title for kind in kinds]
        if kinds:
            classes += ["found", f"line{kinds[0] % LINES}"]
        content = f"{_picture(found, position, alt=', '.join(words))}<b>{record.index}</b>"
        style = f' class="{" ".join(classes)}"' if classes else ""
        if step > 1:
            closer = address(here, first=position, last=min(position + step - 1, found.timeline.size - 1))
            tiles.append(f'<a{style} href="{escape(closer)}">{content}</a>')
        else:
            tiles.append(f"<span{style}>{content}</span>")
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _meet(ranges: Sequence[Range], first: int, last: int) -> bool:
    return any(start <= last and first <= end for start, end in ranges)


def _delete_form(forms: Forms, found: FoundTub, records: Sequence[Tuple[int, Record]]) -> str:
    fields = (
        '<fieldset><legend>Delete a stretch</legend><div class="two">'
        + number("first", "From record", records[0][1].index)
        + number("last", "To record", records[-1][1].index)
        + '</div></fieldset><button class="danger">Delete these records</button>'
    )
    return forms.form(path_of("tubs", found.key, "delete"), fields) + paragraph(
        "They are only marked as deleted: no file is removed, and the last deletion can be undone."
    )


def _show_findings(forms: Forms, found: FoundTub, review: Optional[Run], findings: Sequence[Found]) -> str:
    look = path_of("tubs", found.key, "review")
    if review is None or review.code is None:
        text = "Looks at every picture and command for what would spoil a model. Nothing is changed."
        return section("What was found", paragraph(text), forms.button("Review the driving", look))
    parts = [f'<p class="soft">Reviewed at {at(review.started)}.</p>']
    if found.changed > review.started:
        parts.append(paragraph("The tub has changed since."))
    if not findings:
        parts.append(paragraph("Nothing suspicious."))
    for place, each in enumerate(findings):
        parts.append(_describe_finding(forms, found, each, style=f"line{place % LINES}"))
    return section("What was found", *parts, forms.button("Review again", look))


def _describe_finding(forms: Forms, found: FoundTub, each: Found, *, style: str) -> str:
    kind = KINDS[each.kind]
    swatch = f'<span class="swatch {style}" style="border-top: .6em solid"></span>'
    ranges = ",".join(format_ranges([one], most=1) for one in each.ranges)
    delete = ""
    if kind.deletable and len(ranges) < _LONGEST_WORD:
        label = f"Delete {format_count(each.records, 'record')}"
        delete = forms.button(label, path_of("tubs", found.key, "delete"), {"ranges": ranges}, style="danger")
    return "\n".join(
        [
            f"<h3>{swatch}{escape(kind.title)}</h3>",
            paragraph(f"{each.records} records: {format_ranges(each.ranges, most=4)}"),
            paragraph(f"{each.confidence:.0%} sure: {each.evidence}."),
            paragraph(f"Effect: {each.effect}."),
            paragraph(f"To do: {each.to_do}."),
            actions(_look_closer(found, each), delete),
        ]
    )


def _look_closer(found: FoundTub, each: Found) -> str:
    """The longest range of a finding."""
    first, last = max(each.ranges, key=lambda pair: pair[1] - pair[0])
    return link("Look at it", address(path_of("tubs", found.key), index=first, until=last), style="button")


def find_stretch(found: FoundTub, first: int, last: int) -> Stretch:
    """The positions of records by their index, as near as there are any."""
    return Stretch(_position_of(found, first), _position_of(found, last))


def _position_of(found: FoundTub, index: int) -> int:
    """By bisection: the indexes of a tub ascend."""
    low, high = 0, max(0, found.timeline.size - 1)
    while low < high:
        middle = (low + high) // 2
        records = found.timeline.read(list(range(middle, min(middle + 20, high + 1))))  # some cannot be used
        if not records or records[0][1].index >= index:
            high = middle
        else:
            low = max(middle + 1, records[0][0] + 1)
    return low
