"""The archive of a job: what is accepted, and what is rejected."""

import gzip
import io
import json
import os
import pathlib
import random
import shutil
import tarfile
from typing import Any, Dict, List, Tuple

import pytest

from artifact_factory import listed, make_artifact
from donkey_sagemaker.car import archive
from donkey_sagemaker.car.archive import ArchiveNotUnpacked, ArchiveRejected, ModelFile, unpack
from donkey_sagemaker.driving import read_driving

HDF5 = b"\x89HDF\r\n\x1a\n" + b"weights" * 100
TFLITE = b"\x1c\x00\x00\x00TFL3" + b"graph" * 100
KERAS = b"PK\x03\x04" + b"zip" * 100
Contents = List[Tuple[Any, bytes]]  # (name or TarInfo, content), in order

FIX = "Check the job's log to see how the archive was created, fix the cause, and train again."


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def write_archive(path: str, contents: Contents, *, tar_format: int = tarfile.GNU_FORMAT) -> str:
    with tarfile.open(path, "w:gz", format=tar_format) as tar:
        for name, content in contents:
            info = member(name) if isinstance(name, str) else name
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def good_contents(**changes: Any) -> Contents:
    """(name, content) of every file in an archive as the trainer writes it."""
    files = [
        listed("pilot.h5", HDF5, "model", "h5"),
        listed("pilot.tflite", TFLITE, "model", "tflite"),
        listed("loss.png", b"png", "plot"),
    ]
    values = make_artifact(files, **changes)
    return [
        ("artifact.json", json.dumps(values).encode()),
        ("pilot.h5", HDF5),
        ("pilot.tflite", TFLITE),
        ("loss.png", b"png"),
    ]


def rejection(archive_path: str, folder: str, **limits: int) -> str:
    """The reason in the error message. The folder must not exist any more."""
    with pytest.raises(ArchiveRejected) as caught:
        unpack(archive_path, folder, **limits)
    assert not os.path.lexists(folder)
    assert caught.value.fix == FIX
    before, after = f"The archive {archive_path} was rejected: ", "."
    assert caught.value.what.startswith(before) and caught.value.what.endswith(after)
    return caught.value.what[len(before) : -len(after)]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "model.tar.gz")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "unpacked")


def test_an_archive_of_the_trainer(path: str, folder: str) -> None:
    """Every value of artifact.json is returned, with the paths of the files."""
    artifact = unpack(write_archive(path, good_contents()), folder)
    assert artifact.models == [
        ModelFile("h5", os.path.join(folder, "pilot.h5")),
        ModelFile("tflite", os.path.join(folder, "pilot.tflite")),
    ]
    assert (artifact.name, artifact.type, artifact.pilot) == ("pilot", "linear", "KerasLinear")
    assert artifact.path_of("plot") == os.path.join(folder, "loss.png")
    assert artifact.path_of("samples") is None
    assert artifact.versions == {"tensorflow": "2.15.1"}
    assert artifact.tubs == ["tub_1"]
    assert artifact.records == {"train": 8, "validation": 2}
    assert artifact.config == {"IMAGE_W": 160}
    assert artifact.metrics["val_loss"] == 0.1
    assert artifact.history == {"loss": [0.5, 0.25], "val_loss": [1, 0.1]}
    with open(artifact.models[0].path, "rb") as file:
        assert file.read() == HDF5


def test_how_a_model_drove_along_its_tub(path: str, folder: str) -> None:
    """If its trainer let it, and the numbers make sense; otherwise the model is as good without them."""
    driving = {"metres": 200.0, "times_off": 5, "mean_distance_m": 0.06, "lane_m": 0.7, "latency_frames": 2}
    driving.update(held_out=True, starts=96, places=[{"tub": "tub_1", "index": 7, "times": 5}])
    for values, expected in ((driving, 2.5), (dict(driving, metres="far"), None), (None, None)):
        contents = good_contents() if values is None else good_contents(driving=values)
        driven = read_driving(unpack(write_archive(path, contents), folder).driving)
        assert (driven and driven.times_off_per_100_m) == expected
        shutil.rmtree(folder)


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar(path: str, folder: str, tar_format: int) -> None:
    """ustar, GNU and pax, with ./ in front of names, entries for folders, and modes that are ignored."""
    contents = [(member(".", kind=tarfile.DIRTYPE), b""), (member("./sub/", kind=tarfile.DIRTYPE), b"")]
    contents += [("./" + name, content) for name, content in good_contents()]
    for info, _ in contents[:2]:
        info.mode = 0
    assert len(unpack(write_archive(path, contents, tar_format=tar_format), folder).models) == 2
    assert sorted(os.listdir(folder)) == ["artifact.json", "loss.png", "pilot.h5", "pilot.tflite", "sub"]
    os.listdir(os.path.join(folder, "sub"))


def test_a_savedmodel_is_one_model(path: str, folder: str) -> None:
    """The files of a SavedModel are one model: their folder."""
    files = {"pilot.savedmodel/saved_model.pb": b"graph", "pilot.savedmodel/variables/variables.index": b"v"}
    values = make_artifact([listed(name, data, "model", "savedmodel") for name, data in files.items()])
    contents = [("artifact.json", json.dumps(values).encode()), *files.items()]
    artifact = unpack(write_archive(path, contents), folder)
    assert artifact.models == [ModelFile("savedmodel", os.path.join(folder, "pilot.savedmodel"))]


def test_files_that_are_not_listed_are_removed(path: str, folder: str) -> None:
    """A SavedModel is installed as a folder, so it may not contain any file that was not checked."""
    files = {"pilot.savedmodel/saved_model.pb": b"graph"}
    values = make_artifact([listed(name, data, "model", "savedmodel") for name, data in files.items()])
    contents = [("artifact.json", json.dumps(values).encode()), *files.items()]
    unpack(write_archive(path, contents + [("pilot.savedmodel/assets.extra/x", b"?")]), folder)
    assert os.listdir(os.path.join(folder, "pilot.savedmodel", "assets.extra")) == []


@pytest.mark.parametrize(
    "entry, reason",
    [
        (member("/etc/passwd"), "its member '/etc/passwd' has an absolute path"),
        (member("C:/x"), "its member 'C:/x' has an absolute path"),
        (member("a/../../x"), "its member 'a/../../x' points outside of the archive"),
        (member(".."), "its member '..' points outside of the archive"),
        (member("x", kind=tarfile.SYMTYPE, link="/etc"), "its member 'x' is a symbolic link"),
        (member("x", kind=tarfile.LNKTYPE, link="pilot.h5"), "its member 'x' is a hard link"),
        (member("x", kind=tarfile.CHRTYPE), "its member 'x' is a device"),
        (member("x", kind=tarfile.BLKTYPE), "its member 'x' is a device"),
        (member("x", kind=tarfile.FIFOTYPE), "its member 'x' is a named pipe"),
        (member("x", kind=b"Z"), "its member 'x' is neither a regular file nor a folder"),
        (member("a\\..\\b"), "its member 'a\\\\..\\\\b' has a name that is not valid on every disk"),
        (member("a\x1b[2J"), "its member 'a\\x1b[2J' has a name that is not valid on every disk"),
        (member("pilot.h5"), "it contains the member 'pilot.h5' twice"),
        (member("./pilot.h5"), "it contains the member 'pilot.h5' twice"),
        (member("Pilot.h5"), "its members 'pilot.h5' and 'Pilot.h5' differ only in case"),
        (member("pilot.h5/x"), "it contains the member 'pilot.h5' twice"),
        (member("pilot.h5", kind=tarfile.DIRTYPE), "it contains the member 'pilot.h5' twice"),
        (member("./"), "its member './' has no name"),
    ],
)
def test_members_that_are_rejected(
    path: str, folder: str, tmp_path: pathlib.Path, entry: tarfile.TarInfo, reason: str
) -> None:
    """Names that point outside of the folder, things that are not files, and names that are not unique."""
    write_archive(path, good_contents() + [(entry, b"")])
    assert rejection(path, folder) == reason
    assert os.listdir(str(tmp_path)) == ["model.tar.gz"]


@pytest.mark.parametrize("name", ["a" * 256, "a/" * 501 + "a"], ids=["long", "deep"])
def test_a_long_name_is_rejected(path: str, folder: str, name: str) -> None:
    """A name that is invalid on every file system is the archive's fault, not the disk's."""
    write_archive(path, [(name, b"")])
    assert rejection(path, folder) == f"its member {name[:200]!r} has a name that is not valid on every disk"


def test_too_many_members(path: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of members is limited."""
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    assert rejection(write_archive(path, good_contents()), folder) == "it contains more than 3 members"


@pytest.mark.parametrize("where", ["file", "after the tar", "pax header"])
def test_a_gzip_bomb(path: str, folder: str, where: str) -> None:
    """The size of the uncompressed data is limited, wherever in the gzip the zeros are."""
    if where == "file":
        write_archive(path, good_contents() + [("zeros", bytes(3 * 2**20))])
    elif where == "pax header":
        info = member("x")
        info.pax_headers = {"comment": "0" * 3 * 2**20}
        write_archive(path, [(info, b"")] + good_contents(), tar_format=tarfile.PAX_FORMAT)
    else:
        write_archive(path, good_contents())
        with gzip.open(path, "ab") as file:
            file.write(bytes(3 * 2**20))
    expected = "it unpacks to more than 2,097,152 bytes"
    if where == "pax header":
        expected = "it contains a header of more than 1,048,576 bytes"
    assert rejection(path, folder, max_bytes=2 * 2**20) == expected


def test_the_size_in_a_header_is_not_trusted(path: str, folder: str) -> None:
    """If a member is shorter than its header says, the tar is truncated."""
    write_archive(path, good_contents())
    with gzip.open(path) as file:
        tar = file.read()
    with gzip.open(path, "wb") as file:
        file.write(tar[: tar.index(b"TFL3")])
    assert rejection(path, folder) == "its tar is truncated or damaged (unexpected end of data)"


def test_a_truncated_gzip(path: str, folder: str) -> None:
    """An incomplete download is rejected."""
    write_archive(path, good_contents())
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 10)
    assert rejection(path, folder) == (
        "it is truncated or damaged (Compressed file ended before the end-of-stream marker was reached)"
    )


def test_not_a_gzip(path: str, folder: str) -> None:
    """An error page that was saved as model.tar.gz is rejected."""
    with open(path, "wb") as file:
        file.write(b"<html>")
    assert rejection(path, folder).startswith("it is damaged or not a gzip file (Not a gzipped file")


def test_damage_never_raises_another_error(path: str, folder: str, tmp_path: pathlib.Path) -> None:
    """Random damage to the gzip or the tar in it is rejected or harmless, but never raises another error."""
    write_archive(path, good_contents(), tar_format=tarfile.PAX_FORMAT)
    with open(path, "rb") as file:
        zipped = file.read()
    tar, chance, rejected = gzip.decompress(zipped), random.Random(1), 0
    for turn in range(400):
        data = bytearray(tar if turn % 2 else zipped)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data) if turn % 3 else min(len(data), 512))] = chance.randrange(256)
        with open(path, "wb") as file:
            file.write(gzip.compress(bytes(data)) if turn % 2 else bytes(data))
        target = f"{folder}-{turn}"
        try:
            unpack(path, target)
        except ArchiveRejected:
            rejected += 1
            assert not os.path.exists(target)
    assert rejected > 200


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "x"},
        {"GNU.sparse.map": "0,1", "GNU.sparse.size": "1"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99"},
        {"size": "-1"},
    ],
    ids=["no numbers", "sparse", "sparse map in the file", "negative size"],
)
def test_misleading_headers(path: str, folder: str, headers: Dict[str, str]) -> None:
    """Sparse files could fill the disk. Headers that make Python's tarfile fail are rejected as well."""
    info = member("x")
    info.pax_headers = headers
    write_archive(path, [(info, b"not a map\n" * 60)] + good_contents(), tar_format=tarfile.PAX_FORMAT)
    assert rejection(path, folder).startswith(
        ("its tar is truncated or damaged", "its member 'x' is neither")
    )


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"format": 2}, "its artifact.json has format 2, but this version can only read 1"),
        ({"format": True}, "'format' in its artifact.json must be a whole number, not True"),
        ({"files": None}, "'files' is missing in its artifact.json"),
        ({"files": []}, "its artifact.json lists no model"),
        ({"files": [7]}, "'files' in its artifact.json must contain objects, not 7"),
        ({"name": 3}, "'name' in its artifact.json must be a string, not 3"),
        ({"name": "a\x1b[2J"}, "'name' in its artifact.json cannot be 'a\\x1b[2J'"),
        ({"type": "linear; rm"}, "'type' in its artifact.json cannot be 'linear; rm'"),
        ({"tubs": "tub_1"}, "'tubs' in its artifact.json must be a list, not 'tub_1'"),
        ({"tubs": [1]}, "'tubs' in its artifact.json must be a string, not 1"),
        ({"records": []}, "'records' in its artifact.json must be an object, not []"),
        ({"metrics": {"val_loss": 1}}, "the metric 'epochs' in its artifact.json must be a number"),
        ({"metrics": {"epochs": 1e400}}, "the metric 'epochs' in its artifact.json must be a number"),
        ({"history": {"loss": 1}}, "the history of 'loss' in its artifact.json must be a list of numbers"),
        (
            {"history": {"loss": ["1"]}},
            "the history of 'loss' in its artifact.json must be a list of numbers",
        ),
    ],
)
def test_values_of_the_wrong_type(path: str, folder: str, changes: Dict[str, Any], reason: str) -> None:
    """Each field of artifact.json is checked before it is used."""
    contents = good_contents()
    values = json.loads(contents[0][1].decode())
    for name, value in changes.items():
        values.pop(name) if value is None else values.update({name: value})
    contents[0] = ("artifact.json", json.dumps(values).encode())
    assert rejection(write_archive(path, contents), folder) == reason


def test_nan_in_the_history(path: str, folder: str) -> None:
    """If a training diverges, its loss may be NaN."""
    contents = good_contents(history={"loss": [float("nan")]})
    assert repr(unpack(write_archive(path, contents), folder).history) == "{'loss': [nan]}"


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"path": "../pilot.h5"}, "it does not contain the file '../pilot.h5' that its artifact.json lists"),
        ({"path": "missing.h5"}, "it does not contain the file 'missing.h5' that its artifact.json lists"),
        (
            {"sha256": "0" * 64},
            "its file 'pilot.h5' does not match the SHA-256 in its artifact.json",
        ),
        ({"sha256": "0"}, "'sha256' in its artifact.json cannot be '0'"),
        ({"bytes": 1}, "its file 'pilot.h5' has 708 bytes, not 1"),
        ({"bytes": "708"}, "'bytes' in its artifact.json must be a whole number, not '708'"),
        ({"format": None}, "'format' is missing in its artifact.json"),
        ({"format": "savedmodel"}, "its SavedModel 'pilot.h5' is not in a folder"),
        ({"format": "tflite"}, "it contains two models in the format 'tflite'"),
        ({"path": "pilot.tflite"}, "its file 'pilot.tflite' has 508 bytes, not 708"),
    ],
)
def test_a_file_that_does_not_match_the_list(
    path: str, folder: str, change: Dict[str, Any], reason: str
) -> None:
    """The name, digest, size and format of each listed file must be correct."""
    contents = good_contents()
    values = json.loads(contents[0][1].decode())
    values["files"][0].update(change)
    contents[0] = ("artifact.json", json.dumps(values).encode())
    assert rejection(write_archive(path, contents), folder) == reason


def test_a_file_that_is_listed_twice(path: str, folder: str) -> None:
    """Each file has exactly one role."""
    twice = [listed("pilot.h5", HDF5, "model", "h5"), listed("pilot.h5", HDF5, "model", "hdf5")]
    values = json.dumps(make_artifact(twice)).encode()
    write_archive(path, [("artifact.json", values), ("pilot.h5", HDF5)])
    assert rejection(path, folder) == "its artifact.json lists a file twice"


@pytest.mark.parametrize(
    "text, reason",
    [
        (b"[" * 200000, "its artifact.json is not JSON"),
        (b"\xff", "its artifact.json is not JSON"),
        (b"{", "its artifact.json is not JSON"),
        (b"[]", "its artifact.json is not a JSON object"),
        (b" " * (2**24 + 1), "its artifact.json is larger than 16,777,216 bytes"),
    ],
    ids=["deep", "not UTF-8", "cut off", "a list", "too large"],
)
def test_invalid_artifact_json(path: str, folder: str, text: bytes, reason: str) -> None:
    """Whatever artifact.json contains, the archive is rejected with a message."""
    assert rejection(write_archive(path, [("artifact.json", text)]), folder).startswith(reason)


@pytest.mark.parametrize(
    "name, content, model_format",
    [
        ("best", HDF5, "h5"),
        ("my.h5", HDF5, "h5"),
        ("deep/er/model.hdf5", HDF5, "h5"),
        ("m.tflite", TFLITE, "tflite"),
        ("m.keras", KERAS, "keras"),
    ],
)
def test_the_archive_of_another_image(
    path: str, folder: str, name: str, content: bytes, model_format: str
) -> None:
    """A single model is accepted, whatever its name. Its format is recognized by its content."""
    write_archive(path, [("log.txt", b"x"), (name, content), ("weights.npz", KERAS)])
    artifact = unpack(path, folder)
    assert artifact.models == [ModelFile(model_format, os.path.join(folder, *name.split("/")))]
    assert (artifact.name, artifact.type, artifact.files) == (None, None, [])


@pytest.mark.parametrize(
    "contents, reason",
    [
        (
            [("a.h5", HDF5), ("b", HDF5), ("c.txt", b"")],
            "it has no artifact.json and 2 models where one was expected; it contains 'a.h5', 'b', 'c.txt'",
        ),
        (
            [("a.h5", b"not HDF5")],
            "it has no artifact.json and no models where one was expected; it contains 'a.h5'",
        ),
        ([], "it has no artifact.json and no models where one was expected; it contains nothing"),
        (
            [(f"{n:02}", b"") for n in range(12)],
            "it has no artifact.json and no models where one was expected; it contains "
            + ", ".join(f"'{n:02}'" for n in range(10))
            + " and 2 more",
        ),
    ],
)
def test_another_image_without_a_single_model(
    path: str, folder: str, contents: Contents, reason: str
) -> None:
    """If there is no model or several, the message lists the files."""
    assert rejection(write_archive(path, contents), folder) == reason


def test_the_folder_must_be_new(path: str, folder: str) -> None:
    """The files in an existing folder are neither mixed with those of an archive nor removed."""
    os.mkdir(folder)
    with pytest.raises(ArchiveNotUnpacked) as caught:
        unpack(write_archive(path, good_contents()), folder)
    assert caught.value.what == f"The archive {path} could not be unpacked: File exists ({folder})."
    assert caught.value.fix == (
        "Check that the disk has free space and that this user may write there, and run the command again."
    )
    assert os.path.isdir(folder)
