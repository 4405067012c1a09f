"""PNGs of every kind, of 8 and 16 bits, become the pixels that donkeycar would train with."""

import struct
import zlib
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")
Image = pytest.importorskip("PIL.Image", reason="the trainer needs Pillow")

from trainer.pictures import COMPARED_EVERY, COMPARED_FIRST, Decoder, decode, find_opencv  # noqa: E402
from tub_factory import jpeg  # noqa: E402

WIDTH, HEIGHT = 16, 12
KINDS = {"grey": (0, 1), "colours": (2, 3), "transparent grey": (4, 2), "transparent": (6, 4)}


def png(kind: str, bits: int, *, highest: int = 65535) -> bytes:
    """A picture of random pixels."""
    number, samples = KINDS[kind]
    pixels = np.random.RandomState(1).randint(0, highest + 1, (HEIGHT, WIDTH * samples))
    rows = (pixels >> 8).astype(np.uint8) if bits == 8 else pixels.astype(">u2")
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, number, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (8, 6)])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_pngs_are_decoded_as_donkeycar_does(
    kind: str, bits: int, depth: int, size: Any, tmp_path: Any
) -> None:
    """Byte for byte, where donkeycar's array has the depth of the net."""
    utils = pytest.importorskip("donkeycar.utils")
    if not hasattr(utils, "load_image_sized"):
        pytest.skip("donkeycar 3 and older have no such function")
    path = tmp_path / "picture.png"
    path.write_bytes(png(kind, bits))
    ours = decode(path.read_bytes(), width=size[0], height=size[1], depth=depth)
    theirs = utils.load_image_sized(str(path), size[0], size[1], depth)
    if depth == 1 or kind == "colours":
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert theirs.shape != ours.shape == (size[1], size[0], 3)


def test_grey_of_16_bits_in_colours() -> None:
    """Is the grey that donkeycar makes of it, three times, in every version of Pillow."""
    data = png("grey", 16)
    grey = decode(data, width=WIDTH, height=HEIGHT, depth=1)
    np.testing.assert_array_equal(
        decode(data, width=WIDTH, height=HEIGHT, depth=3), np.repeat(grey, 3, axis=2)
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_png_among_jpegs(kind: str, bits: int) -> None:
    """Is decoded the same whenever it comes, although OpenCV is used by then."""
    opencv = find_opencv()
    if opencv is None:
        pytest.skip("without OpenCV, Pillow decodes everything")
    decoder = Decoder(width=WIDTH, height=HEIGHT, depth=3, cv2=opencv)
    for _ in range(COMPARED_FIRST + 1):
        decoder(jpeg((WIDTH, HEIGHT)))
    assert decoder.cv2 is opencv and COMPARED_EVERY > COMPARED_FIRST + 2
    data = png(kind, bits, highest=3000)
    np.testing.assert_array_equal(decoder(data), decode(data, width=WIDTH, height=HEIGHT, depth=3))
