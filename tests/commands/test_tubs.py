"""sagemaker-tubs: what it prints, deletes and restores."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest

from browser import look_at
from donkey_sagemaker import cli
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from footage_factory import draw_pictures, steer, with_pause, write_tub
from tub_factory import make_v1, make_v2

RECORDS, PAUSE = 400, slice(200, 260)


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tub in which the car stands still for three seconds."""
    places = with_pause(PAUSE.start, PAUSE.stop - PAUSE.start, RECORDS)
    throttles = 0.3 + 0.1 * np.sin(places / 9)
    throttles[PAUSE] = 0.0
    folder = tmp_path_factory.mktemp("driven") / "tub"
    return write_tub(folder, draw_pictures(places), angles=steer(places), throttles=throttles)


@pytest.fixture
def car(tmp_path: Path, driven: str) -> Path:
    (tmp_path / "config.py").write_text("")
    (tmp_path / "manage.py").write_text("")
    shutil.copytree(driven, str(tmp_path / "data"))
    return tmp_path


def run(car: Path, *words: str) -> int:
    return cli.main(["tubs", *words], car_path=str(car))


def deleted(car: Path, tub: str = "data") -> List[int]:
    return sorted(read_tub(FolderFiles(str(car / tub)), name="tub").deleted_indexes)


def test_what_is_found_is_printed_and_shown(car: Path, capsys: Any) -> None:
    """What, where, how many, how sure, why, and what to do; nothing is deleted by itself."""
    assert run(car) == 0
    out = capsys.readouterr().out
    head, what, *reasons, verdict, page = [line for line in out.splitlines() if "Reviewing" not in line]
    assert head == "data: 400 records"
    match = re.fullmatch(r"  standing still: (\d+) records \((\d+)-(\d+)\), 95% sure", what)
    assert match and abs(int(match.group(2)) - 200) <= 2 and abs(int(match.group(3)) - 259) <= 2, out
    assert reasons == [
        "    Seen:   the picture does not move, and the throttle is released",
        "    Effect: the model learns to stop where nothing is in its way",
        "    To do:  delete them (--delete still)",
    ]
    assert verdict == f"Found: standing still ({match.group(1)}), of 400 records"
    assert page == "The pictures are in tubs.html"
    assert "<h3>" in (car / "tubs.html").read_text(encoding="utf-8") and deleted(car) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="Linux lists the threads of a process")
def test_the_review_takes_one_core(car: Path) -> None:
    """The others may drive or train: a second thread of NumPy's would only wait for them."""
    code = (
        "import os\nfrom donkey_sagemaker import cli\nassert cli.main(['tubs']) == 0\n"
        "print('threads:', len(os.listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    out = subprocess.check_output([sys.executable, "-c", code], cwd=str(car), env=environment)
    assert b"threads: 1\n" in out


def test_json(car: Path, capsys: Any) -> None:
    """For programs; no page is written."""
    assert run(car, "--json") == 0
    out = capsys.readouterr().out
    (tub,) = json.loads(out[out.index("{") :])["tubs"]
    (finding,) = tub["findings"]
    assert (tub["tub"], tub["records"]) == (str(car / "data"), 400)
    assert (finding["kind"], finding["confidence"], len(finding["ranges"])) == ("still", 0.95, 1)
    assert not (car / "tubs.html").exists()


def test_a_finding_is_deleted_and_restored(car: Path, capsys: Any) -> None:
    """First it shows what it will do, and where nobody can answer, it needs --yes."""
    manifest = (car / "data" / "manifest.json").read_bytes()
    assert run(car, "--delete", "still") == 0
    out = capsys.readouterr().out
    assert re.search(r"^data: \d+ records to delete: \d+-\d+$", out, re.MULTILINE)
    assert out.endswith("Nothing was changed. Add --yes to delete them without being asked.\n")
    assert (car / "data" / "manifest.json").read_bytes() == manifest
    assert run(car, "--delete", "still", "--yes") == 0
    assert set(range(202, 258)) <= set(deleted(car)) <= set(range(198, 263))
    assert run(car) == 0
    assert "nothing suspicious" in capsys.readouterr().out
    assert run(car, "--restore") == 0
    assert re.search(r"^data: \d+ records restored$", capsys.readouterr().out, re.MULTILINE)
    assert (car / "data" / "manifest.json").read_bytes() == manifest


def test_ranges_are_deleted_without_a_review(car: Path, capsys: Any) -> None:
    """Several, one of them to the end."""
    assert run(car, "--delete", "3-5, 7,398-", "--yes") == 0
    assert capsys.readouterr().out == (
        "data: 6 records to delete: 3-5, 7, 398-399\n"
        "Deleted. `python manage.py sagemaker-tubs --restore` undoes this.\n"
    )
    assert deleted(car) == [3, 4, 5, 7, 398, 399]


def test_a_v1_tub(tmp_path: Path, capsys: Any) -> None:
    """The same words, and no file of it is removed."""
    (tmp_path / "config.py").write_text("")
    make_v1(tmp_path / "data", 9)
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert run(tmp_path, "--delete", "3-5", "--yes") == 0
    assert json.loads((tmp_path / "data" / "exclude.json").read_text()) == [3, 4, 5]
    assert run(tmp_path, "--restore") == 0
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == names
    capsys.readouterr()


@pytest.mark.parametrize(
    "words, error",
    [
        (
            "--delete nonsense",
            "--delete nonsense: this is neither a range of records nor the name of a finding.\n"
            "Pass a range such as 120-180 or 900-, or one of these: ",
        ),
        (
            "--delete 900-",
            "There is nothing to delete: --delete 900- matches no record.\n"
            "Run `python manage.py sagemaker-tubs` to see what was found.\n",
        ),
        (
            "--delete 0-",
            "This would delete every record of data.\nLeave the whole tub out of the training instead.\n",
        ),
        (
            "--delete 9-1",
            "The range 9-1 ends before it begins.\nWrite the smaller index first: --delete 1-9\n",
        ),
        (
            "--tub data other --delete 1-3",
            "--delete 1-3: a range belongs to one tub, but there are several: data, other.\n"
            "Name the tub: --tub=data\n",
        ),
        (
            "--restore",
            "Nothing to restore in data: no record was deleted by sagemaker-tubs.\n"
            "Name the tub with --tub=PATH.\n",
        ),
        (
            "--tub empty",
            "There is no record with a readable picture in empty.\n"
            "Choose a tub with good records: --tub=PATH.\n",
        ),
    ],
)
def test_what_cannot_be_done_changes_nothing(words: str, error: str, car: Path, capsys: Any) -> None:
    """Each error names the tub, and one thing to do."""
    make_v2(car / "other", 5)
    make_v2(car / "empty", 0)
    assert run(car, *words.split(), "--yes") == 2
    assert capsys.readouterr().err.startswith(error)
    assert deleted(car) == [] and not (car / "data" / "sagemaker_deletions.json").exists()


def test_the_page_in_a_browser(car: Path, chromium: str, capsys: Any) -> None:
    """On a phone: no error, every picture is drawn, and nothing is wider than the screen."""
    shutil.copytree(str(car / "data"), str(car / "a very long name of a tub that was copied again and again"))
    assert run(car, "--tub", str(car)) == 0
    seen = look_at(chromium, car / "tubs.html", width=360)
    assert seen.errors == [] and seen.broken == 0 and seen.width <= 360
    assert seen.pictures >= 12 and seen.smallest >= 9
    for text in ("standing still", "the same records twice", "How often each command was driven"):
        assert text in seen.text
