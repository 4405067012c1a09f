"""Small tubs for tests, written with the standard library in the format of donkeycar."""

import json
import os
import struct
from typing import Any, Dict, Iterable, List, Optional, Tuple

SIZE = (16, 12)  # of the pictures, width and height in pixels


def jpeg(size: Tuple[int, int] = SIZE, *, comment: str = "") -> bytes:
    """A valid grey baseline JPEG of *size* (width, height). *comment* makes its bytes unique.

    Each of its two Huffman tables has a single symbol (no change, end of block), so a block is two 0 bits.
    """
    width, height = size
    blocks = 3 * ((width + 7) // 8) * ((height + 7) // 8)
    whole, rest = divmod(2 * blocks, 8)
    scan = b"\0" * whole + (bytes([0xFF >> rest]) if rest else b"")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xFE, comment.encode()),
            _segment(0xDB, b"\0" + b"\1" * 64),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components),
            _segment(0xC4, b"\x00\1" + b"\0" * 15 + b"\0"),
            _segment(0xC4, b"\x10\1" + b"\0" * 15 + b"\0"),
            _segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0"),
            scan,
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data


def write(folder: Any, name: str, data: bytes) -> None:
    """Writes the file *name* in the tub *folder*."""
    path = os.path.join(str(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def make_record_v2(index: int, **changes: Any) -> Dict[str, Any]:
    """A record of a v2 tub. *changes* adds or replaces fields."""
    record = {
        "_index": index,
        "_session_id": "26-01-01_0",
        "_timestamp_ms": 1767225600000 + 50 * index,
        "cam/image_array": f"{index}_cam_image_array_.jpg",
        "user/angle": (index % 21 - 10) / 10,
        "user/mode": "user",
        "user/throttle": 0.25,
    }
    record.update(changes)
    return record


def make_v2(
    folder: Any,
    records: int = 10,
    *,
    max_len: int = 1000,
    deleted: Iterable[int] = (),
    size: Tuple[int, int] = SIZE,
    lines: Optional[Dict[int, bytes]] = None,
) -> str:
    """Writes a v2 tub. *lines* replaces the lines of the records with these indexes."""
    catalogs: List[str] = []
    for first in range(0, records, max_len):
        members = range(first, min(first + max_len, records))
        texts = []
        for index in members:
            text = json.dumps(make_record_v2(index), sort_keys=True).encode()
            texts.append((lines or {}).get(index, text) + b"\n")
            write(folder, f"images/{index}_cam_image_array_.jpg", jpeg(size, comment=str(index)))
        name = f"catalog_{len(catalogs)}.catalog"
        write_catalog(folder, name, texts, first=first)
        catalogs.append(name)
    write_manifest(folder, catalogs, records=records, max_len=max_len, deleted=deleted)
    return str(folder)


def write_catalog(folder: Any, name: str, lines: List[bytes], *, first: int = 0) -> None:
    """Writes a catalog of a v2 tub, and the file from which donkeycar knows where its lines are."""
    write(folder, name, b"".join(lines))
    catalog_manifest = {
        "created_at": 1.5,
        "line_lengths": [len(line) for line in lines],
        "path": name + "_manifest",
        "start_index": first,
    }
    write(folder, name + "_manifest", json.dumps(catalog_manifest, sort_keys=True).encode() + b"\n")


def write_manifest(
    folder: Any, catalogs: List[str], *, records: int, max_len: int = 1000, deleted: Iterable[int] = ()
) -> None:
    """Writes the manifest.json of a v2 tub."""
    manifest = [
        ["cam/image_array", "user/angle", "user/throttle", "user/mode"],
        ["image_array", "float", "float", "str"],
        {},
        {"created_at": 1.5},
        {"paths": catalogs, "current_index": records, "max_len": max_len, "deleted_indexes": list(deleted)},
    ]
    write(folder, "manifest.json", "".join(json.dumps(line) + "\n" for line in manifest).encode())


def make_record_v1(index: int, **changes: Any) -> Dict[str, Any]:
    """A record of a v1 tub. *changes* adds or replaces fields."""
    record = {
        "cam/image_array": f"{index}_cam-image_array_.jpg",
        "timestamp": None,
        "user/angle": (index % 21 - 10) / 10,
        "user/mode": "user",
        "user/throttle": 0.25,
    }
    record.update(changes)
    return record


def write_record_v1(folder: Any, index: int, **changes: Any) -> None:
    """Writes the JSON file of one record of a v1 tub."""
    write(folder, f"record_{index}.json", json.dumps(make_record_v1(index, **changes)).encode())


def make_v1(folder: Any, records: int = 10, *, first: int = 0, size: Tuple[int, int] = SIZE) -> str:
    """Writes a v1 tub with indexes that start at *first*."""
    meta = {
        "inputs": ["cam/image_array", "user/angle", "user/throttle", "user/mode", "timestamp"],
        "types": ["image_array", "float", "float", "str", "str"],
    }
    write(folder, "meta.json", json.dumps(meta).encode())
    for index in range(first, first + records):
        write_record_v1(folder, index)
        write(folder, f"{index}_cam-image_array_.jpg", jpeg(size, comment=str(index)))
    return str(folder)
