"""Checks of pictures by their first and last bytes."""

import struct
import zlib

import pytest

from donkey_sagemaker.tubs.pictures import picture_fault, picture_size
from tub_factory import jpeg


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * (width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def with_thumbnail(picture: bytes) -> bytes:
    """The JPEG with a complete small JPEG in an application segment, as cameras write it."""
    small = jpeg((8, 8))
    return picture[:2] + struct.pack(">BBH", 0xFF, 0xE1, 2 + len(small)) + small + picture[2:]


@pytest.mark.parametrize(
    "picture",
    [
        jpeg(),
        jpeg() + b"\0" * 4096,
        with_thumbnail(jpeg()),
        jpeg()[:2] + b"\xff" * 3 + jpeg()[2:],
        png(16, 12),
    ],
    ids=["jpeg", "zeros after it", "thumbnail", "fill bytes", "png"],
)
def test_complete_pictures(picture: bytes) -> None:
    """A complete picture has no fault, and its size is in its header."""
    assert picture_fault(picture) is None
    assert picture_size(picture) == (16, 12)


@pytest.mark.parametrize(
    "picture, fault",
    [
        (b"", "picture empty"),
        (b"\0" * 4000, "not a picture"),
        (b"GIF89a", "not a picture"),
        (jpeg()[:-2], "picture truncated"),
        (jpeg()[:-2] + b"\0" * 500, "picture truncated"),
        (jpeg()[:60], "picture truncated"),
        (jpeg()[:2], "picture truncated"),
        (with_thumbnail(jpeg())[:-2], "picture truncated"),
        (png(16, 12)[:-4], "picture truncated"),
        (png(16, 12)[:8], "picture truncated"),
    ],
)
def test_faults(picture: bytes, fault: str) -> None:
    """The reason is returned for anything that is not a complete picture."""
    assert picture_fault(picture) == fault


def test_every_truncation_is_detected() -> None:
    """A picture that was cut off at any byte is not complete."""
    picture = with_thumbnail(jpeg((32, 24)))
    assert all(picture_fault(picture[:end]) for end in range(len(picture)))
    assert all(picture_fault(png(9, 7)[:end]) for end in range(len(png(9, 7))))


def test_pictures_of_several_cameras() -> None:
    """The size of each picture does not depend on the picture before it."""
    sizes = [(16, 12), (32, 24), (16, 12), (16, 12), (32, 24)]
    assert [picture_size(jpeg(size)) for size in sizes] == sizes
    assert picture_fault(jpeg((16, 12))[:60]) == "picture truncated"


def test_no_size() -> None:
    """Data without a header has no size."""
    assert [picture_size(data) for data in (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"text")] == [None] * 4
