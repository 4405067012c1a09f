"""Small pictures, of which only some are kept."""

import io
from pathlib import Path

import pytest

from donkey_sagemaker.console.car_reader import FoundTub
from donkey_sagemaker.console.thumbnails import Thumbnails, make_thumbnail
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import Tub, read_tub
from donkey_sagemaker.tubs.timeline import Timeline
from tub_factory import jpeg, make_v2, write

Image = pytest.importorskip("PIL.Image", reason="the pictures need Pillow")


def open_tub(path: Path) -> Tub:
    return read_tub(FolderFiles(str(path)), name="tub", path=str(path))


def find_tub(path: Path, *, changed: float = 0.0) -> FoundTub:
    tub = open_tub(path)
    return FoundTub("0" * 12, str(path), changed, tub, Timeline(tub))


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
    thumbnails, found = Thumbnails(), find_tub(tmp_path)
    assert [thumbnails.get(found, position) for position in (0, 1, 3)] == [None] * 3
    assert thumbnails.get(found, 2)


def test_only_the_picture_is_kept(tmp_path: Path) -> None:
    """What else is in its file may be large, or private."""
    make_v2(tmp_path, 1)
    write(tmp_path, "images/0_cam_image_array_.jpg", jpeg(comment="taken at home " * 1000))
    assert len(make_thumbnail(open_tub(tmp_path), "images/0_cam_image_array_.jpg") or b"") < 2000


def test_a_tub_that_was_recorded_again(tmp_path: Path) -> None:
    """Its pictures have the same names."""
    make_v2(tmp_path, 2)
    thumbnails = Thumbnails()
    before = thumbnails.get(find_tub(tmp_path, changed=1.0), 0)
    write(tmp_path, "images/0_cam_image_array_.jpg", jpeg((32, 24)))
    assert thumbnails.get(find_tub(tmp_path, changed=1.0), 0) == before
    assert thumbnails.get(find_tub(tmp_path, changed=2.0), 0) != before


def test_the_kept_bytes_are_bounded(tmp_path: Path) -> None:
    """The ones that were not asked for the longest go first."""
    make_v2(tmp_path, 20)
    found = find_tub(tmp_path)
    size = len(Thumbnails().get(found, 0) or b"")
    thumbnails = Thumbnails(kept_bytes=5 * size)
    for position in [0, 1, 2, 3, 0, 4, 5, 6]:
        thumbnails.get(found, position)
    assert thumbnails.bytes <= 5 * size
    assert [key[-1] for key in thumbnails._kept] == [3, 0, 4, 5, 6]
