"""Catalogs of more than 16 MiB, as a lidar makes them, and tubs that have lost their manifest."""

import json
import zipfile
from pathlib import Path
from typing import List

import pytest

from donkey_sagemaker.tubs import files, lines, reader
from donkey_sagemaker.tubs.files import MAX_FILE_BYTES, BrokenZip, FolderFiles, most_bytes, tubs_in_shards
from donkey_sagemaker.tubs.lines import Block, make_blocks, read_lines
from donkey_sagemaker.tubs.reader import SetAside, Tub, read_tub
from donkey_sagemaker.tubs.shards import PackReport, pack
from tub_factory import jpeg, make_record_v2, make_v2, write, write_manifest


def write_catalog(folder: Path, indexes: List[int], *, scan: int = 0) -> None:
    records = [dict(make_record_v2(index), scan="0" * scan) for index in indexes]
    text = "".join(json.dumps(record) + "\n" for record in records)
    write(folder, "catalog_0.catalog", text.encode())
    write_manifest(folder, ["catalog_0.catalog"], records=len(records))
    for index in set(indexes):
        write(folder, f"images/{index}_cam_image_array_.jpg", jpeg(comment=str(index)))


def read(folder: Path) -> Tub:
    return read_tub(FolderFiles(str(folder)), name="tub")


def pack_to_disk(folder: Path, tub: Tub) -> List[str]:
    """The paths of the tub's shards."""
    paths = []
    for number, shard in enumerate(pack(tub, report=PackReport())):
        paths.append(str(folder / f"{number}.zip"))
        write(folder, f"{number}.zip", bytes(shard.body))
    return paths


def test_a_lidars_catalog(tmp_path: Path) -> None:
    """It is read in several parts, packed with all its records, and read again by the trainer."""
    write_catalog(tmp_path / "tub", list(range(60)), scan=300000)
    size = (tmp_path / "tub" / "catalog_0.catalog").stat().st_size
    assert size > MAX_FILE_BYTES
    tub = read(tmp_path / "tub")
    assert (tub.estimate_records(), tub.set_aside) == (60, [])
    parts = list(tub.parts())
    assert [part.name for part in parts] == ["catalog_0", "catalog_0-part-2"]
    assert [list(part.texts) for part in parts] == [[], ["catalog_0.catalog"]]
    assert [record.index for record in tub.records] == list(range(60))
    shards = tubs_in_shards(pack_to_disk(tmp_path, tub))["tub"]
    assert len(read_tub(shards, name="tub").records) == 60


def test_parts_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an index is repeated, a line is damaged, or the last line has no end."""
    write_catalog(tmp_path, [0, 1, 2, 3, 1, 4, 2])
    with (tmp_path / "catalog_0.catalog").open("ab") as file:
        file.write(b'\n{"_index": 3}\nnot JSON\n\n' + json.dumps(make_record_v2(0)).encode())
    whole = read(tmp_path)
    records, set_aside = whole.records, whole.set_aside
    assert [record.index for record in records] == [3, 1, 4, 2, 0]
    assert SetAside("index repeated", "catalog_0.catalog:1") in set_aside and len(set_aside) == 5
    for block_bytes in (1, 250, 700):
        monkeypatch.setattr(lines, "BLOCK_BYTES", block_bytes)
        divided = read(tmp_path)
        assert divided.records == records
        assert sorted(divided.set_aside) == sorted(set_aside)


@pytest.mark.parametrize("text", [b"", b"\n", b"one\ntwo\nthree", b"one\n\n\ntwo\n"])
def test_lines(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the blocks, the lines and their numbers are those of the whole text."""
    expected = list(enumerate(text.split(b"\n"), 1))
    for block_bytes in range(1, 9):
        monkeypatch.setattr(lines, "BLOCK_BYTES", block_bytes)
        blocks = make_blocks(text)
        assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
        found = [line for block in blocks for line in read_lines(text, block)]
        assert found == [line for line in expected if line != (len(expected), b"")]
    assert list(read_lines(text, Block(0, len(text), 1))) == found


def test_a_record_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out and reported with its line; the others count."""
    monkeypatch.setattr(reader, "MAX_RECORD_BYTES", 400)
    write_catalog(tmp_path, [0, 1])
    huge = json.dumps(dict(make_record_v2(2), scan="x" * 400))
    with (tmp_path / "catalog_0.catalog").open("a") as file:
        file.write(huge + "\n")
    tub = read(tmp_path)
    assert [record.index for record in tub.records] == [0, 1]
    assert tub.set_aside == [SetAside("record too large", "catalog_0.catalog:3")]


def test_a_catalog_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set aside, because all of it would be in memory."""
    assert most_bytes("catalog_0.catalog") == 2**28
    monkeypatch.setattr(files, "MAX_CATALOG_BYTES", 2**17)
    write_catalog(tmp_path, [0])
    with (tmp_path / "catalog_0.catalog").open("r+b") as file:
        file.truncate(2**17 + 1)
    assert read(tmp_path).set_aside == [SetAside("catalog unreadable", "catalog_0.catalog")]


def test_only_a_catalog_may_be_large(tmp_path: Path) -> None:
    """A manifest, a picture or a file of another name has the limit of before."""
    write(tmp_path, "manifest.json", b" " * (MAX_FILE_BYTES + 1))
    write(tmp_path, "catalog_0.catalog", b"\n")
    assert SetAside("manifest.json unreadable", "manifest.json") in read(tmp_path).set_aside
    bomb = "tub/images/catalog_0.catalog.jpg"
    with zipfile.ZipFile(str(tmp_path / "bomb.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tub/manifest.json", "{}")
        archive.writestr(bomb, b"\0" * (MAX_FILE_BYTES + 1))
    with pytest.raises(BrokenZip):
        tubs_in_shards([str(tmp_path / "bomb.zip")])


def test_a_tub_without_its_manifest_reaches_the_trainer(tmp_path: Path) -> None:
    """Its shards have no manifest either."""
    make_v2(tmp_path / "tub", 5)
    (tmp_path / "tub" / "manifest.json").unlink()
    tub = read(tmp_path / "tub")
    assert tub.set_aside == [SetAside("manifest.json missing", "manifest.json")]
    shards = tubs_in_shards(pack_to_disk(tmp_path, tub))["tub"]
    assert [record.index for record in read_tub(shards, name="tub").records] == [0, 1, 2, 3, 4]
