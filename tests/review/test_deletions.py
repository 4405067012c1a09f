"""Records are marked as deleted as donkeycar does it, and restored."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable, List

import pytest

from donkey_sagemaker.review.deletions import (
    UNDO_NAME,
    ManifestUnusable,
    UndoDamaged,
    delete_records,
    restore_records,
)
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import Tub, read_tub
from tub_factory import make_v1, make_v2, write_manifest, write_record_v1

READ_V2 = """
import sys
from donkeycar.parts.tub_v2 import Tub
tub = Tub(sys.argv[1], read_only=True)
print("read:", [record["_index"] for record in tub])
"""
READ_V1 = """
import sys
from donkeycar.parts.datastore import Tub
tub = Tub(sys.argv[1])
print("read:", sorted(tub.get_index(shuffled=False)))
"""


def read(path: Any) -> Tub:
    return read_tub(FolderFiles(str(path)), name="tub")


def delete(path: Any, *indexes: int) -> None:
    delete_records(str(path), read(path), set(indexes))


def restore(path: Any) -> Any:
    return restore_records(str(path), read(path))


def kept(path: Any) -> List[int]:
    return [record.index for record in read(path).records]


def content(path: Path) -> dict:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("make", [make_v1, make_v2], ids=["v1", "v2"])
def test_what_was_deleted_is_restored_byte_for_byte(make: Callable[..., str], tmp_path: Path) -> None:
    """No file of a record is touched, and nothing is left behind."""
    make(tmp_path / "tub", 10)
    if make is make_v2:  # as another program writes JSON
        manifest = tmp_path / "tub" / "manifest.json"
        manifest.write_bytes(manifest.read_bytes().replace(b": ", b":  ").replace(b"\n", b"\r\n"))
    before = content(tmp_path / "tub")
    delete(tmp_path / "tub", 2, 3, 7)
    assert kept(tmp_path / "tub") == [0, 1, 4, 5, 6, 8, 9]
    after = content(tmp_path / "tub")
    assert {name for name in before if after.get(name) != before[name]} <= {"manifest.json"}
    assert restore(tmp_path / "tub") == 3
    assert content(tmp_path / "tub") == before
    assert restore(tmp_path / "tub") is None


@pytest.mark.parametrize("name", ["manifest.json", "exclude.json"])
def test_the_previous_list_is_kept_beside_it(name: str, tmp_path: Path) -> None:
    """With what the owner had deleted before, which stays deleted."""
    if name == "exclude.json":
        make_v1(tmp_path, 10)
        (tmp_path / name).write_text("[1]")
    else:
        make_v2(tmp_path, 10, deleted=[1])
    before = (tmp_path / name).read_bytes()
    delete(tmp_path, 1, 2)
    assert (tmp_path / (name + ".previous")).read_bytes() == before
    assert kept(tmp_path) == [0, 3, 4, 5, 6, 7, 8, 9]
    assert restore(tmp_path) == 1
    assert kept(tmp_path) == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("make", [make_v1, make_v2], ids=["v1", "v2"])
def test_each_call_undoes_one_deletion(make: Callable[..., str], tmp_path: Path) -> None:
    """The last one first."""
    make(tmp_path, 10)
    delete(tmp_path, 2)
    delete(tmp_path, 2, 5)
    assert restore(tmp_path) == 1 and 5 in kept(tmp_path) and 2 not in kept(tmp_path)
    assert restore(tmp_path) == 1 and kept(tmp_path) == list(range(10))


def test_a_tub_that_has_grown_meanwhile_loses_nothing(tmp_path: Path) -> None:
    """What was recorded, and what was deleted elsewhere, stays as it is."""
    make_v2(tmp_path, 10)
    delete(tmp_path, 2)
    make_v2(tmp_path, 12)
    write_manifest(tmp_path, ["catalog_0.catalog"], records=12, deleted=[2, 4])
    assert restore(tmp_path) == 1
    assert kept(tmp_path) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    make_v1(tmp_path / "old", 3)
    delete(tmp_path / "old", 1)
    write_record_v1(tmp_path / "old", 0)
    (tmp_path / "old" / "exclude.json").write_text("[0, 1]")
    assert restore(tmp_path / "old") == 1 and kept(tmp_path / "old") == [1, 2]


def test_an_interrupted_deletion_can_be_undone(tmp_path: Path) -> None:
    """The power went off after the undo was written: nothing is deleted, and nothing is lost."""
    make_v2(tmp_path, 10)
    before = (tmp_path / "manifest.json").read_bytes()
    delete(tmp_path, 2)
    (tmp_path / "manifest.json").write_bytes(before)
    assert restore(tmp_path) == 0
    assert kept(tmp_path) == list(range(10))


@pytest.mark.parametrize("damage", ["missing", "damaged", "odd", "a link"])
def test_a_manifest_that_cannot_be_read_is_not_replaced(damage: str, tmp_path: Path) -> None:
    """Nor is a file outside of the tub, where a link leads."""
    make_v2(tmp_path / "tub", 10)
    manifest = tmp_path / "tub" / "manifest.json"
    if damage == "a link":
        manifest.rename(tmp_path / "outside.json")
        manifest.symlink_to(tmp_path / "outside.json")
    elif damage == "odd":
        manifest.write_bytes(manifest.read_bytes().replace(b'"deleted_indexes": []', b'"deleted_indexes": 7'))
    elif damage == "damaged":
        manifest.write_text("{}\n[")
    else:
        manifest.unlink()
    before = content(tmp_path)
    with pytest.raises(ManifestUnusable) as error:
        delete(tmp_path / "tub", 2)
    assert error.value.what == f"Nothing was deleted: {manifest} is missing or damaged."
    assert content(tmp_path) == before


def test_a_damaged_list_of_a_v1_tub_is_not_replaced(tmp_path: Path) -> None:
    """It may list what the owner has deleted."""
    make_v1(tmp_path, 10)
    (tmp_path / "exclude.json").write_text("[1, 2")
    with pytest.raises(ManifestUnusable):
        delete(tmp_path, 2)
    assert (tmp_path / "exclude.json").read_text() == "[1, 2"


@pytest.mark.parametrize("text", ["[", "{}", '{"steps": [{"time": 1, "ranges": [[5, 2]]}]}', '{"steps": 7}'])
def test_an_undo_that_somebody_else_wrote(text: str, tmp_path: Path) -> None:
    """Neither undone nor written over."""
    make_v2(tmp_path, 10)
    (tmp_path / UNDO_NAME).write_text(text)
    before = content(tmp_path)
    for call in (lambda: delete(tmp_path, 2), lambda: restore(tmp_path)):
        with pytest.raises(UndoDamaged):
            call()
    assert content(tmp_path) == before


def test_donkeycar_reads_what_was_deleted(tmp_path: Path, generation_python: Callable[[str], str]) -> None:
    """Its own Tub, of version 5.3, leaves out exactly these records."""
    make_v2(tmp_path, 10, max_len=4)
    delete(tmp_path, 2, 3, 9)
    assert donkeycar_reads(generation_python("dk53"), READ_V2, tmp_path) == "[0, 1, 4, 5, 6, 7, 8]"
    restore(tmp_path)
    assert donkeycar_reads(generation_python("dk53"), READ_V2, tmp_path) == str(list(range(10)))


@pytest.mark.generations
def test_donkeycar_2_still_reads_a_tub_with_deletions(
    tmp_path: Path, generation_python: Callable[[str], str]
) -> None:
    """It knows no deleted records, and must not stumble over the files that mark them."""
    make_v1(tmp_path, 10, first=1)
    delete(tmp_path, 2, 3)
    assert donkeycar_reads(generation_python("dk22"), READ_V1, tmp_path) == str(list(range(1, 11)))
    assert os.path.exists(str(tmp_path / "exclude.json"))
    assert json.loads((tmp_path / "exclude.json").read_text()) == [2, 3]


def donkeycar_reads(python: str, program: str, path: Path) -> str:
    out = subprocess.check_output([python, "-c", program, str(path)], stderr=subprocess.DEVNULL).decode()
    (line,) = [line for line in out.splitlines() if line.startswith("read: ")]
    return line[len("read: ") :]
