"""The records of v1 and v2 tubs, complete or damaged."""

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import NotATub, SetAside, Tub, read_tub
from donkey_sagemaker.tubs.record import Record
from tub_factory import (
    jpeg,
    make_record_v1,
    make_record_v2,
    make_v1,
    make_v2,
    write,
    write_manifest,
    write_record_v1,
)


def read(folder: Any, **settings: Any) -> Tub:
    return read_tub(FolderFiles(str(folder)), name="tub", **settings)


def indexes(tub: Tub) -> List[int]:
    return [record.index for record in tub.records]


def line(index: int, **changes: Any) -> bytes:
    """A line with a v2 record. Changing a field to None removes it."""
    record = make_record_v2(index, **changes)
    return json.dumps({key: value for key, value in record.items() if value is not None}).encode()


def test_v2_record(tmp_path: Path) -> None:
    """A record of a v2 tub has all values of its line."""
    tub = read(make_v2(tmp_path, 2))
    assert (tub.layout, tub.estimate_records(), tub.deleted, tub.set_aside) == ("v2", 2, 0, [])
    assert list(tub.manifests) == ["manifest.json"]
    assert tub.records[1] == Record(
        tub="tub",
        index=1,
        session="26-01-01_0",
        timestamp_ms=1767225600050,
        image="images/1_cam_image_array_.jpg",
        angle=-0.9,
        throttle=0.25,
        others={"user/mode": "user"},
        source="catalog_0.catalog",
    )
    assert tub.records[1].fields == make_record_v2(1)


def test_v1_record(tmp_path: Path) -> None:
    """A record of a v1 tub takes its index from the file name, and has no session or time."""
    tub = read(make_v1(tmp_path, 2))
    assert (tub.layout, tub.deleted, tub.set_aside) == ("v1", 0, [])
    assert list(tub.manifests) == ["meta.json"]
    assert tub.records[1] == Record(
        tub="tub",
        index=1,
        session="",
        timestamp_ms=None,
        image="1_cam-image_array_.jpg",
        angle=-0.9,
        throttle=0.25,
        others={"timestamp": None, "user/mode": "user"},
        source="record_1.json",
    )
    assert tub.records[1].fields == make_record_v1(1, _index=1)


def test_records_share_equal_fields(tmp_path: Path) -> None:
    """Those of texts only: numbers that are equal may have different types."""
    others: List[Dict[str, Any]] = [
        {"user/mode": "user"},
        {"user/mode": "user"},
        {"user/mode": "local", "pilot/angle": 1},
        {"user/mode": "local", "pilot/angle": True},
    ]
    make_v2(tmp_path, 4, lines={index: line(index, **each) for index, each in enumerate(others)})
    found = [record.others for record in read(tmp_path).records]
    assert found == others and found[0] is found[1]
    assert [type(each["pilot/angle"]) for each in found[2:]] == [int, bool]


@pytest.mark.parametrize(
    "changes",
    [
        {"_session_id": ""},
        {"_session_id": 7},
        {"_timestamp_ms": None},
        {"_timestamp_ms": 1.0},
        {"_timestamp_ms": True},
    ],
)
def test_unusual_fields_stay_as_written(tmp_path: Path, changes: Dict[str, Any]) -> None:
    """donkeycar sees them."""
    make_v2(tmp_path, 1, lines={0: json.dumps(make_record_v2(0, **changes)).encode()})
    (record,) = read(tmp_path).records
    assert repr(sorted(record.fields.items())) == repr(sorted(make_record_v2(0, **changes).items()))


def test_v1_numeric_order(tmp_path: Path) -> None:
    """v1 records are in the order of their numbers, in blocks of a thousand."""
    make_v1(tmp_path, 12, first=995)
    write(tmp_path, "record_01.json", b"not donkeycar's name")
    tub = read(tmp_path)
    assert indexes(tub) == list(range(995, 1007))
    assert [part.name for part in tub.parts()] == ["records_0-999", "records_1000-1999"]


def test_v1_picture_names(tmp_path: Path) -> None:
    """A v1 record may contain a path on its car, or no name: the picture is always next to the record."""
    make_v1(tmp_path, 3)
    write_record_v1(tmp_path, 0, **{"cam/image_array": "/home/pi/d2/data/tub/0_cam-image_array_.jpg"})
    record = make_record_v1(1)
    del record["cam/image_array"]
    write(tmp_path, "record_1.json", json.dumps(record).encode())
    assert [record.image for record in read(tmp_path).records] == [
        f"{i}_cam-image_array_.jpg" for i in range(3)
    ]


def test_v1_without_meta(tmp_path: Path) -> None:
    """A v1 tub can be read without a meta.json, or with a damaged one."""
    make_v1(tmp_path, 2)
    write(tmp_path, "meta.json", b'{"inputs": [')
    assert (indexes(read(tmp_path)), read(tmp_path).set_aside) == ([0, 1], [])
    (tmp_path / "meta.json").unlink()
    assert (indexes(read(tmp_path)), list(read(tmp_path).manifests)) == ([0, 1], [])


def test_v1_exclude(tmp_path: Path) -> None:
    """exclude.json lists the deleted numbers of the file names."""
    make_v1(tmp_path, 4, first=1)
    write(tmp_path, "exclude.json", b'[1, 3, 77, "x", null]')
    tub = read(tmp_path)
    assert (indexes(tub), tub.deleted, list(tub.manifests)) == ([2, 4], 2, ["meta.json", "exclude.json"])


@pytest.mark.parametrize("text", [b"[1, 3", b"{}", b"\xff", b"[" * 100000])
def test_v1_exclude_damaged(tmp_path: Path, text: bytes) -> None:
    """A damaged exclude.json deletes nothing and is reported."""
    make_v1(tmp_path, 2)
    write(tmp_path, "exclude.json", text)
    tub = read(tmp_path)
    assert (indexes(tub), tub.set_aside) == ([0, 1], [SetAside("exclude.json damaged", "exclude.json")])


def test_v2_deleted_by_index(tmp_path: Path) -> None:
    """deleted_indexes are `_index` values, not positions. Deleted records that are bad are not reported."""
    lines = {0: b"", 1: b"", 4: line(4, **{"user/angle": None})}
    tub = read(make_v2(tmp_path, 8, deleted=[2, 4, 99], lines=lines))
    assert (indexes(tub), tub.deleted, tub.set_aside) == ([3, 5, 6, 7], 1, [])


def test_v2_catalogs(tmp_path: Path) -> None:
    """The manifest lists the catalogs of a tub and their order. Each counts once."""
    make_v2(tmp_path, 6, max_len=2)
    listed: List[Any] = [
        "catalog_2.catalog",
        "/home/pi/data/catalog_0.catalog",
        "catalog_7.catalog",
        "catalog_2.catalog",
        5,
    ]
    write_manifest(tmp_path, listed + ["../catalog_1.catalog/.."], records=6)
    tub = read(tmp_path)
    assert indexes(tub) == [4, 5, 0, 1]
    assert tub.set_aside == [
        SetAside("catalog missing", "manifest.json: 'catalog_7.catalog'"),
        SetAside("catalog missing", "manifest.json: 5"),
        SetAside("catalog missing", "manifest.json: '../catalog_1.catalog/..'"),
    ]


def test_v2_wrong_line_lengths(tmp_path: Path) -> None:
    """The line lengths in the catalog_manifest are not trusted."""
    make_v2(tmp_path, 3)
    write(tmp_path, "catalog_0.catalog_manifest", b'{"line_lengths": [5, 1, 100000]}\n')
    assert indexes(read(tmp_path)) == [0, 1, 2]


def test_v2_from_2020(tmp_path: Path) -> None:
    """Records without a session and a manifest without some of its lines can be read."""
    make_v2(tmp_path, 2, lines={0: line(0, _session_id=None), 1: line(1, _timestamp_ms=None)})
    manifest = (tmp_path / "manifest.json").read_bytes().splitlines(True)
    write(tmp_path, "manifest.json", b"".join(manifest[:2] + manifest[4:]))
    tub = read(tmp_path)
    assert [(record.session, record.timestamp_ms) for record in tub.records] == [
        ("", 1767225600000),
        ("26-01-01_0", None),
    ]
    assert tub.set_aside == []


def test_steering(tmp_path: Path) -> None:
    """In some tubs from 2021, the angle is named user/steering."""
    tub = read(make_v2(tmp_path, 1, lines={0: line(0, **{"user/angle": None, "user/steering": 1})}))
    assert (tub.records[0].angle, tub.records[0].fields["user/angle"]) == (1.0, 1.0)


def test_cv_control(tmp_path: Path) -> None:
    """donkeycar 5's template cv_control records steering and throttle; the driver's commands come first."""
    names = {"user/angle": None, "user/throttle": None, "steering": -0.5, "throttle": 0.25}
    both = {"steering": -0.5, "throttle": 0.75}
    tub = read(make_v2(tmp_path, 2, lines={0: line(0, **names), 1: line(1, **both)}))
    assert [(record.angle, record.throttle) for record in tub.records] == [(-0.5, 0.25), (-0.9, 0.25)]
    assert tub.records[0].fields["user/angle"] == -0.5 and tub.set_aside == []


def test_values_are_kept(tmp_path: Path) -> None:
    """Commands that are out of range, from the pilot, or with a broken sensor are kept as written."""
    changes = {"user/angle": -1.5, "user/throttle": 2, "user/mode": "pilot", "imu/acl_x": float("nan")}
    record = read(make_v2(tmp_path, 1, lines={0: line(0, **changes)})).records[0]
    assert (record.angle, record.throttle, record.fields["user/mode"]) == (-1.5, 2.0, "pilot")
    assert record.fields["imu/acl_x"] != record.fields["imu/acl_x"]


@pytest.mark.parametrize(
    "text, reason",
    [
        (line(1)[:50], "record damaged"),
        (b"\0" * 180, "record damaged"),
        (b"\xff\xfe" + line(1), "record damaged"),
        (line(1)[:50] + line(1), "record damaged"),
        (b"[1, 2]", "record damaged"),
        (b"[" * 100000, "record damaged"),
        (line(1, _index=None), "index missing"),
        (line(1, _index="1"), "index not a number"),
        (line(1, _index=True), "index not a number"),
        (line(1, _index=-1), "index not a number"),
        (line(1, _index=1.0), "index not a number"),
        (line(1, **{"user/angle": None}), "angle missing"),
        (line(1).replace(b"-0.9", b"null"), "angle missing"),
        (line(1, **{"user/angle": "0.5"}), "angle not a number"),
        (line(1, **{"user/angle": [0.5]}), "angle not a number"),
        (line(1, **{"user/angle": False}), "angle not a number"),
        (line(1, **{"user/angle": float("nan")}), "angle not finite"),
        (line(1, **{"user/angle": float("-inf")}), "angle not finite"),
        (line(1, **{"user/angle": -(10**400)}), "angle not finite"),
        (line(1, **{"user/throttle": None}), "throttle missing"),
        (line(1, **{"user/throttle": {}}), "throttle not a number"),
        (line(1, **{"user/throttle": float("inf")}), "throttle not finite"),
        (line(1, **{"cam/image_array": None}), "picture not named"),
        (line(1, **{"cam/image_array": 5}), "picture's name not plain"),
        (line(1, **{"cam/image_array": "../manifest.json"}), "picture's name not plain"),
        (line(1, **{"cam/image_array": "/etc/passwd"}), "picture's name not plain"),
        (line(1, **{"cam/image_array": "\ud800"}), "picture's name not plain"),
        (line(1, **{"cam/image_array": "77_cam_image_array_.jpg"}), "picture missing"),
    ],
)
def test_v2_set_aside(tmp_path: Path, text: bytes, reason: str) -> None:
    """A bad line is set aside with its reason and its location, and the other lines are kept."""
    tub = read(make_v2(tmp_path, 3, lines={1: text}))
    assert (indexes(tub), tub.set_aside) == ([0, 2], [SetAside(reason, "catalog_0.catalog:2")])


@pytest.mark.parametrize(
    "text, reason",
    [
        (b"", "record damaged"),
        (b"\0" * 100, "record damaged"),
        (b"[]", "record damaged"),
        (json.dumps(make_record_v1(1, **{"user/angle": None})).encode(), "angle missing"),
        (json.dumps(make_record_v1(1, **{"cam/image_array": [1]})).encode(), "picture's name not plain"),
        (json.dumps(make_record_v1(1, **{"cam/image_array": ".."})).encode(), "picture's name not plain"),
        (json.dumps(make_record_v1(1, **{"cam/image_array": "x.jpg"})).encode(), "picture missing"),
    ],
)
def test_v1_set_aside(tmp_path: Path, text: bytes, reason: str) -> None:
    """A bad record_N.json is set aside with its reason."""
    make_v1(tmp_path, 3)
    write(tmp_path, "record_1.json", text)
    tub = read(tmp_path)
    assert (indexes(tub), tub.set_aside) == ([0, 2], [SetAside(reason, "record_1.json")])


def test_lines_out_of_order(tmp_path: Path) -> None:
    """Records stay in the order of the catalog. Blank lines and Windows line ends do no harm."""
    make_v2(tmp_path, 4)
    write(tmp_path, "catalog_0.catalog", b"\r\n".join([line(3), b"", line(0), b" ", line(2), line(1)]))
    tub = read(tmp_path)
    assert (indexes(tub), tub.set_aside) == ([3, 0, 2, 1], [])


def test_index_repeated(tmp_path: Path) -> None:
    """If two records have the same index, the later one is kept: its picture replaced the earlier one."""
    make_v2(tmp_path, 2)
    write(tmp_path, "catalog_0.catalog", b"\n".join([line(0), line(1), line(0, **{"user/angle": 0.7})]))
    tub = read(tmp_path)
    assert [(record.index, record.angle) for record in tub.records] == [(1, -0.9), (0, 0.7)]
    assert tub.set_aside == [SetAside("index repeated", "catalog_0.catalog:1")]


@pytest.mark.parametrize("check_pictures", [True, False])
def test_index_repeated_without_its_picture(tmp_path: Path, check_pictures: bool) -> None:
    """A later record whose picture is missing does not replace an earlier one."""
    make_v2(tmp_path, 2)
    missing = line(0, **{"cam/image_array": "77_cam_image_array_.jpg"})
    write(tmp_path, "catalog_0.catalog", b"\n".join([line(0), line(1), missing]))
    (part,) = read(tmp_path).parts(check_pictures=check_pictures)
    assert [record.image for record in part.records] == [
        "images/0_cam_image_array_.jpg",
        "images/1_cam_image_array_.jpg",
    ]
    assert part.set_aside == [SetAside("picture missing", "catalog_0.catalog:3")]


def test_pictures_are_not_checked(tmp_path: Path) -> None:
    """Code that reads the pictures anyway can skip the check, and also gets records without a picture."""
    make_v2(tmp_path, 2)
    (tmp_path / "images" / "0_cam_image_array_.jpg").unlink()
    (part,) = read(tmp_path).parts(check_pictures=False)
    assert ([record.index for record in part.records], part.set_aside) == ([0, 1], [])


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\0" * 400,
        b'["cam/image_array"]\n["image_array"]\n{}\n{"created_at": 1.5}\n',
        b'[]\n[]\n{}\n{}\n{"paths": ["catalog_0.catalog"], "current_in',
        b'[]\n[]\n{}\n{}\n{"paths": "catalog_0.catalog", "deleted_indexes": []}\n',
        b'[]\n[]\n{}\n{}\n{"paths": ["catalog_0.catalog"], "deleted_indexes": 3}\n',
    ],
)
def test_manifest_damaged(tmp_path: Path, manifest: bytes) -> None:
    """If its manifest is damaged, a tub consists of all catalogs by number, and nothing is deleted."""
    make_v2(tmp_path, 12, max_len=1)
    write(tmp_path, "._catalog_0.catalog", b"junk")
    write(tmp_path, "manifest.json", manifest)
    tub = read(tmp_path)
    assert indexes(tub) == list(range(12))
    assert tub.set_aside == [SetAside("manifest.json damaged", "manifest.json")]


def test_manifest_missing(tmp_path: Path) -> None:
    """The catalogs show that it is a tub."""
    make_v2(tmp_path, 12, max_len=5)
    (tmp_path / "manifest.json").unlink()
    tub = read(tmp_path)
    assert indexes(tub) == list(range(12))
    assert tub.set_aside == [SetAside("manifest.json missing", "manifest.json")]


def test_catalog_too_large(tmp_path: Path) -> None:
    """A catalog that cannot be read is reported, and the others are kept."""
    make_v2(tmp_path, 4, max_len=2)
    os.truncate(str(tmp_path / "catalog_0.catalog"), 2**30)
    tub = read(tmp_path)
    assert (indexes(tub), tub.set_aside) == ([2, 3], [SetAside("catalog unreadable", "catalog_0.catalog")])


def test_not_a_tub(tmp_path: Path) -> None:
    """A folder that is not a tub is reported with the path that the user gave."""
    write(tmp_path, "images/0.jpg", jpeg())
    with pytest.raises(NotATub) as caught:
        read(tmp_path, path="~/data")
    assert caught.value.what == (
        "~/data is not a tub: it has neither manifest.json (v2) nor meta.json or record_*.json (v1)."
    )
    assert caught.value.fix == "Pass a tub or a folder of tubs to --tub."


@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_random_damage(tmp_path: Path, make: Callable[..., str]) -> None:
    """Whatever happens to the files of a tub, reading it raises no error except those for the user."""
    make(tmp_path / "whole", 4)
    dice = random.Random(5)
    for _ in range(150):
        shutil.copytree(str(tmp_path / "whole"), str(tmp_path / "tub"))
        names = sorted(FolderFiles(str(tmp_path / "tub")).names())
        for name in dice.sample(names, 2):
            path = tmp_path / "tub" / name
            data = bytearray(path.read_bytes())
            kind = dice.randrange(4)
            if kind == 0:
                path.unlink()
                continue
            if kind == 1:
                del data[dice.randrange(len(data)) :]
            for _ in range(3 if kind == 2 else 0):
                data[dice.randrange(len(data))] = dice.randrange(256)
            if kind == 3:
                at = dice.randrange(len(data))
                data[at:at] = dice.choice([b"\n", b"\0", b"{", b"NaN", b"1e999", b"9" * 5000, b'"', b"null"])
            path.write_bytes(data)
        try:
            tub = read(tmp_path / "tub")
            assert len(tub.records) <= 5
        except BadInput:
            pass
        shutil.rmtree(str(tmp_path / "tub"))


def test_records_are_estimated_without_reading_them(tmp_path: Path) -> None:
    """Lines or file names are counted, without deleted records. Bad records are found when packing."""
    (tmp_path / "v1").mkdir()
    make_v1(tmp_path / "v1", 3)
    assert read(tmp_path / "v1").estimate_records() == 3
    (tmp_path / "v2").mkdir()
    tub = read(make_v2(tmp_path / "v2", 8, deleted=[2, 4], lines={4: b"{"}))
    assert (tub.estimate_records(), len(tub.records)) == (6, 6)
