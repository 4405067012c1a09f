"""A folder of checkpoints and its copy in S3, which always has the same files."""

import os
from typing import Dict, Tuple

from .storage import delete_object, list_keys, read_object, split_uri, write_object

Version = Tuple[int, int]  # bytes and time of a file


class Checkpoints:
    def __init__(self, uri: str, folder: str) -> None:
        self._bucket, prefix = split_uri(uri)
        self._prefix = prefix.rstrip("/") + "/"
        self._folder = folder
        self._saved: Dict[str, Version] = {}

    def restore(self) -> None:
        """Fills the folder before the container starts."""
        for key in list_keys(self._bucket, self._prefix):
            path = os.path.join(self._folder, *key[len(self._prefix) :].split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(read_object(self._bucket, key) or b"")
        self._saved = self._find()

    def save(self) -> None:
        """Synchronizes S3 with the folder, whose files can disappear at any time."""
        found = self._find()
        for name in set(self._saved) - set(found):
            delete_object(self._bucket, self._prefix + name)
            del self._saved[name]
        for name, version in found.items():
            if self._saved.get(name) == version:
                continue
            try:
                with open(os.path.join(self._folder, name), "rb") as file:
                    write_object(self._bucket, self._prefix + name, file.read())
            except FileNotFoundError:
                continue
            self._saved[name] = version

    def _find(self) -> Dict[str, Version]:
        found: Dict[str, Version] = {}
        for folder, _folders, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except FileNotFoundError:
                    continue
                found[os.path.relpath(path, self._folder)] = (status.st_size, status.st_mtime_ns)
        return found
