"""Room on the car's disk for a new model, checked before a job is paid for."""

import shutil
from typing import Optional

from ..errors import BadInput

NEEDED_BYTES = 300 * 10**6  # for an archive, its content, and the models that it replaces


class DiskFull(BadInput):
    def __init__(self, path: str, free_bytes: int, needed_bytes: int) -> None:
        super().__init__(
            f"The disk of {path} has {free_bytes / 1e9:.2f} GB free; a new model needs "
            f"{needed_bytes / 1e9:.2f} GB until it is installed.",
            "Free some space, for example by deleting old tubs.",
        )


def check_disk(path: str, needed_bytes: Optional[int] = None) -> str:
    """
    Args:
        needed_bytes: None for what a usual model needs.
    Returns:
        how much room there is, in a few words.
    Raises:
        DiskFull
    """
    needed_bytes = NEEDED_BYTES if needed_bytes is None else needed_bytes
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < needed_bytes:
        raise DiskFull(path, free_bytes, needed_bytes)
    return f"{free_bytes / 1e9:.1f} GB free"
