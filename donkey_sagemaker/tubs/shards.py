"""Packs a tub into shards for the train channel: zips that unzip over each other into the tub.

The same tub results in the same bytes on every computer, and added or deleted records change as few shards as
possible. So the digest of a shard shows whether the bucket already has it:

- A shard never spans two catalogs (v2) or two blocks of a thousand indexes (v1). In each of these, shards
  are filled in the order of the records, so later records do not move earlier boundaries.
- The text of a catalog goes into the last of its shards, the only one that changes when the catalog grows.
- Deletions are only in the manifest, which is a small shard. Pictures of deleted records are packed too.
- Pictures without a usable record are not packed, and neither are pictures that cannot be read.
"""

import collections
import hashlib
from typing import Counter, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .pictures import picture_fault, picture_size
from .reader import V1, Part, SetAside, Tub
from .stored_zip import MAX_FILES, StoredZip

SHARD_BYTES = 8 * 2**20

_EXAMPLES = 3
_MAX_FILES = MAX_FILES - 2  # leaves room for a catalog and its index after the last picture


class Shard(NamedTuple):
    """One zip of a tub."""

    name: str  # for people, such as "tub/catalog_3"
    sha256: str  # of the body, in hexadecimal
    body: bytearray  # botocore would copy bytes when it sends them
    records: int  # the number of usable records with a picture in it, without deleted ones


class PackReport:
    """The findings of `pack`, complete when its iterator is exhausted. Several tubs may share a report.

    Attributes:
        records: the number of usable records with a picture in the shards, without deleted ones.
        deleted: the number of usable records that are marked as deleted.
        other_size: the number of those `records` whose picture does not have the expected size.
        bytes: the size of all shards.
        set_aside: reason -> the number of items that cannot be used, without deleted ones.
        examples: reason -> the location of the first ones: the tub's name, then the file or file:line.
        fields: the names of the other values that at least one of those `records` has.
    """

    def __init__(self) -> None:
        self.records = 0
        self.deleted = 0
        self.other_size = 0
        self.bytes = 0
        self.set_aside: Counter[str] = collections.Counter()
        self.examples: Dict[str, List[str]] = {}
        self.fields: Set[str] = set()

    def add_set_aside(self, tub: Tub, item: SetAside) -> None:
        """Counts *item*, and keeps its location if it is one of the first with its reason."""
        self.set_aside[item.reason] += 1
        examples = self.examples.setdefault(item.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{tub.name}/{item.where}")


def pack(
    tub: Tub, *, report: PackReport, size: Optional[Tuple[int, int]] = None, shard_bytes: int = SHARD_BYTES
) -> Iterator[Shard]:
    """The shards of *tub*, one after the other, so that only one is in memory.

    Args:
        report: filled in during the iteration.
        size: (width, height) in pixels that the model expects; None accepts every size.
        shard_bytes: the largest size of all pictures in a shard; a larger picture gets a shard of its own.
    """
    for item in tub.damage:
        report.add_set_aside(tub, item)
    for part in tub.parts(check_pictures=False):  # every picture is read here anyway
        yield from _pack_part(tub, part, report=report, size=size, shard_bytes=shard_bytes)
    manifest = _OpenShard(tub.name)
    for name, text in tub.manifests.items():
        manifest.add(name, text)
    if not manifest.is_empty:
        yield manifest.close("manifest", report)


def _pack_part(
    tub: Tub, part: Part, *, report: PackReport, size: Optional[Tuple[int, int]], shard_bytes: int
) -> Iterator[Shard]:
    for item in part.set_aside:
        report.add_set_aside(tub, item)
    shard = _OpenShard(tub.name)
    number = 1
    for record in part.records:
        is_deleted = record.index in tub.deleted_indexes
        picture, fault = _read_picture(tub, record.image)
        if fault:
            if not is_deleted:
                report.add_set_aside(tub, SetAside(fault, record.image))
            continue
        if not shard.has_room(picture, shard_bytes=shard_bytes):
            yield shard.close(_numbered(part.name, number), report)
            shard = _OpenShard(tub.name)
            number += 1
        shard.add(record.image, picture)
        if tub.layout == V1:
            shard.add(record.source, part.texts[record.source])
        if is_deleted:
            report.deleted += 1
        else:
            shard.records += 1
            report.fields.update(record.others)
            if size is not None and picture_size(picture) != size:
                report.other_size += 1
    if tub.layout != V1:
        for name, text in part.texts.items():
            shard.add(name, text)
    if not shard.is_empty:
        yield shard.close(_numbered(part.name, number), report)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _read_picture(tub: Tub, image: str) -> Tuple[bytes, Optional[str]]:
    """(the picture, the reason why it cannot be used or None)."""
    try:
        picture = tub.files.read(image)
    except FileNotFoundError:
        return b"", "picture missing"
    except OSError:
        return b"", "picture unreadable"
    return picture, picture_fault(picture)


class _OpenShard:
    """A shard that is being filled."""

    def __init__(self, folder: str) -> None:
        self.records = 0
        self._folder = folder
        self._zip = StoredZip()

    @property
    def is_empty(self) -> bool:
        return len(self._zip) == 0

    def has_room(self, picture: bytes, *, shard_bytes: int) -> bool:
        if self._zip.filled_bytes + len(picture) <= shard_bytes and len(self._zip) < _MAX_FILES:
            return True
        return self.is_empty

    def add(self, name: str, data: bytes) -> None:
        self._zip.add(f"{self._folder}/{name}", data)  # two records may name one picture

    def close(self, name: str, report: PackReport) -> Shard:
        body = self._zip.close()
        report.records += self.records
        report.bytes += len(body)
        return Shard(f"{self._folder}/{name}", hashlib.sha256(body).hexdigest(), body, self.records)
