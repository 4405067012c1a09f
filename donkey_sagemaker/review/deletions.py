"""Marks records of a tub as deleted, as donkeycar does, and undoes that. No file of a record is removed.

donkeycar 4 and later keep the deleted indexes in manifest.json, earlier versions in exclude.json. What was
there before stays beside it as NAME.previous. `sagemaker_deletions.json` lists what each call has deleted, so
that a tub that has grown meanwhile, or in which more was deleted, loses nothing when it is undone.
"""

import bisect
import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set

from .. import atomic
from ..errors import BadInput
from ..tubs.reader import V1, Tub
from ..untrusted_json import parse_json
from .ranges import Range, make_ranges

UNDO_NAME = "sagemaker_deletions.json"
PREVIOUS = ".previous"
MANIFEST_NAME, EXCLUDE_NAME = "manifest.json", "exclude.json"
_MAX_INDEX = 2**53


class ManifestUnusable(BadInput):
    """The file that lists what is deleted cannot be read, so it is not replaced either."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Nothing was deleted: {path} is missing or damaged.",
            "Restore that file from a copy of the tub, then try again.",
        )


class NothingToRestore(BadInput):
    def __init__(self, paths: List[str]) -> None:
        super().__init__(
            f"Nothing to restore in {', '.join(paths)}: no record was deleted by sagemaker-tubs.",
            "Name the tub with --tub=PATH.",
        )


class UndoDamaged(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is damaged or was not written by this program.",
            f"Remove it. The list before the last deletion is in the file ending in {PREVIOUS} beside it.",
        )


class _Step(NamedTuple):
    """One call that deleted records."""

    time: float
    ranges: List[Range]


def delete_records(path: str, tub: Tub, indexes: Set[int]) -> None:
    """Marks these records as deleted, besides those that are already.

    Args:
        path: the tub's folder.
        indexes: `_index` values, or the numbers in the file names of a v1 tub.
    Raises:
        ManifestUnusable, UndoDamaged
    """
    new = indexes - tub.deleted_indexes
    steps = _read_steps(path)
    list_path = os.path.join(path, _list_name(tub))
    text = _with_deleted(tub, list_path, tub.deleted_indexes | new)
    before = tub.manifests.get(_list_name(tub))
    if before is not None:
        atomic.write_bytes(list_path + PREVIOUS, before)
    # The undo first: if the power is cut here, undoing it restores what is not deleted, which does no harm
    _write_steps(path, [*steps, _Step(time.time(), make_ranges(new))])
    atomic.write_text(list_path, text)


def restore_records(path: str, tub: Tub) -> Optional[int]:
    """Undoes the last call of `delete_records` on this tub.

    Returns:
        the number of records that are no longer deleted; None if there is nothing to undo.
    Raises:
        ManifestUnusable, UndoDamaged
    """
    steps = _read_steps(path)
    if not steps:
        return None
    list_path = os.path.join(path, _list_name(tub))
    undone = _in_ranges(tub.deleted_indexes, steps[-1].ranges)
    text = _with_deleted(tub, list_path, tub.deleted_indexes - undone)
    previous = _read_bytes(list_path + PREVIOUS)
    if previous is not None and _same_json(previous, text.encode("utf-8")):
        atomic.write_bytes(list_path, previous)  # byte for byte
    elif previous is None and tub.layout == V1 and tub.deleted_indexes == undone:
        os.remove(list_path)  # there was none
    else:
        atomic.write_text(list_path, text)
    _write_steps(path, steps[:-1])
    if len(steps) == 1 and previous is not None:
        os.remove(list_path + PREVIOUS)
    return len(undone)


def _list_name(tub: Tub) -> str:
    return EXCLUDE_NAME if tub.layout == V1 else MANIFEST_NAME


def _with_deleted(tub: Tub, list_path: str, deleted: Set[int]) -> str:
    """The text of the file with other deleted indexes; everything else in it stays as it is."""
    before = tub.manifests.get(_list_name(tub))
    is_damaged = any(item.where == _list_name(tub) for item in tub.damage)
    if tub.layout == V1 and not is_damaged:
        return json.dumps(sorted(deleted))
    if before is None or is_damaged:
        raise ManifestUnusable(list_path)
    lines = before.decode("utf-8").splitlines(True)
    for number in range(len(lines) - 1, -1, -1):
        content = _parse(lines[number])
        if isinstance(content, dict) and "paths" in content:
            content["deleted_indexes"] = sorted(deleted)
            end = "\n" if lines[number].endswith("\n") else ""
            lines[number] = json.dumps(content) + end
            return "".join(lines)
    raise ManifestUnusable(list_path)


def _parse(line: str) -> Any:
    try:
        return parse_json(line.encode("utf-8"))
    except ValueError:
        return None


def _same_json(one: bytes, other: bytes) -> bool:
    lines = [text.decode("utf-8", "replace").splitlines() for text in (one, other)]
    return len(lines[0]) == len(lines[1]) and all(
        first == second or (_parse(first) is not None and _parse(first) == _parse(second))
        for first, second in zip(*lines)
    )


def _read_bytes(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _read_steps(path: str) -> List[_Step]:
    undo_path = os.path.join(path, UNDO_NAME)
    text = _read_bytes(undo_path)
    if text is None:
        return []
    try:
        steps = parse_json(text)["steps"]
        return [_Step(float(step["time"]), [_check_range(each) for each in step["ranges"]]) for step in steps]
    except (ValueError, TypeError, KeyError) as error:
        raise UndoDamaged(undo_path) from error


def _check_range(value: Any) -> Range:
    first, last = value
    if type(first) is not int or type(last) is not int or not 0 <= first <= last < _MAX_INDEX:
        raise ValueError("not a range")
    return first, last


def _write_steps(path: str, steps: List[_Step]) -> None:
    undo_path = os.path.join(path, UNDO_NAME)
    if steps:
        content: Dict[str, Any] = {"steps": [step._asdict() for step in steps]}
        atomic.write_text(undo_path, json.dumps(content) + "\n")
    else:
        os.remove(undo_path)


def _in_ranges(indexes: Set[int], ranges: List[Range]) -> Set[int]:
    """Those of the indexes that are in one of the ranges."""
    ordered = sorted(ranges)
    firsts = [first for first, _ in ordered]
    places = ((index, bisect.bisect_right(firsts, index) - 1) for index in indexes)
    return {index for index, place in places if place >= 0 and index <= ordered[place][1]}
