"""The atomic swap: installs the new files of a pilot in place of the old ones, all or none; and the rollback.

The files of a pilot are its model in each format, its loss plot, report and history. A driving car polls the
path of its model, so each path changes by a single rename. The whole set of files changes as a transaction:

1. The old files are kept in the backup folder, and `pending.json` describes how to restore them.
2. The new files are staged next to their targets and then renamed onto them. Stale siblings are removed.
3. `pending.json` is renamed to `previous.json`. This rename is the commit, and `roll_back` reads the file.

If anything stops the swap before step 3, such as a full disk, Ctrl-C or a power cut, `recover` undoes it.
It recognizes the new files by the mtime they were given, and does not touch files that were written since.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .. import atomic
from ..disk_errors import free_text, is_full
from ..errors import BadInput
from ..untrusted_file import UnusableFile, read_file
from ..untrusted_json import parse_json
from .model_files import model_name

PENDING_NAME = "pending.json"
PREVIOUS_NAME = "previous.json"

# The folders in which a swap keeps files, by mkdtemp; earlier versions left the prefix to it
_KEPT_PREFIX = "kept-"
_KEPT_FOLDER = re.compile(r"(kept-|tmp)[a-z0-9_]{8}")
_MTIME_STEP_NS = 2 * 10**9  # the resolution of FAT, which is the coarsest of all file systems


class ModelNotInstalled(BadInput):
    """The new files could not be written. The old ones are still in place."""

    def __init__(self, models_path: str, error: OSError) -> None:
        super().__init__(
            f"The model could not be installed in {models_path}: {_reason(error)}. "
            "The files there are unchanged.",
            _fix(error, models_path),
        )


class ModelNotRestored(BadInput):
    """An interrupted swap could not be undone."""

    def __init__(self, backup_folder: str, error: OSError) -> None:
        super().__init__(
            f"The previous files of a model could not be restored: {_reason(error)}. "
            f"They are kept in {backup_folder}.",
            _fix(error, backup_folder),
        )


class BackupDamaged(BadInput):
    """The list of the files in a backup is damaged or was edited."""

    def __init__(self, list_path: str) -> None:
        super().__init__(
            f"{list_path} is damaged: it does not list the files to restore.",
            "Copy the files that you need from its folder, then delete the folder.",
        )


class NothingToRollBack(BadInput):
    """No backup is kept for this model.

    Args:
        model: as the user named it; None for any model of the car.
    """

    def __init__(self, model: Optional[str]) -> None:
        super().__init__(
            f"There is no previous version of {model} to restore."
            if model
            else "This car has no previous version of any model to restore.",
            "A training that replaces a model keeps the model before it: name one with "
            "`python manage.py sagemaker-rollback MODEL`.",
        )


def _reason(error: OSError) -> str:
    path = error.filename2 or error.filename
    return f"{error.strerror} ({path})" if path else f"{error.strerror}"


def _fix(error: OSError, folder: str) -> str:
    if is_full(error):
        return f"Free some space on this disk ({free_text(_existing(folder))}), and run the command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Give this user write access to {folder}, and run the command again."
    return f"Check the disk and the folder {folder}, and run the command again."


def _existing(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


class PreviousSet(NamedTuple):
    """The files of one pilot before a swap."""

    models_path: str  # the folder that they belong in
    kept: Dict[str, str]  # name in that folder -> path of the kept file or folder
    absent: List[str]  # names that did not exist
    new_mtimes_ns: Dict[str, int]  # name -> mtime of the file that replaced it


def install_files(pairs: List[Tuple[str, str]], *, backup_folder: str) -> List[str]:
    """Replaces the old files of one pilot by its new ones, all or none.

    Each target changes in one step and gets a later mtime than before. Files of an older training that share
    the base name of a target but have no successor (an old pilot.tflite next to a new pilot.h5) are removed.
    The old files are kept in backup_folder for `roll_back`, until the next call replaces them.

    Args:
        pairs: (source, target), files or SavedModel folders; all targets are in one folder.
        backup_folder: used by this pilot only, and not in the models folder, where donkeycar lists pilots.
    Returns:
        the paths of the files that were removed.
    Raises:
        ModelNotInstalled, ModelNotRestored, BackupDamaged
    """
    models_path = os.path.dirname(os.path.abspath(pairs[0][1]))
    if any(os.path.dirname(os.path.abspath(target)) != models_path for _, target in pairs):
        raise ValueError("the files of one pilot belong in one folder")
    recover(backup_folder)
    sources = {os.path.basename(target): source for source, target in pairs}
    stale = _stale_siblings(models_path, sources)
    _swap(sources, stale, models_path, backup_folder)
    return [os.path.join(models_path, name) for name in stale]


def previous_set(backup_folder: str) -> Optional[PreviousSet]:
    """The files that `roll_back` would restore, or None."""
    return _read_set(os.path.join(backup_folder, PREVIOUS_NAME))


def interrupted_set(backup_folder: str) -> Optional[PreviousSet]:
    """The files that `recover` would restore, or None."""
    return _read_set(os.path.join(backup_folder, PENDING_NAME))


def roll_back(backup_folder: str) -> List[str]:
    """Restores the previous files and keeps the current ones instead, so that a second call undoes the first.

    Returns:
        the paths of the restored files.
    Raises:
        NothingToRollBack, and the errors of install_files.
    """
    recover(backup_folder)
    previous = previous_set(backup_folder)
    if previous is None or not previous.kept:
        raise NothingToRollBack(os.path.basename(backup_folder))
    stale = set(_stale_siblings(previous.models_path, previous.kept))
    stale.update(name for name in previous.absent if os.path.exists(os.path.join(previous.models_path, name)))
    _swap(previous.kept, sorted(stale), previous.models_path, backup_folder)
    return [os.path.join(previous.models_path, name) for name in previous.kept]


def recover(backup_folder: str) -> None:
    """Undoes an interrupted swap, and removes the files that it left behind."""
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    try:
        pending = _read_set(pending_path)
        if pending:
            _restore(pending)
            os.remove(pending_path)
            atomic.sync_folder(backup_folder)
        if os.path.isdir(backup_folder):
            _remove_unused_backups(backup_folder)
    except OSError as error:
        raise ModelNotRestored(backup_folder, error) from error


def _swap(sources: Dict[str, str], stale: List[str], models_path: str, backup_folder: str) -> None:
    try:
        os.makedirs(models_path, exist_ok=True)
        os.makedirs(backup_folder, exist_ok=True)
        mtimes_ns = {name: _next_mtime_ns(os.path.join(models_path, name)) for name in sources}
        _back_up([*sources, *stale], mtimes_ns, models_path, backup_folder)
        for name, source in sources.items():
            stage = _stage_path(models_path, name)
            _copy(source, stage, shutil.copyfile)
            os.utime(stage, ns=(mtimes_ns[name], mtimes_ns[name]))
            _sync_tree(stage)
        for name in sources:
            atomic.replace_path(_stage_path(models_path, name), os.path.join(models_path, name))
        for name in stale:
            _remove(models_path, name)
        _commit(backup_folder)
    except OSError as error:
        raise ModelNotInstalled(models_path, error) from error
    finally:
        recover(backup_folder)  # after the commit this only removes older backups


def _back_up(names: List[str], mtimes_ns: Dict[str, int], models_path: str, backup_folder: str) -> None:
    folder = tempfile.mkdtemp(prefix=_KEPT_PREFIX, dir=backup_folder)
    kept = [name for name in names if os.path.exists(os.path.join(models_path, name))]
    for name in kept:
        _copy(os.path.join(models_path, name), os.path.join(folder, name), _link_or_copy)
    _sync_tree(folder)
    atomic.write_json(
        os.path.join(backup_folder, PENDING_NAME),
        {
            # relative, so that the car's folder can be moved
            "models": os.path.relpath(models_path, backup_folder),
            "folder": os.path.basename(folder),
            "kept": kept,
            "absent": [name for name in names if name not in kept],
            "new_mtimes_ns": mtimes_ns,
        },
    )


def _read_set(list_path: str) -> Optional[PreviousSet]:
    backup_folder = os.path.abspath(os.path.dirname(list_path))
    try:
        listed = parse_json(read_file(list_path))
        _check_list(listed)
        return PreviousSet(
            models_path=os.path.normpath(os.path.join(backup_folder, listed["models"])),
            kept={name: os.path.join(backup_folder, listed["folder"], name) for name in listed["kept"]},
            absent=listed["absent"],
            new_mtimes_ns=listed["new_mtimes_ns"],
        )
    except FileNotFoundError:
        return None
    except (UnusableFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamaged(list_path) from error


def _check_list(listed: Any) -> None:
    """
    Raises:
        ValueError, KeyError, TypeError, AttributeError: this program did not write it.
    """
    if not all(isinstance(listed[each], list) for each in ("kept", "absent")):
        raise TypeError("a list is missing")
    for name in [*listed["kept"], *listed["absent"], *listed["new_mtimes_ns"]]:
        os.fsencode(name)
        if name in ("", os.curdir, os.pardir) or os.path.basename(name) != name or "\0" in name:
            raise ValueError("not a name in the models folder")
    if not all(type(mtime_ns) is int for mtime_ns in listed["new_mtimes_ns"].values()):
        raise TypeError("not a time")
    if not _KEPT_FOLDER.fullmatch(listed["folder"]) or "\0" in listed["models"]:
        raise ValueError("not the folder of a backup")
    os.fsencode(listed["models"])


def _commit(backup_folder: str) -> None:
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    pending = _read_set(pending_path)
    if pending and pending.kept:
        os.replace(pending_path, os.path.join(backup_folder, PREVIOUS_NAME))
    else:  # there were no files before: an older backup remains the previous one
        os.remove(pending_path)
    atomic.sync_folder(backup_folder)


def _restore(old: PreviousSet) -> None:
    for name in [*old.kept, *old.absent]:
        target, stage = os.path.join(old.models_path, name), _stage_path(old.models_path, name)
        for leftover in (stage, stage + atomic.ASIDE):
            if os.path.lexists(leftover):
                atomic.remove_path(leftover)
        is_missing = not os.path.lexists(target)
        is_new = os.path.exists(target) and os.stat(target).st_mtime_ns == old.new_mtimes_ns.get(name)
        if name in old.kept and (is_new or is_missing):
            _copy(old.kept[name], stage, _link_or_copy)
            atomic.replace_path(stage, target)
        elif is_new:
            _remove(old.models_path, name)


def _remove_unused_backups(backup_folder: str) -> None:
    """Removes folders that a swap made here and that no list names; anything else is not ours to remove."""
    previous = previous_set(backup_folder)
    used = {os.path.dirname(path) for path in previous.kept.values()} if previous else set()
    atomic.sweep(backup_folder)
    for name in os.listdir(backup_folder):
        path = os.path.join(os.path.abspath(backup_folder), name)
        if _KEPT_FOLDER.fullmatch(name) and path not in used:
            with contextlib.suppress(OSError):  # the next swap tries again
                atomic.remove_path(path)


def _stale_siblings(models_path: str, new_names: Iterable[str]) -> List[str]:
    pilots = {model_name(name) for name in new_names}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [
            name
            for name in sorted(os.listdir(models_path))
            if name not in new_names and model_name(name) in pilots and model_name(name) != name
        ]
    return []


def _stage_path(models_path: str, name: str) -> str:
    return os.path.join(models_path, f".{name}.sagemaker-stage")


def _next_mtime_ns(path: str) -> int:
    """Later than now and than the current mtime: donkeycar reloads if it differs, and clocks may go back."""
    mtime_ns = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    return (max(int(time.time() * 10**9), mtime_ns) // _MTIME_STEP_NS + 1) * _MTIME_STEP_NS


def _remove(models_path: str, name: str) -> None:
    """Removes a file or a folder, so that its path disappears in one step."""
    stage = _stage_path(models_path, name)
    os.rename(os.path.join(models_path, name), stage)
    atomic.remove_path(stage)


def _copy(source: str, target: str, copy_file: Callable[[str, str], Any]) -> None:
    if not os.path.isdir(source):
        copy_file(source, target)
        return
    os.mkdir(target)
    for name in os.listdir(source):
        _copy(os.path.join(source, name), os.path.join(target, name), copy_file)
    shutil.copystat(source, target)


def _link_or_copy(source: str, target: str) -> None:
    """The same content and mtime under another name, without a second copy if the disk supports links."""
    if not os.path.islink(source):
        with contextlib.suppress(OSError):  # FAT, another disk, or a file of another user
            os.link(source, target)
            return
    shutil.copy2(source, target)


def _sync_tree(path: str) -> None:
    if not os.path.isdir(path):
        atomic.sync_file(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            atomic.sync_file(os.path.join(folder, name))
        atomic.sync_folder(folder)
