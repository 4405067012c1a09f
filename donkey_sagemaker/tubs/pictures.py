"""What the first and last bytes of a picture tell, without decoding it."""

import struct
from typing import NamedTuple, Optional, Tuple

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

_START_OF_SCAN = 0xDA
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # of 0xC0..0xCF these alone do not start a frame


def picture_fault(data: bytes) -> Optional[str]:
    """Why *data* is not a whole JPEG or PNG, or None where it looks like one."""
    if not data:
        return "picture empty"
    if data.startswith(_JPEG_START):
        return None if _jpeg_is_whole(data) else "picture truncated"
    if data.startswith(_PNG_START):
        return None if _PNG_END in data and picture_size(data) else "picture truncated"
    return "not a picture"


def picture_size(data: bytes) -> Optional[Tuple[int, int]]:
    """(width, height) in pixels as a JPEG's or PNG's header says, or None where it does not."""
    if data.startswith(_PNG_START) and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(_JPEG_START):
        return _read_jpeg_header(data).size
    return None


def _jpeg_is_whole(data: bytes) -> bool:
    header = _read_jpeg_header(data)
    # In a scan 0xFF is always escaped, so an end marker behind its start is the picture's own.
    # One before it may be a thumbnail's; bytes behind the end (the zeros of a bad card) do no harm.
    return header.size is not None and data.rfind(_JPEG_END) > header.scan_start > 0


class _JpegHeader(NamedTuple):
    bytes: bytes
    size: Optional[Tuple[int, int]]
    scan_start: int  # 0 where no scan starts


_last_header = _JpegHeader(b"", None, 0)


def _read_jpeg_header(data: bytes) -> _JpegHeader:
    """What stands before the picture's first scan. One camera's pictures all begin alike."""
    global _last_header
    header = _last_header  # once, for another thread may set it meanwhile
    if not (header.scan_start and data.startswith(header.bytes)):
        _last_header = header = _parse_jpeg_header(data)
    return header


def _parse_jpeg_header(data: bytes) -> _JpegHeader:
    size = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == _START_OF_SCAN:
            return _JpegHeader(data[: at + 4], size, at)
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + length
    return _JpegHeader(data, size, 0)
