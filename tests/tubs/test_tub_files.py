"""The files of a tub, in a folder or in zips."""

import os
import random
import shutil
import struct
import threading
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Tuple

import pytest

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.files import (
    MAX_FILE_BYTES,
    BrokenZip,
    FolderFiles,
    NoTubInZips,
    UnreadableFolder,
    UnsafeEntry,
    tubs_in_shards,
)
from donkey_sagemaker.tubs.paths import find_tubs
from donkey_sagemaker.tubs.reader import read_tub
from tub_factory import make_v1, make_v2, write


def make_zip(path: Path, entries: Iterable[Tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(str(path), "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return str(path)


def tree(folder: Any, prefix: str = "") -> Iterator[Tuple[str, bytes]]:
    """(prefix + path, bytes) of every file below *folder*."""
    for place, _, names in os.walk(str(folder)):
        for name in sorted(names):
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                yield prefix + os.path.relpath(path, str(folder)).replace(os.sep, "/"), file.read()


def test_folder(tmp_path: Path) -> None:
    """Only the files directly in the folder and those in its images/ exist."""
    write(tmp_path, "manifest.json", b"[]")
    write(tmp_path, "images/1.jpg", b"one")
    write(tmp_path, "other/2.jpg", b"two")
    files = FolderFiles(str(tmp_path))
    assert sorted(files.names()) == ["images/1.jpg", "manifest.json"]
    assert "images/1.jpg" in files and "images/2.jpg" not in files and "images" not in files
    assert files.read("images/1.jpg") == b"one"
    with pytest.raises(FileNotFoundError):
        files.read("images/2.jpg")


def test_folder_gone(tmp_path: Path) -> None:
    """A folder that cannot be listed is an error that the user can fix."""
    with pytest.raises(UnreadableFolder) as caught:
        list(FolderFiles(str(tmp_path / "no")).names())
    assert caught.value.what == f"The folder {tmp_path / 'no'} cannot be read: No such file or directory."
    assert caught.value.fix == (
        f"Check that it exists and that you have permission to read it: `ls -ld {tmp_path / 'no'}`"
    )


def test_file_too_large(tmp_path: Path) -> None:
    """A file that is too large for a tub is not read into memory."""
    with (tmp_path / "big.jpg").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(OSError):
        FolderFiles(str(tmp_path)).read("big.jpg")


def test_file_of_many_blocks(tmp_path: Path) -> None:
    """A file of any size up to the limit is read completely."""
    data = os.urandom(2**16)
    for size in (0, 1, 2**16, MAX_FILE_BYTES - 1, MAX_FILE_BYTES):
        write(tmp_path, "file", (data * (1 + size // len(data)))[:size])
        assert FolderFiles(str(tmp_path)).read("file") == (tmp_path / "file").read_bytes()


def test_pipes_and_folders(tmp_path: Path) -> None:
    """Reading does not wait for a pipe, and a folder is not a file."""
    os.mkfifo(str(tmp_path / "pipe"))
    (tmp_path / "folder").mkdir()
    assert FolderFiles(str(tmp_path)).read("pipe") == b""
    with pytest.raises(IsADirectoryError):
        FolderFiles(str(tmp_path)).read("folder")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("prefix", ["tub/", "./tub/", "data/old/tub/", "", "./"])
@pytest.mark.parametrize("make", [make_v1, make_v2])
def test_any_zip_of_a_tub(tmp_path: Path, make: Callable[..., str], prefix: str, method: int) -> None:
    """A tub is found at any depth in a zip, among other files. It is named after its folder or the zip."""
    make(tmp_path / "made", 3)
    entries = [("__MACOSX/tub/._manifest.json", b"x"), (prefix + "._meta.json", b"x"), ("readme.txt", b"x")]
    if prefix:
        entries += [(prefix, b""), (prefix + "images/", b"")]
    path = make_zip(tmp_path / "drive.zip", entries + list(tree(tmp_path / "made", prefix)), method)
    tubs = tubs_in_shards([path])
    name = "tub" if prefix.endswith("tub/") else "drive"
    assert list(tubs) == [name]
    expected = read_tub(FolderFiles(str(tmp_path / "made")), name="tub")
    assert read_tub(tubs[name], name="tub").records == expected.records
    assert "images" not in tubs[name]
    for file in FolderFiles(str(tmp_path / "made")).names():
        assert tubs[name].read(file) == (tmp_path / "made" / file).read_bytes()


def test_zips_over_each_other(tmp_path: Path) -> None:
    """A tub has the files of all its zips. The last zip takes precedence."""
    first = make_zip(
        tmp_path / "1.zip", [("t/meta.json", b"{}"), ("t/record_0.json", b"old"), ("t/a.jpg", b"a")]
    )
    second = make_zip(tmp_path / "2.zip", [("t/record_0.json", b"new")])
    files = tubs_in_shards([first, second])["t"]
    assert sorted(files.names()) == ["a.jpg", "meta.json", "record_0.json"]
    assert (files.read("record_0.json"), files.read("a.jpg")) == (b"new", b"a")
    with pytest.raises(FileNotFoundError):
        files.read("b.jpg")


def test_several_tubs(tmp_path: Path) -> None:
    """Tubs are in natural order. Tubs or zips with the same name stay separate."""
    entries = [(f"{root}/meta.json", root.encode()) for root in ("a/t_10", "a/t_2", "b/t_2")]
    one = make_zip(tmp_path / "one.zip", entries)
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        make_zip(tmp_path / folder / "data.zip", [("meta.json", folder.encode())])
    tubs = tubs_in_shards([one, str(tmp_path / "x" / "data.zip"), str(tmp_path / "y" / "data.zip")])
    plain = {name: files.read("meta.json") for name, files in tubs.items() if "-" not in name}
    assert plain == {"data": b"x", "t_2": b"a/t_2", "t_10": b"a/t_10"}
    assert sorted(files.read("meta.json") for name, files in tubs.items() if "-" in name) == [b"b/t_2", b"y"]


@pytest.mark.parametrize(
    "name", ["/t/meta.json", "../meta.json", "t/../../meta.json", "t\\meta.json", "C:meta.json"]
)
def test_unsafe_entry(tmp_path: Path, name: str) -> None:
    """A name that points outside of the folder is an error."""
    path = make_zip(tmp_path / "bad.zip", [("t/meta.json", b"{}"), (name, b"x")])
    with pytest.raises(UnsafeEntry) as caught:
        tubs_in_shards([path])
    assert caught.value.what == f"{path} contains an entry with an unsafe name: {name!r}."
    assert caught.value.fix == "Zip the tub's folder again with plain relative names."


def test_nul_in_a_name(tmp_path: Path) -> None:
    """A NUL in a name, where some programs cut it off, is an error."""
    path = make_zip(tmp_path / "bad.zip", [("t/meta.json", b"{}"), ("t/a_.jpg", b"x")])
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(b"t/a_.jpg", b"t/a\0.jpg"))
    with pytest.raises(UnsafeEntry) as caught:
        tubs_in_shards([path])
    assert caught.value.what == f"{path} contains an entry with an unsafe name: 't/a\\x00.jpg'."


def test_not_a_zip(tmp_path: Path) -> None:
    """The message contains the path of a file that is not a zip."""
    path = tmp_path / "tub.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(BrokenZip) as caught:
        tubs_in_shards([str(path)])
    assert caught.value.what == f"{path} is not a usable zip file: File is not a zip file."
    assert caught.value.fix == "Create the zip file again, or upload it again."


def test_damaged_entry(tmp_path: Path) -> None:
    """If the bytes of a file changed, it is never returned."""
    path = make_zip(tmp_path / "t.zip", [("t/meta.json", b"{}"), ("t/a.jpg", b"picture")], zipfile.ZIP_STORED)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(b"picture", b"Picture"))
    with pytest.raises(BrokenZip) as caught:
        tubs_in_shards([path])["t"].read("a.jpg")
    assert caught.value.what == f"{path} is not a usable zip file: 'a.jpg' is damaged."


def test_zip_bomb(tmp_path: Path) -> None:
    """An entry that could fill the memory is an error, unless it does not belong to a tub."""
    bomb = b"\0" * (MAX_FILE_BYTES + 1)
    fine = make_zip(tmp_path / "fine.zip", [("models/pilot.h5", bomb), ("t/meta.json", b"{}")])
    assert list(tubs_in_shards([fine])) == ["t"]
    path = make_zip(tmp_path / "bomb.zip", [("t/meta.json", b"{}"), ("t/a.jpg", bomb)])
    with pytest.raises(BrokenZip) as caught:
        tubs_in_shards([path])
    assert caught.value.what == (
        f"{path} is not a usable zip file: 't/a.jpg' has more than 16777216 bytes, which is "
        "too large for a file of a tub."
    )


def test_understated_size(tmp_path: Path) -> None:
    """An entry that is larger than its header says is not unzipped."""
    path = make_zip(tmp_path / "t.zip", [("t/meta.json", b"{}"), ("t/a.jpg", b"\0" * 10**6)])
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(struct.pack("<I", 10**6), struct.pack("<I", 10)))
    with pytest.raises(BrokenZip) as caught:
        tubs_in_shards([path])["t"].read("a.jpg")
    assert caught.value.what == f"{path} is not a usable zip file: 'a.jpg' is damaged."


def test_other_compression(tmp_path: Path) -> None:
    """An unsupported compression is reported."""
    path = make_zip(tmp_path / "t.zip", [("t/meta.json", b"{}")], zipfile.ZIP_BZIP2)
    with pytest.raises(BrokenZip) as caught:
        tubs_in_shards([path])
    assert caught.value.what == (
        f"{path} is not a usable zip file: 't/meta.json' is encrypted or compressed in an unsupported way."
    )


def test_no_tub(tmp_path: Path) -> None:
    """The messages differ for zips without a tub and for no zips at all."""
    path = make_zip(tmp_path / "t.zip", [("readme.txt", b"")])
    with pytest.raises(NoTubInZips) as caught:
        tubs_in_shards([path])
    assert caught.value.what == f"There is no tub in these zip files: {path}."
    with pytest.raises(NoTubInZips) as caught:
        tubs_in_shards([])
    assert caught.value.what == "There is no zip file in the train channel."


def test_threads(tmp_path: Path) -> None:
    """Many threads can read the same zip at the same time."""
    entries = [(f"t/{i}.jpg", str(i).encode() * 999) for i in range(50)]
    path = make_zip(tmp_path / "t.zip", [("t/meta.json", b"{}")] + entries)
    files = tubs_in_shards([path])["t"]
    wrong = []

    def read_all() -> None:
        for name, data in entries:
            if files.read(name[2:]) != data:
                wrong.append(name)

    threads = [threading.Thread(target=read_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("seed", range(4))
def test_damaged_zips(tmp_path: Path, seed: int) -> None:
    """A zip with wrong bytes anywhere can be read, or raises no error except those for the user."""
    make_v2(tmp_path / "made", 3)
    path = make_zip(tmp_path / "t.zip", tree(tmp_path / "made", "t/"))
    shutil.copy(path, str(tmp_path / "whole.zip"))
    whole = (tmp_path / "whole.zip").read_bytes()
    dice = random.Random(seed)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 4])):
            data[dice.randrange(len(data))] = dice.choice([0, 0xFF, dice.randrange(256)])
        with open(path, "wb") as file:
            file.write(data[: dice.choice([len(data), dice.randrange(len(data))])])
        try:
            for name, files in tubs_in_shards([path]).items():
                list(read_tub(files, name=name).parts())
                for member in files.names():
                    files.read(member)
        except BadInput:
            pass


@pytest.mark.skipif(os.name == "nt", reason="links need a permission on Windows")
@pytest.mark.parametrize("name", ["manifest.json", "catalog_0.catalog", "images/0_cam_image_array_.jpg"])
def test_a_link_out_of_the_tub_is_not_followed(tmp_path: Path, name: str) -> None:
    """A tub that somebody else made must not upload this computer's files; a link inside the tub is fine."""
    make_v2(tmp_path / "tub", 3)
    path, secret = tmp_path / "tub" / name, tmp_path / "secret"
    secret.write_bytes(path.read_bytes())
    path.rename(tmp_path / "tub" / "other")
    path.symlink_to(tmp_path / "tub" / "other")
    files = FolderFiles(str(tmp_path / "tub"))
    assert files.read(name) == secret.read_bytes()
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError):
        files.read(name)


@pytest.mark.skipif(os.name == "nt", reason="links need a permission on Windows")
def test_pictures_behind_a_link_out_of_the_tub(tmp_path: Path) -> None:
    """The folder of the pictures counts as well; the tub itself may be a link."""
    make_v2(tmp_path / "tub", 3)
    (tmp_path / "link").symlink_to(tmp_path / "tub")
    picture = "images/0_cam_image_array_.jpg"
    assert FolderFiles(str(tmp_path / "link")).read(picture)
    (tmp_path / "tub" / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "tub" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        FolderFiles(str(tmp_path / "tub")).read(picture)


@pytest.mark.skipif(os.name == "nt", reason="links need a permission on Windows")
def test_a_link_to_itself_does_not_hide_the_tub(tmp_path: Path) -> None:
    """Neither in the tub nor beside it."""
    make_v2(tmp_path / "data" / "tub", 3)
    before = set(FolderFiles(str(tmp_path / "data" / "tub")).names())
    (tmp_path / "data" / "tub" / "loop").symlink_to("loop")
    (tmp_path / "data" / "loop").symlink_to("loop")
    assert set(FolderFiles(str(tmp_path / "data" / "tub")).names()) == before
    found = find_tubs("", default=str(tmp_path / "data"), car_path=str(tmp_path))
    assert [each.name for each in found] == ["tub"]
