"""Writes zips without compression. `zipfile` needs more time to add a file than it takes to read it."""

import struct
import zlib
from typing import List, Set

MAX_FILES = 65535  # a zip with more needs the Zip64 format

# As in PKWARE's APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16
_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_COMMON = struct.Struct("<HHHHHLLLHH")  # shared by the header of a file and its entry in the directory
_ENTRY_REST = struct.Struct("<HHHLL")
_END_REST = struct.Struct("<HHHHLLH")

_VERSION = 20  # of the format, 2.0
_MADE_BY = struct.pack("<BB", _VERSION, 3)  # Unix, on every system
_PLAIN_FILE = 0o100644 << 16
_DAY = 1 << 5 | 1  # always 1 January 1980, so that the same files result in the same zip on any day


class StoredZip:
    """A zip that is being written in memory, with exactly the bytes that `zipfile` would write.

    The names must be ASCII, and the whole zip must be smaller than 4 GiB.
    """

    def __init__(self) -> None:
        self._body = bytearray()
        self._directory: List[bytes] = []
        self._names: Set[str] = set()

    def __len__(self) -> int:
        """The number of files."""
        return len(self._names)

    @property
    def filled_bytes(self) -> int:
        """The size of the files so far, without the directory that follows them."""
        return len(self._body)

    def add(self, name: str, data: bytes) -> None:
        """Adds a file, unless there is already one with this name."""
        if name in self._names:
            return
        self._names.add(name)
        path, size = name.encode("ascii"), len(data)
        common = _COMMON.pack(_VERSION, 0, 0, 0, _DAY, zlib.crc32(data), size, size, len(path), 0)
        rest = _ENTRY_REST.pack(0, 0, 0, _PLAIN_FILE, len(self._body))
        self._directory.append(_CENTRAL + _MADE_BY + common + rest + path)
        self._body += _LOCAL + common + path
        self._body += data

    def close(self) -> bytearray:
        """Returns the whole zip. Nothing can be added after this."""
        start, files, directory = len(self._body), len(self), b"".join(self._directory)
        self._body += directory
        self._body += _END + _END_REST.pack(0, 0, files, files, len(directory), start, 0)
        return self._body
