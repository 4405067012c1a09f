"""Writes tubs in donkeycar's layouts: v2 (donkeycar 4 and later) and v1 (2 and 3)."""

import json
import os
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, Tuple

import numpy as np
from PIL import Image

MAX_CATALOG_RECORDS = 1000
CAMERA_KEY = "cam/image_array"

Record = Dict[str, Any]  # column -> value; the picture is uint8 (H, W, 3)
Columns = List[Tuple[str, str]]  # key and donkeycar's name of its type


class FolderInUse(Exception):
    """The folder for the tub is not empty."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not empty, and a drawn tub never replaces anything. "
            "Name a new or an empty folder with --out."
        )


@contextmanager
def new_folder(path: str) -> Iterator[str]:
    """A folder to fill. It becomes `path` at the end of the block, or is removed if the block fails.

    Raises:
        FolderInUse: `path` is not empty.
    """
    if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise FolderInUse(path)
    parent = os.path.dirname(os.path.abspath(path))
    os.makedirs(parent, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=parent) as scratch:
        folder = os.path.join(scratch, "tub")
        os.mkdir(folder)
        yield folder
        if os.path.isdir(path):
            os.rmdir(path)
        os.rename(folder, path)


def write_v2(
    path: str, *, columns: Columns, sessions: Iterable[Iterable[Record]], start_ms: int, day: str
) -> None:
    """Writes one tub with all sessions.

    Args:
        path: a new or an empty folder.
        columns: the columns of every record, the picture first.
        sessions: the records in order, each with `_timestamp_ms`.
        start_ms: creation time of the tub, Unix time.
        day: YY-MM-DD, the start of the session names.

    Raises:
        FolderInUse: `path` is not empty.
    """
    with new_folder(path) as folder:
        os.mkdir(os.path.join(folder, "images"))
        lines: List[str] = []
        session_names: List[str] = []
        for number, session in enumerate(sessions):
            session_names.append(f"{day}_{number}")
            for record in session:
                name = f"{len(lines)}_cam_image_array_.jpg"
                _save_picture(os.path.join(folder, "images", name), record[CAMERA_KEY])
                line = dict(record, _index=len(lines), _session_id=session_names[-1])
                line[CAMERA_KEY] = name
                lines.append(json.dumps(line, sort_keys=True) + "\n")

        catalogs: List[str] = []
        for start in range(0, len(lines), MAX_CATALOG_RECORDS):
            part = lines[start : start + MAX_CATALOG_RECORDS]
            name = f"catalog_{len(catalogs)}.catalog"
            catalogs.append(name)
            _write_lines(os.path.join(folder, name), part)
            about = {
                "path": name + "_manifest",
                "created_at": start_ms / 1000,
                "start_index": start,
                "line_lengths": [len(line) for line in part],
            }
            _write_lines(os.path.join(folder, name + "_manifest"), [json.dumps(about, sort_keys=True) + "\n"])
        manifest = [
            [key for key, _ in columns],
            [kind for _, kind in columns],
            {},
            {
                "created_at": start_ms / 1000,
                "sessions": {
                    "all_full_ids": session_names,
                    "last_id": len(session_names) - 1,
                    "last_full_id": session_names[-1],
                },
            },
            {
                "paths": catalogs,
                "current_index": len(lines),
                "max_len": MAX_CATALOG_RECORDS,
                "deleted_indexes": [],
            },
        ]
        _write_lines(os.path.join(folder, "manifest.json"), [json.dumps(part) + "\n" for part in manifest])


def write_v1(
    path: str, *, columns: Columns, sessions: Iterable[Iterable[Record]], start_ms: int, day: str
) -> None:
    """Writes a folder with a tub for each session. The arguments are those of `write_v2`."""
    meta = {
        "inputs": [key for key, _ in columns],
        "types": [kind for _, kind in columns],
        "start": start_ms / 1000,
    }
    with new_folder(path) as folder:
        for number, session in enumerate(sessions, 1):
            tub = os.path.join(folder, f"tub_{number}_{day}")
            os.mkdir(tub)
            _write_lines(os.path.join(tub, "meta.json"), [json.dumps(meta)])
            for index, record in enumerate(session):
                name = f"{index}_cam-image_array_.jpg"
                _save_picture(os.path.join(tub, name), record[CAMERA_KEY])
                line = dict(record, milliseconds=record["_timestamp_ms"] - start_ms)
                line[CAMERA_KEY] = name
                del line["_timestamp_ms"]
                text = json.dumps(line, sort_keys=True)
                _write_lines(os.path.join(tub, f"record_{index}.json"), [text])


def _save_picture(path: str, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(path)  # Pillow's default quality of 75, like donkeycar's


def _write_lines(path: str, lines: Iterable[str]) -> None:
    with open(path, "w", newline="\n") as file:
        file.writelines(lines)
