"""A tub as arrays: commands, and small grey copies of its pictures."""

import struct
import zlib
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest

from donkey_sagemaker.review.footage import HEIGHT, WIDTH, Footage, decode, read_footage, read_sample
from donkey_sagemaker.review.review import make_verdict, review_sample, review_tubs
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import Tub, read_tub
from footage_factory import draw_pictures, lap, write_tub
from tub_factory import jpeg, make_v1, make_v2, write, write_manifest


def read(path: Any) -> Tub:
    return read_tub(FolderFiles(str(path)), name="tub")


def indexes(pieces: Any) -> List[List[int]]:
    return [piece.indexes.tolist() for piece in pieces]


def test_a_tub_as_arrays(tmp_path: Path) -> None:
    """In the order of the drive, with what follows what."""
    pictures = draw_pictures(lap(12))
    angles = np.linspace(-1, 1, 12)
    write_tub(tmp_path / "tub", pictures, angles=angles, throttles=np.full(12, 0.3))
    write_manifest(tmp_path / "tub", ["catalog_0.catalog"], records=12, deleted=[4])
    footage: Footage
    (footage,) = read_footage(read(tmp_path / "tub"))
    assert footage.indexes.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert footage.starts.tolist() == [True, False, False, False, True] + [False] * 6
    assert np.allclose(footage.angles, np.delete(angles, 4)) and footage.hz == 20.0
    assert footage.thumbs.shape == (11, 15, 20) and footage.rows.shape == (11, HEIGHT)
    drawn = np.delete(pictures, 4, axis=0).astype(float)
    assert np.abs(footage.brightness - drawn.mean((1, 2))).max() < 2
    assert np.abs(footage.thumbs - drawn.reshape(11, 15, 4, 20, 4).mean((2, 4))).mean() < 2
    assert len(set(footage.digests.tolist())) == 11


def test_pictures_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    """Packing and doctor report them."""
    make_v2(tmp_path, 6)
    whole = jpeg()
    for index, data in (
        (1, b""),
        (2, whole[:-30]),
        (3, b"text"),
        (4, whole[:200] + b"\0" * 60 + whole[-40:]),
    ):
        write(tmp_path, f"images/{index}_cam_image_array_.jpg", data)
    (footage,) = read_footage(read(tmp_path))
    assert {0, 5} <= set(footage.indexes.tolist()) <= {0, 4, 5}


def test_a_header_that_promises_too_much_is_not_decoded() -> None:
    """It would fill the memory."""
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    with pytest.raises(ValueError, match="not a usable picture"):
        decode(png)


def test_pictures_of_any_size_become_one_size() -> None:
    """Of a large camera, and of a tiny one."""
    for size in ((640, 480), (160, 120), (64, 48), (31, 77)):
        assert decode(jpeg(size)).shape == (HEIGHT, WIDTH)


def test_a_long_tub_is_read_in_pieces(tmp_path: Path) -> None:
    """Of both generations, so that the memory stays small."""
    for make in (make_v1, make_v2):
        make(tmp_path / make.__name__, 10)
        pieces = indexes(read_footage(read(tmp_path / make.__name__), most=4))
        assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_progress_is_that_of_the_records(tmp_path: Path) -> None:
    """Each record counts when it is read, also in a single long tub; what follows has a name."""
    make_v2(tmp_path, 10)
    steps: List[Any] = []
    (reviewed,) = review_tubs({"tub": read(tmp_path)}, advance=lambda *step: steps.append(step))
    assert reviewed.records == 10
    assert steps == [(1,)] * 10 + [(0, "comparing them")]


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_a_sample_is_spread_over_the_tub(layout: str, tmp_path: Path) -> None:
    """Stretches of consecutive records, for which only parts of the tub are read."""
    (make_v1 if layout == "v1" else make_v2)(tmp_path, 2100, size=(8, 8))
    (found,) = indexes(read_sample(read(tmp_path), stretches=2, length=20))
    assert found == [*range(20), *range(2000, 2020)]
    assert indexes(read_sample(read(tmp_path), stretches=3, length=800)) == [
        [*range(800), *range(1000, 1800), *range(2000, 2100)]
    ]
    assert indexes(read_sample(read(tmp_path), stretches=6, length=500)) == [[*range(2100)]]


def test_the_verdict_is_one_line(tmp_path: Path) -> None:
    """What was found with its records, or that there is nothing."""
    pictures = draw_pictures(lap(300))
    pictures[100:140] = 90 + np.random.RandomState(1).randint(0, 4, pictures[100:140].shape)
    turns = np.sin(np.arange(300) / 20)
    write_tub(tmp_path / "tub", pictures, angles=turns, throttles=0.3 + 0.1 * turns)
    reviewed, findings = review_sample([read(tmp_path / "tub")])
    assert make_verdict(reviewed, findings) == "covered or fogged lens (40), of 300 records"
    assert make_verdict(reviewed, []) == "nothing suspicious in 300 records"
    reviewed, _ = review_sample([read(tmp_path / "tub")] * 7)
    assert make_verdict(reviewed, []) == "nothing suspicious in a sample of 900 records"
    make_v2(tmp_path / "empty", 0)
    assert review_sample([read(tmp_path / "empty")]) == ("", [])
