"""The car's models folder: a new set of files takes the old one's place, and can be taken back.

A set is what belongs to one pilot: its model in each format, its loss plot, report and history. A driving car
polls the model's path, so each path changes by one rename. The whole set changes as a transaction:

1. The old files are kept in the backup folder, and `pending.json` there says how to put them back.
2. The new files are staged beside their targets, then renamed onto them; stale siblings are removed.
3. `pending.json` becomes `previous.json`: this rename is the commit, and what `roll_back` reads.

Whatever stops this before 3, be it a full disk, Ctrl-C or a pulled battery, `recover` undoes. It knows
the new files by the mtime they were given, and leaves alone what somebody else has written since.
"""

import contextlib
import datetime
import errno
import json
import os
import shutil
import tempfile
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .. import atomic
from ..errors import BadInput

PENDING_NAME = "pending.json"
PREVIOUS_NAME = "previous.json"

# What donkeycar, any generation, takes for a version of the pilot with that base name, and what we add.
_ENDINGS = (
    ".h5 .hdf5 .keras .savedmodel .tflite .trt .uff .pth .ckpt .pkl .history.json .json .weights .png .html"
).split()
_MTIME_STEP_NS = 2 * 10**9  # what every file system can tell apart and give back: FAT counts so


class ModelNotInstalled(BadInput):
    """The disk refused the new files; the old ones are where they were."""

    def __init__(self, models_path: str, error: OSError) -> None:
        super().__init__(
            f"The model could not be put into {models_path}: {_reason(error)}. What was there is as it was.",
            _fix(error, models_path),
        )


class ModelNotPutBack(BadInput):
    """A swap that was interrupted could not be undone."""

    def __init__(self, backup_folder: str, error: OSError) -> None:
        super().__init__(
            f"A model's files could not be put back as they were: {_reason(error)}. "
            f"They are kept in {backup_folder}.",
            _fix(error, backup_folder),
        )


class BackupDamaged(BadInput):
    """A backup's list of files was changed by somebody else."""

    def __init__(self, list_path: str) -> None:
        super().__init__(
            f"{list_path} does not say which files to put back.",
            "Copy what you need out of that folder, then remove the folder.",
        )


class NothingToRollBack(BadInput):
    """No older set is kept under this name."""

    def __init__(self, backup_folder: str) -> None:
        super().__init__(
            f"There is no previous model in {backup_folder}.",
            "Name a model that was trained more than once.",
        )


def _reason(error: OSError) -> str:
    path = error.filename2 or error.filename
    return f"{error.strerror}" + (f" ({path})" if path else "")


def _fix(error: OSError, folder: str) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space on that disk and run the command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Make {folder} writable for this user and run the command again."
    return f"Check the disk and the folder {folder}, and run the command again."


class PreviousSet(NamedTuple):
    """How the files of one pilot were before a swap."""

    models_path: str  # the folder they belong in
    kept: Dict[str, str]  # name there -> path of the kept file or folder
    absent: List[str]  # names that were not there
    new_mtimes_ns: Dict[str, int]  # name -> mtime of the file that took its place


def model_name(path: str) -> str:
    """The base name that the files of one pilot share: pilot_21-01-01_3 of models/pilot_21-01-01_3.h5."""
    name = os.path.basename(path)
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def default_model_path(
    models_path: str,
    *,
    today: datetime.date,
    extension: str,
    database_numbers: Iterable[int],
    existing_names: Iterable[str],
) -> str:
    """models_path/pilot_YY-MM-DD_N with donkeycar's next N, and never the base name of a file that is there.

    Args:
        extension: with its dot, or "".
        database_numbers: `database.read_numbers`.
        existing_names: the names in the models folder.
    """
    taken = list(existing_names)
    number = max(database_numbers, default=-1) + 1
    while True:
        name = f"pilot_{today:%y-%m-%d}_{number}"
        if not any(other == name or other.startswith(name + ".") for other in taken):
            return os.path.join(models_path, name + extension)
        number += 1


def install_files(pairs: List[Tuple[str, str]], *, backup_folder: str) -> List[str]:
    """Puts one pilot's new files in place of its old ones, all or none.

    Each target changes in one step and gets a later mtime than it had. Files of an older training that
    share a target's base name but have no successor (an old pilot.tflite beside a new pilot.h5) are
    taken away. The old set is kept in backup_folder for `roll_back`, until the next call replaces it.

    Args:
        pairs: (source, target), files or SavedModel folders; the targets are in one folder.
        backup_folder: this pilot's own, not inside the models folder, where donkeycar lists pilots.
    Returns:
        the paths of those that were taken away.
    Raises:
        ModelNotInstalled, ModelNotPutBack, BackupDamaged
    """
    models_path = os.path.dirname(os.path.abspath(pairs[0][1]))
    if any(os.path.dirname(os.path.abspath(target)) != models_path for _, target in pairs):
        raise ValueError("the files of one pilot belong in one folder")
    recover(backup_folder)
    sources = {os.path.basename(target): source for source, target in pairs}
    gone = _stale_siblings(models_path, sources)
    _swap(sources, gone, models_path, backup_folder)
    return [os.path.join(models_path, name) for name in gone]


def previous_set(backup_folder: str) -> Optional[PreviousSet]:
    """What `roll_back` would put back, or None."""
    return _read_set(os.path.join(backup_folder, PREVIOUS_NAME))


def roll_back(backup_folder: str) -> List[str]:
    """Puts the previous set back, and keeps the present one in its place: a second call undoes the first.

    Returns:
        the paths of the files that are back.
    Raises:
        NothingToRollBack, and what install_files raises.
    """
    recover(backup_folder)
    previous = previous_set(backup_folder)
    if previous is None:
        raise NothingToRollBack(backup_folder)
    gone = set(_stale_siblings(previous.models_path, previous.kept))
    gone.update(name for name in previous.absent if os.path.exists(os.path.join(previous.models_path, name)))
    _swap(previous.kept, sorted(gone), previous.models_path, backup_folder)
    return [os.path.join(previous.models_path, name) for name in previous.kept]


def recover(backup_folder: str) -> None:
    """Undoes a swap that did not come to its end, and removes what it left behind."""
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    try:
        pending = _read_set(pending_path)
        if pending:
            _put_back(pending)
            os.remove(pending_path)
            atomic.sync_folder(backup_folder)
        if os.path.isdir(backup_folder):
            _remove_unused_backups(backup_folder)
    except OSError as error:
        raise ModelNotPutBack(backup_folder, error) from error


def _swap(sources: Dict[str, str], gone: List[str], models_path: str, backup_folder: str) -> None:
    try:
        os.makedirs(models_path, exist_ok=True)
        os.makedirs(backup_folder, exist_ok=True)
        mtimes_ns = {name: _next_mtime_ns(os.path.join(models_path, name)) for name in sources}
        _keep_old([*sources, *gone], mtimes_ns, models_path, backup_folder)
        for name, source in sources.items():
            stage = _stage_path(models_path, name)
            _copy(source, stage, shutil.copyfile)
            os.utime(stage, ns=(mtimes_ns[name], mtimes_ns[name]))
            _sync_tree(stage)
        for name in sources:
            atomic.replace_path(_stage_path(models_path, name), os.path.join(models_path, name))
        for name in gone:
            _take_away(models_path, name)
        _commit(backup_folder)
    except OSError as error:
        raise ModelNotInstalled(models_path, error) from error
    finally:
        recover(backup_folder)  # after the commit it only removes the set before the previous one


def _keep_old(names: List[str], mtimes_ns: Dict[str, int], models_path: str, backup_folder: str) -> None:
    folder = tempfile.mkdtemp(dir=backup_folder)
    kept = [name for name in names if os.path.exists(os.path.join(models_path, name))]
    for name in kept:
        _copy(os.path.join(models_path, name), os.path.join(folder, name), _link_or_copy)
    _sync_tree(folder)
    atomic.write_json(
        os.path.join(backup_folder, PENDING_NAME),
        {
            # relative, so that the car's folder may be moved
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
        with open(list_path, encoding="ascii") as file:
            listed = json.load(file)
        return PreviousSet(
            models_path=os.path.normpath(os.path.join(backup_folder, listed["models"])),
            kept={name: os.path.join(backup_folder, listed["folder"], name) for name in listed["kept"]},
            absent=listed["absent"],
            new_mtimes_ns=listed["new_mtimes_ns"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(list_path) from error


def _commit(backup_folder: str) -> None:
    pending_path = os.path.join(backup_folder, PENDING_NAME)
    pending = _read_set(pending_path)
    if pending and pending.kept:
        os.replace(pending_path, os.path.join(backup_folder, PREVIOUS_NAME))
    else:  # there was nothing before: an older set is still the previous one
        os.remove(pending_path)
    atomic.sync_folder(backup_folder)


def _put_back(old: PreviousSet) -> None:
    for name in [*old.kept, *old.absent]:
        target, stage = os.path.join(old.models_path, name), _stage_path(old.models_path, name)
        for leftover in (stage, stage + atomic.ASIDE):
            if os.path.lexists(leftover):
                atomic.remove_path(leftover)
        is_there = os.path.lexists(target)
        is_new = os.path.exists(target) and os.stat(target).st_mtime_ns == old.new_mtimes_ns.get(name)
        if name in old.kept and (is_new or not is_there):
            _copy(old.kept[name], stage, _link_or_copy)
            atomic.replace_path(stage, target)
        elif is_new:
            _take_away(old.models_path, name)


def _remove_unused_backups(backup_folder: str) -> None:
    previous = previous_set(backup_folder)
    used = {os.path.dirname(path) for path in previous.kept.values()} if previous else set()
    used.add(os.path.join(os.path.abspath(backup_folder), PREVIOUS_NAME))
    for name in os.listdir(backup_folder):
        path = os.path.join(os.path.abspath(backup_folder), name)
        if path not in used:
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
    """Later than now and than the path's own: donkeycar reloads when it differs; a Pi's clock may go back."""
    mtime_ns = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    return (max(int(time.time() * 10**9), mtime_ns) // _MTIME_STEP_NS + 1) * _MTIME_STEP_NS


def _take_away(models_path: str, name: str) -> None:
    """Removes a file or a folder, the folder from its path in one step."""
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
    """The same content and mtime under another name, without a second copy where the disk knows links."""
    if not os.path.islink(source):
        with contextlib.suppress(OSError):  # FAT, another disk, another user's file
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
