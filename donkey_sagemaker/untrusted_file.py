"""Opens what anybody may have put where this program expects its own files: pipes, devices, links.

A pipe would keep the program waiting, a device such as /dev/zero has no end, and what is written through a
link lands elsewhere.
"""

import errno
import os
import stat
from typing import IO

MAX_BYTES = 16 * 2**20  # of a file that is read as a whole
_QUICK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


class UnusableFile(OSError):
    """It is a folder, a pipe, a device, a link where none is followed, or too large."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(errno.EINVAL, why, path)


def read_file(path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole content of a plain file, or of one that a link leads to.

    Raises:
        UnusableFile, OSError
    """
    with _open(path, os.O_RDONLY, "rb") as file:
        if os.fstat(file.fileno()).st_size <= max_bytes:
            return file.read()
    raise UnusableFile(path, f"it has more than {max_bytes:,} bytes")


def open_own(path: str) -> IO[bytes]:
    """Opens a plain file to read and to write it; a missing one is made, and no link is followed.

    Raises:
        UnusableFile, OSError
    """
    return _open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, "r+b")


def _open(path: str, flags: int, mode: str) -> IO[bytes]:
    try:
        descriptor = os.open(path, flags | _QUICK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a folder, a socket
            raise _unusable(path) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unusable(path)
        return open(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise


def _unusable(path: str) -> UnusableFile:
    return UnusableFile(path, os.strerror(errno.EISDIR) if os.path.isdir(path) else "it is not a plain file")
