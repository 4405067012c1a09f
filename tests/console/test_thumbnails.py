"""Small pictures, of which only some are kept."""

import io
from pathlib import Path

import pytest

from donkey_sagemaker.console.thumbnails import Thumbnails, make_thumbnail
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import Tub, read_tub
from donkey_sagemaker.tubs.timeline import Timeline
from tub_factory import make_v2, write

Image = pytest.importorskip("PIL.Image", reason="the pictures need Pillow")


def open_tub(path: Path) -> Tub:
    return read_tub(FolderFiles(str(path)), name="tub", path=str(path))


@pytest.mark.parametrize(
    "size, expected", [((160, 120), (80, 60)), ((640, 360), (160, 90)), ((16, 12), (16, 12))]
)
def test_size(tmp_path: Path, size: "tuple[int, int]", expected: "tuple[int, int]") -> None:
    """Of a usual picture the half, of a larger one not much more, and a small one stays as it is."""
    make_v2(tmp_path, 1, size=size)
    jpeg = make_thumbnail(open_tub(tmp_path), "images/0_cam_image_array_.jpg")
    assert jpeg and Image.open(io.BytesIO(jpeg)).size == expected


def test_what_is_no_picture(tmp_path: Path) -> None:
    """It is damaged, missing or too large."""
    make_v2(tmp_path, 3)
    write(tmp_path, "images/0_cam_image_array_.jpg", b"\xff\xd8 no more")
    (tmp_path / "images" / "1_cam_image_array_.jpg").unlink()
    tub = open_tub(tmp_path)
    thumbnails, timeline = Thumbnails(), Timeline(tub)
    assert [thumbnails.get(str(tmp_path), tub, timeline, position) for position in (0, 1, 3)] == [None] * 3
    assert thumbnails.get(str(tmp_path), tub, timeline, 2)


def test_the_kept_bytes_are_bounded(tmp_path: Path) -> None:
    """The ones that were not asked for the longest go first."""
    make_v2(tmp_path, 20)
    tub = open_tub(tmp_path)
    timeline = Timeline(tub)
    size = len(Thumbnails().get(str(tmp_path), tub, timeline, 0) or b"")
    thumbnails = Thumbnails(kept_bytes=5 * size)
    for position in [0, 1, 2, 3, 0, 4, 5, 6]:
        thumbnails.get(str(tmp_path), tub, timeline, position)
    assert thumbnails.bytes <= 5 * size
    assert [key[1] for key in thumbnails._kept] == [3, 0, 4, 5, 6]
