"""A download that continues where a lost network or a power cut interrupted it."""

import hashlib
import os
from typing import Callable

from ..atomic import replace_path, sync_file, write_json
from ..untrusted_file import read_file
from ..untrusted_json import parse_json


class PartialDownload:
    """The file `path` + ".part" with what has arrived, and ".part.json", which says what it is a part of.

    Args:
        advance: called with the bytes of each step. The first step is what is there already; a negative
            number is what had to be discarded.
    """

    def __init__(self, path: str, advance: Callable[[int], None]) -> None:
        self.path = path + ".part"
        self.size = 0
        self.etag = ""  # changes with the object; as S3 writes it, with its quotes
        self.total = -1  # bytes of the whole object; -1 until it is known
        self._is_md5 = False
        self._target = path
        self._info_path = self.path + ".json"
        self._advance = advance
        self._resume()

    def _resume(self) -> None:
        """Continues what an earlier process left, if both files are there and agree."""
        try:
            size = os.path.getsize(self.path)
            info = parse_json(read_file(self._info_path))
            self.etag, self.total, self._is_md5 = str(info["etag"]), int(info["total"]), bool(info["is_md5"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            self.discard()
            return
        if size > self.total:
            self.discard()
        else:
            self._step(size)

    def begin(self, *, etag: str, total: int, is_md5: bool) -> None:
        """Starts a new, empty file for an object of `total` bytes."""
        self.discard()
        write_json(self._info_path, {"etag": etag, "total": total, "is_md5": is_md5})
        with open(self.path, "wb"):
            pass
        self.etag, self.total, self._is_md5 = etag, total, is_md5

    def add(self, block: bytes) -> None:
        """Appends the next block."""
        with open(self.path, "ab") as file:
            file.write(block)
        self._step(len(block))

    def is_complete(self) -> bool:
        return self.size == self.total

    def has_right_checksum(self) -> bool:
        """Whether the complete file has the object's MD5; True if S3 has none."""
        if not self._is_md5:
            return True
        digest = hashlib.md5()
        with open(self.path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest() == self.etag.strip('"')

    def discard(self) -> None:
        """Deletes what is there."""
        self._step(-self.size)
        self.etag, self.total = "", -1
        for path in (self.path, self._info_path):
            if os.path.lexists(path):
                os.remove(path)

    def finish(self) -> None:
        """Gives the complete file its name."""
        sync_file(self.path)
        replace_path(self.path, self._target)
        os.remove(self._info_path)

    def _step(self, count: int) -> None:
        self.size += count
        if count:
            self._advance(count)
