"""Atomic writes: after a power cut or a kill, a path holds its old content or its new one, never half of it.

A car is switched off by pulling its battery, and a spot machine is taken away while it trains. Every write
goes to a hidden file in the same folder, is synced, and then replaces the path by one rename.
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import shutil
import sys
import uuid
from typing import IO, Any, Iterator, Union

ASIDE = ".aside"  # a crash between the two renames of replace_path leaves the old folder at stage + ASIDE

_STAGE_ENDING = ".part"
_STAGE = re.compile(r"\..+\.(\d+)-[0-9a-f]{32}" + re.escape(_STAGE_ENDING))

_AT_FDCWD = -100  # for renameat2: paths are relative to the working directory
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def open_atomic(path: str, *, only_writer: bool = False, follows_link: bool = True) -> Iterator[IO[bytes]]:
    """Opens a file that replaces `path` when the block ends; if the block raises, the old file stays.

    An old file keeps its mode.

    Args:
        follows_link: a link stays a link, as an owner wants it for a configuration; otherwise it is replaced.
        only_writer: nothing else writes to this path at the same time. The hidden file then has a fixed
            name, so that writers that are killed again and again leave one half-written file, not one each.
    """
    folder, name = os.path.split(os.path.realpath(path) if follows_link else os.path.abspath(path))
    unique = "" if only_writer else f".{os.getpid()}-{uuid.uuid4().hex}"
    stage = os.path.join(folder, f".{name}{unique}{_STAGE_ENDING}")
    target = os.path.join(folder, name)
    try:
        with open(stage, "wb" if only_writer else "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.isfile(target) and not os.path.islink(target) and _modes_differ(target, stage):
            shutil.copymode(target, stage)
        replace_path(stage, target)
    finally:
        if os.path.lexists(stage):
            os.remove(stage)


def _modes_differ(one: str, other: str) -> bool:
    return os.stat(one).st_mode != os.stat(other).st_mode


def write_bytes(
    path: str, data: Union[bytes, bytearray], *, only_writer: bool = False, follows_link: bool = True
) -> None:
    """Replaces the content of path, as `open_atomic` does."""
    with open_atomic(path, only_writer=only_writer, follows_link=follows_link) as file:
        file.write(data)


def write_text(path: str, text: str) -> None:
    """Writes the text as UTF-8 and leaves its line ends alone."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str, value: Any) -> None:
    """Writes the value as indented ASCII JSON to a file of this program's own; a link there is replaced.

    Raises:
        TypeError: JSON has no such type.
    """
    write_bytes(path, (json.dumps(value, indent=4) + "\n").encode("ascii"), follows_link=False)


def sweep(folder: str) -> None:
    """Removes the half-written files of processes that no longer run, in this folder but not below it."""
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        stage = _STAGE.fullmatch(name)
        if stage and not _is_running(int(stage.group(1))):
            with contextlib.suppress(OSError):  # the next sweep tries again
                os.remove(os.path.join(folder, name))


def sweep_tree(folder: str) -> None:
    """Removes such files in this folder and all below it, but follows no link."""
    for path, _, _ in os.walk(folder):
        sweep(path)


def replace_path(stage: str, target: str) -> None:
    """Moves the file or folder `stage` to `target` in one step, and removes what was there before.

    Both must be on one file system. If a folder is involved and the system cannot exchange two names (no
    renameat2 in the file system or the C library, or not Linux), target is missing between two renames.
    """
    if os.path.lexists(target) and (_is_folder(stage) or _is_folder(target)):
        if not exchange(stage, target):
            _exchange_with_gap(stage, target)
        sync_folder(os.path.dirname(target))
        remove_path(stage)
    else:
        os.replace(stage, target)
        sync_folder(os.path.dirname(target))


def remove_path(path: str) -> None:
    """Removes a file, a link, or a folder with everything in it."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def sync_file(path: str) -> None:
    """Waits until the file's content is on the disk."""
    # Windows syncs only files that are open for writing; elsewhere a read-only file can be synced too.
    with open(path, "rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: str) -> None:
    """Waits until the folder's list of names is on the disk; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(path or os.curdir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_running(process: int) -> bool:
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM  # another user's
    return True


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def exchange(first: str, second: str) -> bool:
    """Swaps two names in one step.

    Returns:
        False if this system cannot do that.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # glibc before 2.28
        return False
    paths = os.fsencode(first), os.fsencode(second)
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(code, os.strerror(code), first)


def _exchange_with_gap(first: str, second: str) -> None:
    aside = first + ASIDE
    os.rename(second, aside)
    try:
        os.rename(first, second)
    except OSError:
        os.rename(aside, second)
        raise
    os.rename(aside, first)
