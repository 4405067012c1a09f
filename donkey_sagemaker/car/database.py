"""models/database.json: the pilots that donkeycar (from 4.2 on) knows, with how each was trained.

donkeycar's `PilotDatabase.get_entry` returns the first entry of a name, and 5.4 reads a pilot's type and
image transformations from it. So the entry of a pilot that is trained again goes *before* the older one
of that name: the new one is found and none is lost. Every entry gets a number of its own, because
donkeycar's table is indexed by it.
"""

import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .. import atomic
from ..errors import BadInput
from ..untrusted_json import parse_json
from .models import model_name


class DatabaseNotWritten(BadInput):
    """The disk refused models/database.json."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"{path} could not be read or written: {error.strerror}.",
            f"Make {path} readable and writable for this user.",
        )


class Added(NamedTuple):
    """What add_entry did."""

    number: int  # of the new entry
    unreadable_path: Optional[str]  # where an unreadable database is kept now


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
    """The entry, but for its Number, as `donkey train` of that version writes it.

    Args:
        model_type: as in `--type`; the prefix of a converted model is left out.
        pilot: str() of donkeycar's pilot, e.g. KerasLinear.
        time_s: since the epoch.
        history: a list a metric, an item an epoch, as Keras has it.
        transfer: path of the model that training started from.
        config: the car's settings by their upper-case names.
    """
    for prefix in ("tflite_", "tensorrt_"):
        if model_type.startswith(prefix):
            model_type = model_type[len(prefix) :]
    has_pilot = donkeycar_version >= (5, 2)
    entry: Dict[str, Any] = {"Name": model_name(model_path)}
    if has_pilot:
        entry["Pilot"] = pilot
    entry.update(
        {
            "Type": model_type if has_pilot else pilot,
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
    """Adds the entry with the next free Number and leaves every other one, and its fields, as they are.

    An unreadable database is kept beside the new one that is begun. An entry that is there already, of the
    same Name and Time, is not added again: a power cut may have come just after it was written.

    Raises:
        DatabaseNotWritten
    """
    try:
        entries, unreadable_path = _read_entries(path), None
        if entries is None:
            entries, unreadable_path = [], _keep_aside(path)
        number = max(_numbers(entries), default=-1) + 1
        for other in entries:
            if all(other.get(key) == entry[key] for key in ("Name", "Time")):
                return Added(other["Number"], None)
        names = [other.get("Name") for other in entries]
        place = names.index(entry["Name"]) if entry["Name"] in names else len(entries)
        entries.insert(place, {"Number": number, **entry})
        _write_entries(path, entries)
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error
    return Added(number, unreadable_path)


def put_previous_first(path: str, name: str) -> bool:
    """Lets the two newest entries of a name change places, as their models do when one is rolled back.

    Returns:
        False where there are not two, and nothing was done.
    Raises:
        DatabaseNotWritten
    """
    try:
        entries = _read_entries(path) or []
        places = [place for place, entry in enumerate(entries) if entry.get("Name") == name][:2]
        if len(places) < 2:
            return False
        newest, previous = places
        entries[newest], entries[previous] = entries[previous], entries[newest]
        _write_entries(path, entries)
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error
    return True


def read_numbers(path: str) -> List[int]:
    """The Numbers in the database; none where it is missing or unreadable."""
    return _numbers(read_entries(path))


def read_entries(path: str) -> List[Dict[str, Any]]:
    """The entries as they stand there, the newest of a name first; none where it is missing or unreadable."""
    try:
        return _read_entries(path) or []
    except OSError as error:
        raise DatabaseNotWritten(path, error) from error


def _read_entries(path: str) -> Optional[List[Dict[str, Any]]]:
    try:
        with open(path, "rb") as file:
            entries = parse_json(file.read())
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


def _keep_aside(path: str) -> str:
    with open(path, "rb") as file:
        content = file.read()
    aside = f"{path}.unreadable-{time.strftime('%Y%m%d-%H%M%S')}"
    while os.path.lexists(aside):
        aside += "-again"
    atomic.write_bytes(aside, content)
    return aside
