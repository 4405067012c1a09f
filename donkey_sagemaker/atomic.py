"""Writing to the car's disk so that a power cut leaves the old or the new, never half of either.

A car is switched off by pulling its battery. Every write goes to a hidden file in the same folder,
is synced, and then takes the path's place by one rename.
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
from typing import Any, Union

ASIDE = ".aside"  # what a crash in the gap of replace_path leaves: the old folder, at stage + ASIDE

_STAGE_ENDING = ".part"
_STAGE = re.compile(r"\..+\.(\d+)-[0-9a-f]{32}" + re.escape(_STAGE_ENDING))

_AT_FDCWD = -100  # renameat2: paths relative to the working directory
_RENAME_EXCHANGE = 2


def write_bytes(path: str, data: Union[bytes, bytearray]) -> None:
    """Makes data the whole content of path, atomically; an old file keeps its mode, a link stays a link."""
    path = os.path.realpath(path)
    name = f".{os.path.basename(path)}.{os.getpid()}-{uuid.uuid4().hex}{_STAGE_ENDING}"
    stage = os.path.join(os.path.dirname(path), name)
    try:
        with open(stage, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path) and os.stat(path).st_mode != os.stat(stage).st_mode:
            shutil.copymode(path, stage)
        replace_path(stage, path)
    finally:
        if os.path.lexists(stage):
            os.remove(stage)


def sweep(folder: str) -> None:
    """Removes what writers that were killed left half written, in that folder alone."""
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        stage = _STAGE.fullmatch(name)
        if stage and not _lives(int(stage.group(1))):
            with contextlib.suppress(OSError):  # the next sweep tries again
                os.remove(os.path.join(folder, name))


def _lives(process: int) -> bool:
    if os.name == "nt":  # where this signal is no question
        return True
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM  # another user's
    return True


def write_text(path: str, text: str) -> None:
    """write_bytes of the text as UTF-8, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str, value: Any) -> None:
    """write_bytes of the value as indented ASCII JSON; what JSON does not know raises TypeError."""
    write_text(path, json.dumps(value, indent=4) + "\n")


def replace_path(stage: str, target: str) -> None:
    """Moves the file or folder stage to target, in one step, and removes what was there before.

    Both lie on one file system. Where a folder takes another's place and the system cannot exchange
    two names (a file system or C library without renameat2, not Linux), target is missing between
    two renames.
    """
    if os.path.lexists(target) and (_is_folder(stage) or _is_folder(target)):
        if not _exchange(stage, target):
            _exchange_with_gap(stage, target)
        sync_folder(os.path.dirname(target))
        remove_path(stage)
    else:
        os.replace(stage, target)
        sync_folder(os.path.dirname(target))


def remove_path(path: str) -> None:
    """Removes a file, a link or a folder with all that is in it."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def sync_file(path: str) -> None:
    """Waits until the file's content is on the disk."""
    # Windows syncs only what is open for writing; elsewhere a read-only file can be synced too.
    with open(path, "rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: str) -> None:
    """Waits until the folder's names are on the disk; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(path or os.curdir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _exchange(first: str, second: str) -> bool:
    """Swaps two names in one step; False where this system cannot."""
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
