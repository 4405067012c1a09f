"""Checks a JPEG or PNG picture by its first and last bytes, without decoding it."""

import struct
from typing import NamedTuple, Optional, Tuple

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

_START_OF_SCAN = 0xDA
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # all other markers from 0xC0 to 0xCF start a frame


def picture_fault(data: bytes) -> Optional[str]:
    """Why *data* is not a complete JPEG or PNG, or None if it appears to be one."""
    if not data:
        return "picture empty"
    if is_jpeg(data):
        return None if _is_complete_jpeg(data) else "picture truncated"
    if data.startswith(_PNG_START):
        return None if _PNG_END in data and picture_size(data) else "picture truncated"
    return "not a picture"


def is_jpeg(data: bytes) -> bool:
    """Whether *data* begins as a JPEG does."""
    return data.startswith(_JPEG_START)


def picture_size(data: bytes) -> Optional[Tuple[int, int]]:
    """(width, height) in pixels from the header of a JPEG or PNG, or None if there is none."""
    if data.startswith(_PNG_START) and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if is_jpeg(data):
        return _read_jpeg_header(data).size
    return None


def _is_complete_jpeg(data: bytes) -> bool:
    header = _read_jpeg_header(data)
    # 0xFF is always escaped in a scan, so an end marker after the scan's start is the end of the picture.
    # One before it may belong to a thumbnail. Bytes after the end (zeros from a bad SD card) do no harm.
    return header.size is not None and data.rfind(_JPEG_END) > header.scan_start > 0


class _JpegHeader(NamedTuple):
    bytes: bytes
    size: Optional[Tuple[int, int]]
    scan_start: int  # 0 if there is no scan


_last_header = _JpegHeader(b"", None, 0)


def _read_jpeg_header(data: bytes) -> _JpegHeader:
    """The header in front of the picture's first scan. All pictures from one camera have the same header."""
    global _last_header
    header = _last_header  # read once, because another thread may change it
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
