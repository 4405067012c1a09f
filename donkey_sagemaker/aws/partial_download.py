"""A download that goes on where it was broken off, by a lost network or a power cut."""

import hashlib
import json
import os
from typing import Callable

from ..atomic import replace_path, sync_file, write_json


class Partial:
    """The file `path` + ".part", as far as it is there, and beside it in ".part.json" what it is a part of.

    Args:
        advance: told the bytes of each step; what is there already is the first one, and less than none is
            what had to be thrown away.
    """

    def __init__(self, path: str, advance: Callable[[int], None]) -> None:
        self.path = path + ".part"
        self.size = 0
        self.etag = ""  # as S3 writes it, with its quotes
        self.total = -1  # bytes of the whole object; -1 until it is known
        self._is_md5 = False
        self._target = path
        self._note_path = self.path + ".json"
        self._advance = advance
        self._recall()

    def _recall(self) -> None:
        """Takes over what an earlier process left, if note and file belong together."""
        try:
            size = os.path.getsize(self.path)
            with open(self._note_path, encoding="utf-8") as file:
                note = json.load(file)
            self.etag, self.total, self._is_md5 = str(note["etag"]), int(note["total"]), bool(note["is_md5"])
        except (OSError, ValueError, KeyError, TypeError):
            self.drop()
            return
        if size > self.total:
            self.drop()
        else:
            self._step(size)

    def begin(self, *, etag: str, total: int, is_md5: bool) -> None:
        """Starts an empty file of an object of `total` bytes."""
        self.drop()
        write_json(self._note_path, {"etag": etag, "total": total, "is_md5": is_md5})
        with open(self.path, "wb"):
            pass
        self.etag, self.total, self._is_md5 = etag, total, is_md5

    def add(self, block: bytes) -> None:
        """Appends what came next."""
        with open(self.path, "ab") as file:
            file.write(block)
        self._step(len(block))

    def is_whole(self) -> bool:
        return self.size == self.total

    def is_sound(self) -> bool:
        """Whether the whole file has the object's MD5, as far as S3 tells one."""
        if not self._is_md5:
            return True
        digest = hashlib.md5()
        with open(self.path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest() == self.etag.strip('"')

    def drop(self) -> None:
        """Throws away what is there."""
        self._step(-self.size)
        self.etag, self.total = "", -1
        for path in (self.path, self._note_path):
            if os.path.lexists(path):
                os.remove(path)

    def finish(self) -> None:
        """Gives the whole file its name."""
        sync_file(self.path)
        replace_path(self.path, self._target)
        os.remove(self._note_path)

    def _step(self, count: int) -> None:
        self.size += count
        if count:
            self._advance(count)
