"""The atomic swap: installs the new files of a pilot in place of the old ones, all or none; and the rollback.

The versions of a pilot are a ring: the installed one, the one that it replaced, and so on. A new version
comes first, a rollback turns the ring by one, and what is too many at its end is removed.

The files of a pilot are its model in each format, its loss plot, report and history. A driving car polls the
path of its model, so each path changes by a single rename. The whole set of files changes as a transaction:

1. The old files are kept in the backup folder, and `pending.json` describes how to restore them.
2. The new files are staged next to their targets and then renamed onto them. Stale siblings are removed.
3. `pending.json` is renamed to `previous.json`. This rename is the commit: the file also lists, in order, all
   versions that are kept, and `roll_back` reads it. Folders that it does not list are removed.

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
    """The files of one version of a pilot that is not installed."""

    models_path: str  # the folder that they belong in
    kept: Dict[str, str]  # name in that folder -> path of the kept file or folder
    absent: List[str]  # names that did not exist


class _Swap(NamedTuple):
    """What pending.json and previous.json hold: a swap, and the versions that are kept once it is done."""

    old: PreviousSet
    new_mtimes_ns: Dict[str, int]  # name -> mtime of the file that replaced it
    versions: List[PreviousSet]  # in the order in which rollbacks install them


def install_files(pairs: List[Tuple[str, str]], *, backup_folder: str, keep: int) -> List[str]:
    """Replaces the old files of one pilot by its new ones, all or none.

    Each target changes in one step and gets a later mtime than before. Files of an older training that share
    the base name of a target but have no successor (an old pilot.tflite next to a new pilot.h5) are removed.
    The old files are kept in backup_folder for `roll_back`.

    Args:
        pairs: (source, target), files or SavedModel folders; all targets are in one folder.
        backup_folder: used by this pilot only, and not in the models folder, where donkeycar lists pilots.
        keep: how many earlier versions to keep, at least one; the rest is removed.
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
    kept = previous_sets(backup_folder)[: keep - 1]
    _swap(sources, stale, models_path, backup_folder, order=lambda old: [old, *kept])
    return [os.path.join(models_path, name) for name in stale]


def previous_sets(backup_folder: str) -> List[PreviousSet]:
    """The versions that are kept; `roll_back` restores the first one, and then each of the next."""
    swap = _read_swap(os.path.join(backup_folder, PREVIOUS_NAME))
    return swap.versions if swap else []


def interrupted_set(backup_folder: str) -> Optional[PreviousSet]:
    """The files that `recover` would restore, or None."""
    pending = _read_swap(os.path.join(backup_folder, PENDING_NAME))
    return pending.old if pending else None


def roll_back(backup_folder: str, *, forward: bool = False) -> List[str]:
    """Restores the files of the previous version, and keeps the current ones as the last to come back to.

    Args:
        forward: undoes a rollback.
    Returns:
        the paths of the restored files.
    Raises:
        NothingToRollBack, and the errors of install_files.
    """
    recover(backup_folder)
    versions = [each for each in previous_sets(backup_folder) if each.kept]
    if not versions:
        raise NothingToRollBack(os.path.basename(backup_folder))
    chosen = versions.pop(-1 if forward else 0)
    stale = set(_stale_siblings(chosen.models_path, chosen.kept))
    stale.update(name for name in chosen.absent if os.path.exists(os.path.join(chosen.models_path, name)))
    _swap(
        chosen.kept,
        sorted(stale),
        chosen.models_path,
        backup_folder,
        order=lambda old: [old, *versions] if forward else [*versions, old],
    )
    return [os.path.join(chosen.models_path, name) for name in chosen.kept]


def recover(backup_folder: str) -> None:
    """Undoes an interrupted swap, and removes the files that it left behind."""
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    try:
        pending = _read_swap(pending_path)
        if pending:
            _restore(pending)
            os.remove(pending_path)
            atomic.sync_folder(backup_folder)
        if os.path.isdir(backup_folder):
            _remove_unused_backups(backup_folder)
    except OSError as error:
        raise ModelNotRestored(backup_folder, error) from error


def _swap(
    sources: Dict[str, str],
    stale: List[str],
    models_path: str,
    backup_folder: str,
    *,
    order: Callable[[PreviousSet], List[PreviousSet]],
) -> None:
    """
    Args:
        order: the version that is replaced -> all that are kept then.
    """
    try:
        os.makedirs(models_path, exist_ok=True)
        os.makedirs(backup_folder, exist_ok=True)
        mtimes_ns = {name: _next_mtime_ns(os.path.join(models_path, name)) for name in sources}
        old = _back_up([*sources, *stale], models_path, backup_folder)
        pending = _Swap(old, mtimes_ns, order(old))
        atomic.write_json(os.path.join(backup_folder, PENDING_NAME), _encode(pending, backup_folder))
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


def _back_up(names: List[str], models_path: str, backup_folder: str) -> PreviousSet:
    folder = tempfile.mkdtemp(prefix=_KEPT_PREFIX, dir=os.path.abspath(backup_folder))
    kept = [name for name in names if os.path.exists(os.path.join(models_path, name))]
    for name in kept:
        _copy(os.path.join(models_path, name), os.path.join(folder, name), _link_or_copy)
    _sync_tree(folder)
    return PreviousSet(
        models_path,
        {name: os.path.join(folder, name) for name in kept},
        [name for name in names if name not in kept],
    )


def _encode(swap: _Swap, backup_folder: str) -> Dict[str, Any]:
    """Names relative to the backup folder, so that the car's folder can be moved."""
    return dict(
        _encode_set(swap.old),
        models=os.path.relpath(swap.old.models_path, backup_folder),
        new_mtimes_ns=swap.new_mtimes_ns,
        versions=[_encode_set(version) for version in swap.versions],
    )


def _encode_set(version: PreviousSet) -> Dict[str, Any]:
    folders = {os.path.basename(os.path.dirname(path)) for path in version.kept.values()}
    return {"folder": folders.pop() if folders else None, "kept": [*version.kept], "absent": version.absent}


def _read_swap(list_path: str) -> Optional[_Swap]:
    backup_folder = os.path.abspath(os.path.dirname(list_path))
    try:
        listed = parse_json(read_file(list_path))
        models_path = os.path.normpath(os.path.join(backup_folder, listed["models"]))
        _check_names(listed["new_mtimes_ns"])
        if not all(type(mtime_ns) is int for mtime_ns in listed["new_mtimes_ns"].values()):
            raise TypeError("not a time")
        os.fsencode(models_path)
        if "\0" in models_path:
            raise ValueError("not a path")
        old = _decode_set(listed, models_path, backup_folder)
        # Earlier versions kept a single one
        others = [_decode_set(each, models_path, backup_folder) for each in listed.get("versions", [listed])]
        return _Swap(old, listed["new_mtimes_ns"], others)
    except FileNotFoundError:
        return None
    except (UnusableFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamaged(list_path) from error


def _decode_set(listed: Any, models_path: str, backup_folder: str) -> PreviousSet:
    """
    Raises:
        ValueError, KeyError, TypeError, AttributeError: this program did not write it.
    """
    folder, kept, absent = listed["folder"], listed["kept"], listed["absent"]
    if not (isinstance(kept, list) and isinstance(absent, list)):
        raise TypeError("a list is missing")
    _check_names([*kept, *absent])
    if kept and not _KEPT_FOLDER.fullmatch(folder):
        raise ValueError("not the folder of a backup")
    return PreviousSet(
        models_path, {name: os.path.join(backup_folder, folder, name) for name in kept}, absent
    )


def _check_names(names: Iterable[str]) -> None:
    """
    Raises:
        ValueError, TypeError: one is not a name in the models folder.
    """
    for name in names:
        os.fsencode(name)
        if name in ("", os.curdir, os.pardir) or os.path.basename(name) != name or "\0" in name:
            raise ValueError("not a name in the models folder")


def _commit(backup_folder: str) -> None:
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    pending = _read_swap(pending_path)
    if pending and pending.old.kept:
        os.replace(pending_path, os.path.join(backup_folder, PREVIOUS_NAME))
    else:  # there were no files before: an older backup remains the previous one
        os.remove(pending_path)
    atomic.sync_folder(backup_folder)


def _restore(swap: _Swap) -> None:
    old = swap.old
    for name in [*old.kept, *old.absent]:
        target, stage = os.path.join(old.models_path, name), _stage_path(old.models_path, name)
        for leftover in (stage, stage + atomic.ASIDE):
            if os.path.lexists(leftover):
                atomic.remove_path(leftover)
        is_missing = not os.path.lexists(target)
        is_new = os.path.exists(target) and os.stat(target).st_mtime_ns == swap.new_mtimes_ns.get(name)
        if name in old.kept and (is_new or is_missing):
            _copy(old.kept[name], stage, _link_or_copy)
            atomic.replace_path(stage, target)
        elif is_new:
            _remove(old.models_path, name)


def _remove_unused_backups(backup_folder: str) -> None:
    """Removes folders that a swap made here and that no list names; anything else is not ours to remove."""
    versions = previous_sets(backup_folder)
    used = {os.path.dirname(path) for version in versions for path in version.kept.values()}
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
