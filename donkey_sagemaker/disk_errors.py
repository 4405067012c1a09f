"""What a disk that is full, read-only, failing or another user's means for the owner."""

import errno
import os
import shlex
import shutil
import tempfile
from typing import Optional

from .errors import BadInput
from .ui import format_gigabytes

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SMALL_BYTES = 2**18
# What an owner, or another program, may have put where this program expects a file or a folder of its own
_IN_THE_WAY = (
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ELOOP,
    errno.ENXIO,
    errno.EINVAL,
    errno.EFBIG,
    errno.ENAMETOOLONG,
)


class DiskProblem(BadInput):
    """The system refused to read or write a file, for a reason that is not this program's."""


def is_full(error: OSError) -> bool:
    return error.errno in _FULL


def free_text(path: str) -> str:
    """The room on the disk of a path, as "1.5 MB free in /car"."""
    return f"{format_gigabytes(shutil.disk_usage(path).free)} free in {path}"


def has_no_room(path: str) -> bool:
    """Whether even a small file would not fit; a child process may have failed because of that."""
    return shutil.disk_usage(path).free < _SMALL_BYTES


def explain_disk_error(error: BaseException, *, car_path: str) -> Optional[DiskProblem]:
    """The problem with the disk behind an exception; None if it is another problem.

    Args:
        car_path: the car's folder: the system does not say which disk is full.
    """
    if not isinstance(error, OSError):
        return None
    path = str(error.filename2 or error.filename or os.path.abspath(car_path))
    if is_full(error):
        folders = (os.path.abspath(car_path), tempfile.gettempdir())
        return DiskProblem(
            f"The disk is full: {' and '.join(map(free_text, folders))}.",
            "Free some space, for example by deleting old tubs, and run the same command again.",
        )
    if error.errno == errno.EROFS:
        return DiskProblem(
            f"{path} cannot be written: its disk is read-only.",
            "Restart the computer, and replace the SD card if this happens again: errors made it read-only.",
        )
    if error.errno == errno.EIO:
        return DiskProblem(
            f"{path} cannot be read or written: its disk has an error.",
            "Copy what you need from this disk, and replace it.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return DiskProblem(
            f"{path} cannot be used: {error.strerror}.",
            f"Make it yours again: `sudo chown -R $(id -un) {shlex.quote(path)}`",
        )
    if error.errno in _IN_THE_WAY and os.path.abspath(path).startswith(os.path.abspath(car_path) + os.sep):
        return DiskProblem(
            f"{path} cannot be used: {error.strerror}.", "Move it away, and run the same command again."
        )
    return None
