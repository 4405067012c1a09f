"""A tub by the position of its records."""

import json
from pathlib import Path
from typing import List

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import Tub, read_tub
from donkey_sagemaker.tubs.timeline import Timeline


def open_tub(path: Path) -> Tub:
    return read_tub(FolderFiles(str(path)), name="tub", path=str(path))


def write_v2(path: Path, catalogs: List[List[object]]) -> None:
    path.mkdir()
    names = [f"catalog_{number}.catalog" for number in range(len(catalogs))]
    for name, lines in zip(names, catalogs):
        (path / name).write_text("".join(f"{line}\n" for line in lines))
    last = json.dumps({"paths": names, "current_index": 0, "max_len": 1000, "deleted_indexes": []})
    (path / "manifest.json").write_text("[]\n[]\n{}\n{}\n" + last + "\n")


def record(index: int) -> str:
    return json.dumps(
        {"_index": index, "user/angle": index / 100, "user/throttle": 0.5, "cam/image_array": f"{index}.jpg"}
    )


def test_v2(tmp_path: Path) -> None:
    """Positions go on from one catalog to the next; a damaged line is a position without a record."""
    write_v2(tmp_path / "tub", [[record(0), "{", record(2)], [record(3), record(5)]])
    timeline = Timeline(open_tub(tmp_path / "tub"))
    assert timeline.size == 5
    found = timeline.read([0, 1, 2, 4, 5, -1])
    assert [(position, each.index, each.image) for position, each in found] == [
        (0, 0, "images/0.jpg"),
        (2, 2, "images/2.jpg"),
        (4, 5, "images/5.jpg"),
    ]


def test_v1(tmp_path: Path) -> None:
    """Positions are in the order of the numbers in the names, and need not begin with 0."""
    tub = tmp_path / "tub"
    tub.mkdir()
    (tub / "meta.json").write_text("{}")
    for number in (9, 10, 100):
        (tub / f"record_{number}.json").write_text(json.dumps({"user/angle": 0.1, "user/throttle": 0.2}))
    (tub / "record_11.json").write_text("{")
    timeline = Timeline(open_tub(tub))
    assert timeline.size == 4
    assert [(position, each.index) for position, each in timeline.read([0, 1, 2, 3])] == [
        (0, 9),
        (1, 10),
        (3, 100),
    ]


def test_a_catalog_that_shrinks_or_vanishes(tmp_path: Path) -> None:
    """Another program may replace it meanwhile: what is left is read."""
    write_v2(tmp_path / "tub", [[record(0), record(1)], [record(2)]])
    timeline = Timeline(open_tub(tmp_path / "tub"))
    (tmp_path / "tub" / "catalog_0.catalog").write_text(record(0) + "\n")
    (tmp_path / "tub" / "catalog_1.catalog").unlink()
    assert [position for position, _record in timeline.read([0, 1, 2])] == [0]
