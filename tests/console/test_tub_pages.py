"""The pages of the tubs."""

import json
import re
from pathlib import Path
from typing import Any, List, Optional

import pytest

from donkey_sagemaker.console.car_reader import CarReader, FoundTub
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.runs import Run
from donkey_sagemaker.console.tub_pages import (
    TILES,
    Found,
    Stretch,
    find_stretch,
    read_findings,
    show_tub,
    show_tubs,
)
from donkey_sagemaker.page import escape
from donkey_sagemaker.review.deletions import delete_records
from tub_factory import make_v1, make_v2

STILL = Found("still", [(10, 19), (25, 26)], 12, 0.9, "no change for 0.6 s", "delete them", "it stops")
LATE = Found("late", [(0, 299)], 300, 0.8, "4 frames", "set it", "it swings")


@pytest.fixture
def reader(tmp_path: Path) -> CarReader:
    """A car with a tub of 300 records."""
    make_v2(tmp_path / "data", 300)
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    return CarReader(str(tmp_path), myconfig="myconfig.py", local=False)


def found_in(reader: CarReader) -> FoundTub:
    (found,) = reader.tubs()[0]
    return found


def show(
    reader: CarReader, stretch: Optional[Stretch] = None, *, findings: Any = (), review: Optional[Run] = None
) -> str:
    return "\n".join(
        show_tub(
            reader.car(),
            Forms("key"),
            found_in(reader),
            stretch,
            review=review,
            findings=findings,
            notice="",
        )
    )


def review_at(seconds: float) -> Run:
    return Run("0" * 16, ["tubs"], "Reviewing", "", "", seconds, 0, 0, False, {})


def tiles(page: str) -> List[str]:
    """The numbers below the pictures."""
    return re.findall("<b>([0-9]+)</b>", page)


def test_the_list(reader: CarReader) -> None:
    """With its records, without deleted ones, and a few pictures along the drive."""
    delete_records(str(Path(reader.path) / "data"), found_in(reader).tub, {1, 2})
    page = "\n".join(show_tubs(reader.car(), reader.tubs()[0]))
    assert "298 records, 2 deleted" in page
    assert re.findall(r"/pictures/(\d+)\?", page) == ["37", "112", "187", "262"]


def test_the_whole_tub(reader: CarReader) -> None:
    """Every third record of 300; a tap looks closer at what is around one."""
    page = show(reader)
    assert tiles(page) == [str(number) for number in range(0, 300, 3)] and len(tiles(page)) <= TILES
    assert "Records 0 to 297, one of 3. Tap a picture to look closer." in page
    assert "?first=12&amp;last=51" in page  # around 30
    assert "Delete these records" not in page and "Earlier" not in page


def test_single_records(reader: CarReader) -> None:
    """They can be chosen by two taps, in any order, and deleted."""
    page = show(reader, Stretch(100, 139))
    assert tiles(page) == [str(number) for number in range(100, 140)]
    assert "?first=100&amp;last=139&amp;start=110" in page
    page = show(reader, Stretch(100, 139, start=110))
    assert (
        'name="first" inputmode="numeric" pattern="[0-9]*" maxlength="9" autocomplete="off" value="110"'
        in page
    )
    assert "start=105&amp;end=110" in page and "start=110&amp;end=120" in page
    page = show(reader, Stretch(100, 139, start=110, end=112))
    assert page.count("chosen") == 3 and 'value="112"' in page
    assert "start=120&amp;end" not in page  # a third tap begins anew


def test_moving_along(reader: CarReader) -> None:
    """Earlier, later and wider, never beyond the ends of the tub; what is chosen stays so."""
    page = show(reader, Stretch(20, 59, start=30))
    links = dict(
        reversed(pair) for pair in re.findall(r'href="[^?"]+\?([^"]+)">(Earlier|Later|Wider)<', page)
    )
    assert links == {
        "Earlier": "first=0&amp;last=39&amp;start=30",
        "Later": "first=60&amp;last=99&amp;start=30",
        "Wider": "first=0&amp;last=120&amp;start=30",
    }
    page = show(reader, Stretch(260, 299))
    assert "first=260&amp;last=299" in page.partition(">Later<")[0]


def test_findings(reader: CarReader) -> None:
    """Each with what to do; only what is worth deleting can be deleted, exactly as it was shown."""
    page = show(reader, findings=[STILL, LATE], review=review_at(2e9))
    assert "standing still" in page and "90% sure: no change for 0.6 s." in page
    assert re.findall('name="ranges" value="([^"]*)"', page) == ["10-19,25-26"]
    assert "Delete 12 records" in page and "Delete 300 records" not in page
    assert "?index=10&amp;until=19" in page
    assert 'alt="record 9, standing still, late commands"' in page  # which stands for 9 to 11
    assert 'alt="record 6, late commands"' in page
    assert "The tub has changed since." not in page
    assert "The tub has changed since." in show(reader, findings=[STILL], review=review_at(1.0))
    assert "Nothing suspicious." in show(reader, review=review_at(1.0))


def test_deleted_records(reader: CarReader) -> None:
    """They are marked, and the last deletion can be undone."""
    assert "Undo the last deletion" not in show(reader)
    delete_records(str(Path(reader.path) / "data"), found_in(reader).tub, {30})
    page = show(reader)
    assert 'class="deleted"' in page and "Undo the last deletion" in page


def test_v1_tubs_and_indexes_that_do_not_begin_with_0(tmp_path: Path) -> None:
    """A position is not an index: a finding is looked up by bisection."""
    make_v1(tmp_path / "data", 50, first=1000)
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    found = found_in(CarReader(str(tmp_path), myconfig="myconfig.py", local=False))
    assert find_stretch(found, 1010, 1020) == Stretch(10, 20)
    assert find_stretch(found, 0, 5000) == Stretch(0, 49)


def test_damaged_lines_do_not_mislead(tmp_path: Path) -> None:
    """A line that cannot be read is a position without a record."""
    make_v2(tmp_path / "data", 100, lines=dict.fromkeys(range(40, 60), b"{"))
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    reader = CarReader(str(tmp_path), myconfig="myconfig.py", local=False)
    assert find_stretch(found_in(reader), 70, 80) == Stretch(70, 80)
    assert len(tiles(show(reader))) == 80
    assert "no record that can be read" in show(reader, Stretch(40, 59))


@pytest.mark.parametrize(
    "content",
    [None, [], {}, {"tubs": 5}, {"tubs": [{"findings": [{}]}]}, {"tubs": [{"findings": [{"kind": "x"}]}]}],
)
def test_what_is_no_review(content: Any) -> None:
    """Such as a file that somebody else has written."""
    assert read_findings(content) == []


def test_a_review_is_read() -> None:
    """As sagemaker-tubs --json prints it."""
    described = dict(STILL._asdict(), what="standing still", ranges=[[10, 19], [25, 26]])
    content = json.loads(json.dumps({"tubs": [{"findings": [described, dict(described, kind="unknown")]}]}))
    assert read_findings(content) == [STILL]


def test_names_are_escaped(tmp_path: Path) -> None:
    """A tub's folder can have any name."""
    name = "<b>&"
    make_v2(tmp_path / "data" / name, 10)
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    reader = CarReader(str(tmp_path), myconfig="myconfig.py", local=False)
    page = "\n".join(show_tubs(reader.car(), reader.tubs()[0])) + show(reader)
    assert escape("data/" + name) in page and name not in page
