"""Room on the car's disk for a new model, checked before a job is paid for."""

import contextlib
import os
import shutil
from typing import Iterator, Optional

from ..disk_errors import is_full
from ..errors import BadInput, DonkeySagemakerError
from ..ui import format_gigabytes

NEEDED_BYTES = 300 * 10**6  # for an archive, its content, and the models that it replaces


class DiskFull(BadInput):
    def __init__(
        self, path: str, free_bytes: int, needed_bytes: int, what: str = "", until: str = ""
    ) -> None:
        if not what:
            what, until = "a new model", " until it is installed"
        super().__init__(
            f"The disk of {path} has {format_gigabytes(free_bytes)} free; {what} needs "
            f"{format_gigabytes(needed_bytes)}{until}.",
            "Free some space, for example by deleting old tubs.",
        )


def check_disk(path: str, needed_bytes: Optional[int] = None, *, what: str = "") -> str:
    """
    Args:
        needed_bytes: None for what a usual model needs.
        what: needs the room; a new model by default.
    Returns:
        how much room there is, in a few words.
    Raises:
        DiskFull
    """
    needed_bytes = NEEDED_BYTES if needed_bytes is None else needed_bytes
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < needed_bytes:
        raise DiskFull(path, free_bytes, needed_bytes, what)
    return f"{format_gigabytes(free_bytes)} free"


@contextlib.contextmanager
def removed_when_full(folder: str) -> Iterator[None]:
    """Removes the folder where the disk has no room for what is made in it.

    The car has to be driven meanwhile, and the next attempt downloads the folder's content again.
    """
    try:
        yield
    except (OSError, DonkeySagemakerError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(error, DiskFull) or (isinstance(cause, OSError) and is_full(cause)):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def check_room_for_shards(folder: str, new_bytes: int) -> None:
    """
    Args:
        folder: of a bucket on this machine, which need not exist yet.
    Raises:
        DiskFull
    """
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    check_disk(folder, new_bytes + NEEDED_BYTES, what="a training with these tubs on this machine")
