"""Tubs packed into shards, and read back."""

import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

from donkey_sagemaker.tubs.files import FolderFiles, tubs_in_shards
from donkey_sagemaker.tubs.reader import Tub, read_tub
from donkey_sagemaker.tubs.shards import PackReport, Shard, pack
from tub_factory import jpeg, make_record_v2, make_v1, make_v2, write, write_manifest, write_record_v1

REAL_TUBS = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data")


def read(folder: Any) -> Tub:
    return read_tub(FolderFiles(str(folder)), name="tub")


def pack_all(folder: Any, **settings: Any) -> Tuple[List[Shard], PackReport]:
    """(every shard, the report) of the tub *folder*."""
    report = PackReport()
    return list(pack(read(folder), report=report, **settings)), report


def digests(folder: Any, **settings: Any) -> Dict[str, str]:
    return {shard.name: shard.sha256 for shard in pack_all(folder, **settings)[0]}


def changed(before: Dict[str, str], after: Dict[str, str]) -> List[str]:
    return sorted(name for name in set(before) | set(after) if before.get(name) != after.get(name))


def names_in(shard: Shard) -> List[str]:
    with zipfile.ZipFile(io.BytesIO(shard.body)) as archive:
        return archive.namelist()


def save(shards: List[Shard], folder: Any) -> List[str]:
    paths = []
    for shard in shards:
        paths.append(str(folder / (shard.sha256 + ".zip")))
        with open(paths[-1], "wb") as file:
            file.write(shard.body)
    return paths


def add_records_v2(folder: Any, first: int, last: int) -> None:
    """Adds records like donkeycar does when it continues to drive in a tub with one catalog."""
    with (folder / "catalog_0.catalog").open("ab") as catalog:
        for index in range(first, last):
            write(folder, f"images/{index}_cam_image_array_.jpg", jpeg(comment=str(index)))
            catalog.write(json.dumps(make_record_v2(index), sort_keys=True).encode() + b"\n")
    write_manifest(folder, ["catalog_0.catalog"], records=last)


@pytest.mark.parametrize("shard_bytes", [1, 1000, 8 * 2**20])
@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_round_trip(tmp_path: Path, make: Callable[..., str], shard_bytes: int) -> None:
    """The shards of a tub can be read as the same tub, and contain nothing more."""
    folder = make(tmp_path / "made", 20)
    write(folder, "images/99_cam_image_array_.jpg", jpeg())
    write(folder, "99_cam-image_array_.jpg", jpeg())
    write(folder, "notes.txt", b"my own")
    shards, report = pack_all(folder, shard_bytes=shard_bytes)
    packed = read_tub(tubs_in_shards(save(shards, tmp_path))["tub"], name="tub")
    assert (packed.records, packed.set_aside) == (read(folder).records, [])
    assert all(names_in(shard) for shard in shards)
    assert report.records == sum(shard.records for shard in shards) == 20
    assert report.bytes == sum(len(shard.body) for shard in shards)
    assert not any("99_" in name or "notes" in name for name in packed.files.names())


def test_a_shard(tmp_path: Path) -> None:
    """A shard is an uncompressed zip with the digest of its bytes, which are the same on every computer."""
    shards, _ = pack_all(make_v2(tmp_path, 2))
    assert [(shard.name, shard.sha256, shard.records) for shard in shards] == [
        ("tub/catalog_0", "5ba5d8ec270d9039673a2e83b4522833f709c8893b1253bae6fdee579d67bdb4", 2),
        ("tub/manifest", "75b5c606038a952e7c80abd9fadd1e173f42835187aa48d6547d54afb843f7f6", 0),
    ]
    assert [hashlib.sha256(shard.body).hexdigest() for shard in shards] == [shard.sha256 for shard in shards]
    with zipfile.ZipFile(io.BytesIO(shards[0].body)) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == [
        "tub/images/0_cam_image_array_.jpg",
        "tub/images/1_cam_image_array_.jpg",
        "tub/catalog_0.catalog",
        "tub/catalog_0.catalog_manifest",
    ]
    assert {(i.compress_type, i.date_time, i.create_system, i.external_attr, i.flag_bits) for i in infos} == {
        (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 3, 0o100644 << 16, 0)
    }


def test_shards_of_v1(tmp_path: Path) -> None:
    """A v1 shard contains each picture with its record, for at most a thousand indexes."""
    make_v1(tmp_path, 3, first=998)
    write(tmp_path, "exclude.json", b"[]")
    shards, _ = pack_all(tmp_path)
    assert [(shard.name, names_in(shard)) for shard in shards] == [
        (
            "tub/records_0-999",
            [
                "tub/998_cam-image_array_.jpg",
                "tub/record_998.json",
                "tub/999_cam-image_array_.jpg",
                "tub/record_999.json",
            ],
        ),
        ("tub/records_1000-1999", ["tub/1000_cam-image_array_.jpg", "tub/record_1000.json"]),
        ("tub/manifest", ["tub/meta.json", "tub/exclude.json"]),
    ]


def test_growing_catalog(tmp_path: Path) -> None:
    """Driving more changes the last shard of the last catalog, and the manifest."""
    make_v2(tmp_path, 10)
    before = digests(tmp_path, shard_bytes=1000)
    add_records_v2(tmp_path, 10, 11)
    after = digests(tmp_path, shard_bytes=1000)
    assert len(before) > 3
    last = max(name for name in after if "catalog" in name)
    assert changed(before, after) == [last, "tub/manifest"]


def test_new_catalog(tmp_path: Path) -> None:
    """A new catalog does not change the shards of the others."""
    before = digests(make_v2(tmp_path, 4, max_len=2))
    after = digests(make_v2(tmp_path, 5, max_len=2))
    assert changed(before, after) == ["tub/catalog_2", "tub/manifest"]


def test_growing_v1(tmp_path: Path) -> None:
    """Driving more in a v1 tub changes its last shard."""
    before = digests(make_v1(tmp_path, 10), shard_bytes=1000)
    after = digests(make_v1(tmp_path, 11), shard_bytes=1000)
    assert len(before) > 3
    assert changed(before, after) == [max(name for name in after if "records" in name)]


def test_deletion(tmp_path: Path) -> None:
    """A deletion, even of a bad record, changes only the manifest. Deleted records are not reported."""
    bad = json.dumps(make_record_v2(3, **{"user/angle": "left"})).encode()
    make_v2(tmp_path, 5, lines={3: bad})
    write(tmp_path, "images/2_cam_image_array_.jpg", b"")
    before = digests(tmp_path)
    write_manifest(tmp_path, ["catalog_0.catalog"], records=5, deleted=[1, 2, 3])
    assert changed(before, digests(tmp_path)) == ["tub/manifest"]
    shards, report = pack_all(tmp_path)
    assert "tub/images/1_cam_image_array_.jpg" in names_in(shards[0])
    assert (report.records, report.deleted, report.set_aside) == (2, 1, {})


def test_deletion_v1(tmp_path: Path) -> None:
    """A deletion in a v1 tub changes only its manifest."""
    before = digests(make_v1(tmp_path, 3))
    write(tmp_path, "exclude.json", b"[1]")
    assert changed(before, digests(tmp_path)) == ["tub/manifest"]


def test_bad_pictures_v2(tmp_path: Path) -> None:
    """Bad pictures are not packed. They are counted by reason, with the first few as examples."""
    make_v2(tmp_path, 10)
    for index in range(4):
        write(tmp_path, f"images/{index}_cam_image_array_.jpg", b"")
    write(tmp_path, "images/4_cam_image_array_.jpg", jpeg()[:-2])
    write(tmp_path, "images/5_cam_image_array_.jpg", b"GIF89a")
    os.truncate(str(tmp_path / "images/6_cam_image_array_.jpg"), 2**30)
    (tmp_path / "images/7_cam_image_array_.jpg").unlink()
    shards, report = pack_all(tmp_path)
    assert (report.records, shards[0].records) == (2, 2)
    assert report.set_aside == {
        "picture empty": 4,
        "picture truncated": 1,
        "not a picture": 1,
        "picture unreadable": 1,
        "picture missing": 1,
    }
    assert report.examples["picture empty"] == [
        f"tub/images/{index}_cam_image_array_.jpg" for index in range(3)
    ]
    assert [name for name in names_in(shards[0]) if "images" in name] == [
        "tub/images/8_cam_image_array_.jpg",
        "tub/images/9_cam_image_array_.jpg",
    ]


def test_bad_records_v1(tmp_path: Path) -> None:
    """Neither the picture nor the JSON of a bad v1 record is packed."""
    make_v1(tmp_path, 3)
    write(tmp_path, "0_cam-image_array_.jpg", b"")
    write_record_v1(tmp_path, 1, **{"user/angle": None})
    shards, report = pack_all(tmp_path)
    assert names_in(shards[0]) == ["tub/2_cam-image_array_.jpg", "tub/record_2.json"]
    assert report.set_aside == {"picture empty": 1, "angle missing": 1}


def test_picture_vanishes(tmp_path: Path) -> None:
    """A picture that is deleted between reading and packing is set aside."""
    make_v2(tmp_path, 2, max_len=1)
    report = PackReport()
    tub = read(tmp_path)

    class Vanishing(FolderFiles):
        def __contains__(self, name: Any) -> bool:
            return True

    tub.files = Vanishing(str(tmp_path))
    (tmp_path / "images" / "1_cam_image_array_.jpg").unlink()
    shards = list(pack(tub, report=report))
    assert [shard.records for shard in shards] == [1, 0, 0]
    assert report.examples == {"picture missing": ["tub/images/1_cam_image_array_.jpg"]}


def test_damage_is_reported(tmp_path: Path) -> None:
    """Damage to the manifest is in the report as well."""
    make_v2(tmp_path, 1)
    write(tmp_path, "manifest.json", b"")
    report = pack_all(tmp_path)[1]
    assert (report.records, report.examples) == (1, {"manifest.json damaged": ["tub/manifest.json"]})


def test_other_size(tmp_path: Path) -> None:
    """Pictures that do not have the expected size are counted, without deleted ones."""
    make_v2(tmp_path, 4, deleted=[0])
    for index in (0, 1):
        write(tmp_path, f"images/{index}_cam_image_array_.jpg", jpeg((32, 24)))
    assert pack_all(tmp_path, size=(16, 12))[1].other_size == 1
    assert pack_all(tmp_path)[1].other_size == 0


def test_one_picture_of_two_records(tmp_path: Path) -> None:
    """A picture that belongs to two records is in the shard once."""
    make_v2(tmp_path, 2, lines={1: json.dumps(dict(make_record_v2(0), _index=1)).encode()})
    shards, report = pack_all(tmp_path)
    assert (report.records, len(names_in(shards[0]))) == (2, 3)


def test_shard_sizes(tmp_path: Path) -> None:
    """The pictures in a shard are limited in size. A larger picture gets a shard of its own."""
    make_v2(tmp_path, 30)
    write(tmp_path, "images/10_cam_image_array_.jpg", jpeg((1600, 1200)))
    shards, _ = pack_all(tmp_path, shard_bytes=4000)
    large = [shard for shard in shards if len(shard.body) > 10000]
    assert [names_in(shard) for shard in large] == [["tub/images/10_cam_image_array_.jpg"]]
    others = [len(shard.body) for shard in shards if shard not in large]
    assert max(others[:-2]) < 4000 + 3000  # the pictures, and the directory of the zip


def test_a_tub_is_never_written_to(tmp_path: Path) -> None:
    """Packing changes no file or folder."""
    make_v2(tmp_path, 3)

    def snapshot() -> List[Tuple[str, int, int]]:
        paths = [tmp_path] + sorted(tmp_path.rglob("*"))
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths]

    before = snapshot()
    pack_all(tmp_path)
    assert snapshot() == before


@pytest.mark.parametrize(
    "archive, records",
    [("tub_v1_lobby.tar.gz", 3983), ("tub_v2_kerb.tar.gz", 5854), ("tub_v2_track.tar.gz", 1000)],
)
def test_real_tubs(tmp_path: Path, archive: str, records: int) -> None:
    """Tubs from real cars are packed and read back with every record."""
    path = os.path.join(REAL_TUBS, archive)
    if not os.path.exists(path):
        pytest.skip("the recorded tubs are not available")
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:  # a folder has none
                write(tmp_path, member.name, file.read())
    folder = str(tmp_path / "tub")
    shards, report = pack_all(folder, size=(160, 120))
    assert (report.records, report.other_size, report.set_aside) == (records, 0, {})
    packed = read_tub(tubs_in_shards(save(shards, tmp_path))["tub"], name="tub")
    assert packed.records == read(folder).records
    first = packed.records[0].image
    assert packed.files.read(first) == FolderFiles(folder).read(first)
