"""The tubs, and one tub: its pictures along the drive, what was found, deleting and restoring."""

import os
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ..car.car import Car
from ..page import LINES, escape, paragraph, section
from ..review.deletions import UNDO_NAME
from ..review.kinds import KINDS
from ..review.ranges import Range, format_ranges
from ..tubs.record import Record
from ..ui import format_count
from .car_reader import FoundTub
from .layout import Forms, actions, address, at, heading, link, number, path_of
from .runs import Run

TILES = 120  # pictures of a view
NEAR = 40  # records of the nearest view
_LONGEST_WORD = 100000  # letters of an option; Linux allows 128 kB


class Stretch(NamedTuple):
    """Positions that are shown, both included."""

    first: int
    last: int
    # The stretch of records that is chosen, by their indexes: the first tap on a picture, and the second
    start: Optional[int] = None
    end: Optional[int] = None

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
    except (KeyError, TypeError, ValueError, OverflowError):
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
            f'<span class="soft">{note}</span>{show_strip(found)}</a></li>'
        )
    return [heading("Tubs"), f'<ul class="rows">{"".join(rows)}</ul>']


def show_strip(found: FoundTub, count: int = 4) -> str:
    """A few pictures of a tub."""
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
    is_whole = (shown.first, shown.last) == (whole.first, whole.last)
    records = found.timeline.read(_positions(shown))
    deleted = len(found.tub.deleted_indexes)
    note = format_count(found.records, "record") + (f", {deleted} deleted" if deleted else "")
    parts = [heading(car.display(found.path), note=note), notice]
    if is_whole:
        parts.append(_show_findings(forms, found, review, findings))
    undo = os.path.exists(os.path.join(found.path, UNDO_NAME))
    restore = forms.button("Undo the last deletion", path_of("tubs", found.key, "restore")) if undo else ""
    if records:
        parts.append(_describe_view(found, shown, records, whole))
        parts.append(_tiles(found, shown, records, findings))
        if not is_whole:
            parts.append(_delete_form(forms, found, shown, records))
    else:
        parts.append(paragraph("There is no record that can be read here."))
    whole_tub = "" if is_whole else link("The whole tub", path_of("tubs", found.key), style="button")
    return [*parts, actions(restore, whole_tub)]


def _positions(shown: Stretch) -> List[int]:
    return list(range(shown.first, shown.last + 1, _step_of(shown)))


def _describe_view(
    found: FoundTub, shown: Stretch, records: Sequence[Tuple[int, Record]], whole: Stretch
) -> str:
    first, last = records[0][1].index, records[-1][1].index
    step = _step_of(shown)
    text = f"Records {first} to {last}"
    if step > 1:
        text += f", one of {step}. Tap a picture to look closer."
    elif shown.start is None:
        text += ". Tap the first and the last picture of a stretch that you want to delete."
    moves = ""
    if shown.size < whole.size:
        size = shown.size
        earlier = max(0, shown.first - size)
        later = max(0, min(shown.last + 1, whole.last + 1 - size))
        wide = max(0, shown.first - size)
        views = {
            "Earlier": shown._replace(first=earlier, last=min(earlier + size - 1, whole.last)),
            "Later": shown._replace(first=later, last=min(later + size - 1, whole.last)),
            "Wider": shown._replace(first=wide, last=min(wide + 3 * size, whole.last)),
        }
        moves = actions(*(link(name, _address(found, view), style="button") for name, view in views.items()))
    return section("The drive", paragraph(text), moves)


def _step_of(shown: Stretch) -> int:
    return max(1, -(-shown.size // TILES))


def _address(found: FoundTub, shown: Stretch) -> str:
    return address(path_of("tubs", found.key), **shown._asdict())


def _tiles(
    found: FoundTub, shown: Stretch, records: Sequence[Tuple[int, Record]], findings: Sequence[Found]
) -> str:
    step = _step_of(shown)
    tiles = []
    for place, (position, record) in enumerate(records):
        until = records[place + 1][1].index - 1 if place + 1 < len(records) else record.index + step - 1
        kinds = [number for number, each in enumerate(findings) if _meet(each.ranges, record.index, until)]
        classes = ["deleted"] if record.index in found.tub.deleted_indexes else []
        words = [f"record {record.index}"] + classes + [KINDS[findings[kind].kind].title for kind in kinds]
        if kinds:
            classes += ["found", f"line{kinds[0] % LINES}"]
        if shown.start is not None and shown.start <= record.index <= (
            shown.start if shown.end is None else shown.end
        ):
            classes.append("chosen")
        content = f"{_picture(found, position, alt=', '.join(words))}<b>{record.index}</b>"
        style = f' class="{" ".join(classes)}"' if classes else ""
        view = _closer(found, position, step) if step > 1 else _choose(shown, record.index)
        tiles.append(f'<a{style} href="{escape(_address(found, view))}">{content}</a>')
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _closer(found: FoundTub, position: int, step: int) -> Stretch:
    """What a picture stands for, and what is around it."""
    first = max(0, position - max(0, (NEAR - step) // 2))
    return Stretch(first, min(first + max(step, NEAR) - 1, found.timeline.size - 1))


def _choose(shown: Stretch, index: int) -> Stretch:
    """The first tap chooses where the stretch begins, the second where it ends."""
    if shown.start is None or shown.end is not None:
        return shown._replace(start=index, end=None)
    return shown._replace(start=min(shown.start, index), end=max(shown.start, index))


def _meet(ranges: Sequence[Range], first: int, last: int) -> bool:
    return any(start <= last and first <= end for start, end in ranges)


def _delete_form(forms: Forms, found: FoundTub, shown: Stretch, records: Sequence[Tuple[int, Record]]) -> str:
    start = records[0][1].index if shown.start is None else shown.start
    end = (records[-1][1].index if shown.start is None else start) if shown.end is None else shown.end
    fields = (
        '<fieldset><legend>Delete a stretch</legend><div class="two">'
        + number("first", "From record", start)
        + number("last", "To record", end)
        + '</div></fieldset><button class="danger">Delete these records</button>'
    )
    return forms.form(path_of("tubs", found.key, "delete"), fields) + paragraph(
        "They are only marked as deleted: no file is removed, and the last deletion can be undone."
    )


def _show_findings(forms: Forms, found: FoundTub, review: Optional[Run], findings: Sequence[Found]) -> str:
    look = path_of("tubs", found.key, "review")
    if review is None:
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
