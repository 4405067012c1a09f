"""The tubs that --tub names."""

import os
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from donkey_sagemaker.tubs.paths import NoSuchFolder, NoTubInFolder, find_tubs
from tub_factory import make_v1, make_v2


@pytest.fixture
def car(tmp_path: Path, monkeypatch: Any) -> Path:
    """A car's folder with data/tub_1, tub_2, tub_10 and other files. Another folder is the current one."""
    car = tmp_path / "car"
    for number in (10, 2, 1):
        make_v1(car / "data" / f"tub_{number}", 1)
    (car / "data" / "notes").mkdir()
    (car / "data" / "tub_3.zip").write_bytes(b"")
    make_v2(car / "tub", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return car


def find(car: Path, text: str) -> List[Tuple[str, str]]:
    return [
        (tub.name, os.path.relpath(tub.path, str(car)).replace(os.sep, "/"))
        for tub in find_tubs(text, default=str(car / "data"), car_path=str(car))
    ]


ALL = [("tub_1", "data/tub_1"), ("tub_2", "data/tub_2"), ("tub_10", "data/tub_10")]


@pytest.mark.parametrize(
    "text", ["", "data", "data/", "~/car/data", "data/*", "data/tub_*", "./data", "data, ,"]
)
def test_all_tubs(car: Path, text: str) -> None:
    """A folder of tubs, a glob pattern and the default give the tubs in natural order."""
    assert find(car, text) == ALL


def test_several(car: Path) -> None:
    """Tubs are returned in the given order, each once."""
    assert find(car, "data/tub_2,tub,data/tub_2/,data") == [
        ("tub_2", "data/tub_2"),
        ("tub", "tub"),
        ("tub_1", "data/tub_1"),
        ("tub_10", "data/tub_10"),
    ]


def test_link_is_the_same_tub(car: Path) -> None:
    """A link to a tub that is also named is not a second tub."""
    (car / "link").symlink_to(car / "tub")
    assert find(car, "tub,link") == [("tub", "tub")]


def test_data_is_itself_a_tub(car: Path) -> None:
    """donkeycar's AUTO_CREATE_NEW_TUB puts tubs into such a folder: all of them count."""
    make_v2(car / "data", 1)
    assert find(car, "data") == [("data", "data"), *ALL]
    assert find(car, "data/tub_2") == [("tub_2", "data/tub_2")]


def test_the_pictures_of_a_tub_are_no_tub(car: Path) -> None:
    """They are not searched for one: there may be a million of them."""
    make_v2(car / "data", 3)
    make_v1(car / "data" / "images", 2)
    assert find(car, "data") == [("data", "data"), *ALL]


def test_tub_without_meta(car: Path) -> None:
    """A v1 tub without its meta.json is still a tub."""
    (car / "data" / "tub_1" / "meta.json").unlink()
    assert find(car, "data/tub_1") == [("tub_1", "data/tub_1")]


def test_current_folder_first(car: Path, tmp_path: Path) -> None:
    """The current folder takes precedence over the car's folder."""
    make_v1(tmp_path / "elsewhere" / "tub", 1)
    assert find(car, "tub") == [("tub", "../elsewhere/tub")]


def test_comma_and_brackets_in_a_name(car: Path) -> None:
    """An existing folder is used even if its name contains a comma or the characters of a pattern."""
    make_v1(car / "left, right", 1)
    make_v1(car / "tub[1]", 1)
    assert find(car, "tub,left, right,tub[1]") == [
        ("tub", "tub"),
        ("left-right", "left, right"),
        ("tub-1-", "tub[1]"),
    ]


def test_equal_names(car: Path) -> None:
    """Tubs with the same name from two folders get different names."""
    make_v1(car / "old" / "tub", 1)
    names = [name for name, _ in find(car, "tub,old/tub,data/tub_1")]
    assert names[0] == "tub" and names[1].startswith("tub-") and names[2] == "tub_1"


@pytest.mark.parametrize("text", ["data/tub_7", "nothing*", "data/tub_3.zip", "data/*.zip", "~/nothing"])
def test_not_there(car: Path, text: str) -> None:
    """The error contains only the part that does not exist, as the user typed it."""
    with pytest.raises(NoSuchFolder) as caught:
        find(car, "tub," + text)
    assert caught.value.what == f"There is no folder {text}."
    assert caught.value.fix == (
        "Pass --tub the folder of a tub, a folder of tubs, or several of them separated by commas."
    )


def test_only_commas(car: Path) -> None:
    """A --tub that consists of commas is an error."""
    with pytest.raises(NoSuchFolder) as caught:
        find(car, ",")
    assert caught.value.what == "There is no folder ,."


def test_no_tub_in_it(car: Path) -> None:
    """A folder without tubs is an error that lists the files of a tub."""
    with pytest.raises(NoTubInFolder) as caught:
        find(car, "data/notes")
    assert caught.value.what == (
        "There is no tub in data/notes: neither this folder nor one directly in it contains manifest.json, "
        "meta.json or record_*.json."
    )
    assert caught.value.fix == "Record a tub with `python manage.py drive`, or pass another folder to --tub."
