"""Files that are whole or not there: SageMaker copies the folders away while we write, or kills us."""

import contextlib
import json
import os
from typing import IO, Any, Iterator

PART = ".part"  # what a broken-off write leaves


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the path's place once it is complete."""
    with open(path + PART, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + PART, path)


def write_json(path: str, value: Any) -> None:
    with written_whole(path) as file:
        file.write(json.dumps(value, indent=1, sort_keys=True).encode("utf-8"))
