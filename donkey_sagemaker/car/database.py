"""donkeycar's pilot database, models/database.json (from 4.2 on): how each of the pilots was trained.

donkeycar's `PilotDatabase.get_entry` returns the first entry with a name, and 5.4 reads a pilot's type and
image transformations from it. When a pilot is trained again, its new entry therefore goes *in front of* the
older one with this name, so that donkeycar uses the new one and none is lost. Every entry gets a unique
number, because donkeycar's table is indexed by it.
"""

import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .. import atomic
from ..errors import BadInput
from ..untrusted_file import read_file
from ..untrusted_json import parse_json
from .model_files import model_name
from .runtime import bare_type

_MAX_BYTES = 2**26  # an entry has a few kilobytes, its history included


class DatabaseNotWritten(BadInput):
    """models/database.json could not be read or written."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"{path} could not be read or written: {error.strerror}.",
            f"Give this user read and write access to {path}.",
        )


class Added(NamedTuple):
    """The result of add_entry."""

    number: int  # of the new entry
    unreadable_path: Optional[str]  # the copy of a database that could not be parsed


def make_entry(
    *,
    model_path: str,
    model_type: str,
    pilot: str,
    tub_paths: Sequence[str],
    time_s: float,
    history: Dict[str, List[float]],
    transfer: Optional[str],
    comment: Optional[str],
    config: Dict[str, Any],
    donkeycar_version: Tuple[int, int],
) -> Dict[str, Any]:
    """An entry without its Number, as `donkey train` of this version writes it.

    Args:
        model_type: as for `--type`; the prefix of a converted model is not written.
        pilot: str() of donkeycar's pilot, e.g. KerasLinear.
        time_s: since the Unix epoch.
        history: metric -> one value per epoch, as in Keras.
        transfer: path of the model that the training started from.
        config: the car's settings by their UPPER_CASE names.
    """
    has_pilot = donkeycar_version >= (5, 2)
    entry: Dict[str, Any] = {"Name": model_name(model_path)}
    if has_pilot:
        entry["Pilot"] = pilot
    entry.update(
        {
            "Type": bare_type(model_type) if has_pilot else pilot,
            "Tubs": ",".join(tub_paths),
            "Time": time_s,
            "History": history,
            "Transfer": os.path.basename(transfer) if transfer else None,
            "Comment": comment,
            "Config": config if donkeycar_version >= (5, 0) else str(sorted(config.items())),
        }
    )
    return entry


def add_entry(path: str, entry: Dict[str, Any]) -> Added:
    """Adds the entry with the next free Number. All other entries and their fields stay unchanged.

    If the database cannot be parsed, a copy of it is kept next to the new one. An entry with the same Name
    and Time is not added again: there may have been a power cut just after it was written.

    Raises:
        DatabaseNotWritten
    """
    try:
        entries, unreadable_path = _read_entries(path), None
        if entries is None:
            entries, unreadable_path = [], _copy_unreadable(path)
        number = max(_numbers(entries), default=-1) + 1
        for other in entries:
            if all(other.get(key) == entry[key] for key in ("Name", "Time")):
                return Added(other.get("Number", number), None)
        names = [other.get("Name") for other in entries]
        position = names.index(entry["Name"]) if entry["Name"] in names else len(entries)
        entries.insert(position, {"Number": number, **entry})
        _write_entries(path, entries)
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error
    return Added(number, unreadable_path)


def put_entry_first(path: str, name: str, *, time_s: Optional[float]) -> bool:
    """Puts the entry of the version that was rolled back to in front of the others with its name.

    Args:
        time_s: its Time; None where that is not known. Then it is the second entry, as after one training.
    Returns:
        False if there are fewer than two, so that nothing was changed.
    Raises:
        DatabaseNotWritten
    """
    try:
        entries = _read_entries(path) or []
        positions = [position for position, entry in enumerate(entries) if entry.get("Name") == name]
        if len(positions) < 2:
            return False
        known = [place for place in positions if time_s is not None and entries[place].get("Time") == time_s]
        chosen = entries.pop(known[0] if known else positions[1])
        entries.insert(positions[0], chosen)
        _write_entries(path, entries)
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error
    return True


def read_numbers(path: str) -> List[int]:
    """The Numbers in the database; empty if it is missing or cannot be parsed."""
    return _numbers(read_entries(path))


def read_entries(path: str) -> List[Dict[str, Any]]:
    """The entries, the newest with a name first; empty if the database is missing or cannot be parsed."""
    try:
        return _read_entries(path) or []
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error


def _read_entries(path: str) -> Optional[List[Dict[str, Any]]]:
    try:
        entries = parse_json(read_file(path, max_bytes=_MAX_BYTES))
    except FileNotFoundError:
        return []
    except ValueError:
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return None
    return entries


def _write_entries(path: str, entries: List[Dict[str, Any]]) -> None:
    text = json.dumps(entries, indent=4, skipkeys=True, default=lambda value: "<not serializable>")
    atomic.write_text(path, text)


def _numbers(entries: List[Dict[str, Any]]) -> List[int]:
    numbers = [entry.get("Number") for entry in entries]
    return [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]


def _copy_unreadable(path: str) -> str:
    content = read_file(path, max_bytes=_MAX_BYTES)
    copy_path = f"{path}.unreadable-{time.strftime('%Y%m%d-%H%M%S')}"
    while os.path.lexists(copy_path):
        copy_path += "-again"
    atomic.write_bytes(copy_path, content)
    return copy_path
