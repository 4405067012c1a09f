"""Reads the records of a tub, v1 or v2, without the bytes of the pictures.

A v1 tub, written by donkeycar 2 and 3, is a folder of `record_N.json` and `N_cam-image_array_.jpg`. A v2 tub,
written by donkeycar 4 and 5, has one record per line in its catalogs, which `manifest.json` lists, and its
pictures in `images/`. Nothing in a tub is trusted. Whatever cannot be used is set aside with a reason, and
never stops a job.
"""

import contextlib
import itertools
import re
import sys
from typing import (
    Any,
    Container,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from ..errors import BadInput
from ..untrusted_json import parse_json
from .files import CATALOG, IMAGES, MANIFEST, META, RECORD, FolderFiles, ShardFiles, is_tub
from .lines import Block, make_blocks, read_lines
from .names import base_name, natural_order, plain_name
from .record import Record, picture_field

V1, V2 = "v1", "v2"
RECORDS_PER_PART = 1000  # in a v1 tub; the same number as in donkeycar's catalogs
MAX_RECORD_BYTES = 4 * 2**20  # the largest ones have a lidar's scan of some hundred kilobytes

_EXCLUDE = "exclude.json"  # in a v1 tub: the deleted indexes
_MAX_INDEX = 2**53

# The driver's commands by preference: usual ones, some tubs from 2021, donkeycar 5's template cv_control
_ANGLE_KEYS = ("user/angle", "user/steering", "steering")
_THROTTLE_KEYS = ("user/throttle", "throttle")

Files = Union[FolderFiles, ShardFiles]


class NotATub(BadInput):
    """A folder or archive is neither a v1 nor a v2 tub."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not a tub: it has neither manifest.json (v2) nor meta.json or record_*.json (v1).",
            "Pass a tub or a folder of tubs to --tub.",
        )


class SetAside(NamedTuple):
    """Something in a tub that cannot be used."""

    reason: str
    where: str  # the file in the tub, or file:line


class Part(NamedTuple):
    """A part of a tub that is read and packed as a unit: a v2 catalog, or up to 1000 records of a v1 tub.

    A catalog of more than 16 MiB has several parts, because its records need a multiple of that once parsed.
    """

    name: str
    records: List[Record]  # the usable ones, including deleted ones, in the order of the tub
    set_aside: List[SetAside]
    texts: Dict[str, bytes]  # the files that contain the records, by name; only in the last part of a catalog


class Tub:
    """A tub. `read_tub` reads its manifest; its records are read when they are needed.

    Attributes:
        name: its name in the job.
        files: the files of the tub.
        layout: "v1" or "v2".
        manifests: the small files that describe the whole tub, by name, if they exist.
        deleted_indexes: `_index` values in a v2 tub, numbers in the file names in a v1 tub.
        damage: what is wrong with the manifests.
        catalogs: the files with the records of a v2 tub, in order.
    """

    def __init__(self, files: Files, *, name: str, layout: str) -> None:
        self.name = name
        self.files = files
        self.layout = layout
        self.manifests: Dict[str, bytes] = {}
        self.damage: List[SetAside] = []
        self.deleted_indexes: Set[int] = set()
        self.catalogs: List[str] = []
        self._contents: Optional[Tuple[List[Record], List[SetAside], int]] = None
        self._others: Mapping[str, Any] = {}  # of the last record
        for manifest in (META, _EXCLUDE) if layout == V1 else (MANIFEST,):
            self._read_manifest(manifest)
        if layout == V1:
            self._parse_exclude()
        else:
            self.catalogs = self._parse_manifest()

    @property
    def records(self) -> List[Record]:
        """The usable records that are not deleted, in the order in which they were recorded."""
        return self._read()[0]

    @property
    def set_aside(self) -> List[SetAside]:
        """Whatever cannot be used, except for deleted records."""
        return self._read()[1]

    @property
    def deleted(self) -> int:
        """The number of usable records that are marked as deleted."""
        return self._read()[2]

    def estimate_records(self) -> int:
        """The approximate number of `records`, from file names or lines: parsing a million takes minutes."""
        if self.layout == V1:
            return sum(RECORD.fullmatch(name) is not None for name in self.files.names())
        lines = 0
        for catalog in self.catalogs:
            with contextlib.suppress(OSError):
                lines += self.files.read(catalog).count(b"\n")
        return max(0, lines - len(self.deleted_indexes))

    def estimate_bytes(self) -> int:
        """About what its shards will have: some of its files may not be packed."""
        return self.files.total_bytes()

    def parts(self, *, check_pictures: bool = True, every: int = 1) -> Iterator[Part]:
        """The tub, one part at a time: all its records together may need more memory than a Pi has.

        Args:
            check_pictures: set aside records whose picture does not exist.
            every: read only each n-th part, for a sample of the tub.
        """
        read = self._parts_v1 if self.layout == V1 else self._parts_v2
        return read(check_pictures, every)

    def parse_record(self, text: bytes, *, source: str, number: Optional[int] = None) -> Optional[Record]:
        """One record from its text; None if it cannot be used.

        Args:
            number: its index, if it is in the name of the file `source`.
        """
        try:
            return self._read_row(_Row(source, None, number, text), (), False)
        except _Unusable:
            return None

    def _read(self) -> Tuple[List[Record], List[SetAside], int]:
        if self._contents is None:
            records, set_aside, deleted = [], list(self.damage), 0
            for part in self.parts():
                set_aside += part.set_aside
                kept = [record for record in part.records if record.index not in self.deleted_indexes]
                records += kept
                deleted += len(part.records) - len(kept)
            self._contents = (records, set_aside, deleted)
        return self._contents

    def _read_manifest(self, name: str) -> None:
        try:
            self.manifests[name] = self.files.read(name)
        except FileNotFoundError:
            pass
        except OSError:
            self.damage.append(SetAside(name + " unreadable", name))

    def _parse_exclude(self) -> None:
        """Sets the deleted indexes of a v1 tub."""
        try:
            self.deleted_indexes = _only_ints(_parse_json(self.manifests.get(_EXCLUDE, b"[]"), list))
        except ValueError:
            self.damage.append(SetAside(_EXCLUDE + " damaged", _EXCLUDE))

    def _parse_manifest(self) -> List[str]:
        """Sets the deleted indexes of a v2 tub; returns the names of its catalogs in order."""
        lines = self.manifests.get(MANIFEST, b"").splitlines()
        # The line that lists the catalogs is the fifth and last. Tubs from 2020 have fewer lines before it.
        for line in reversed(lines):
            try:
                content = _parse_json(line, dict)
                paths = _check_kind(content.get("paths"), list)
                deleted = _check_kind(content.get("deleted_indexes", []), list)
            except ValueError:
                continue
            self.deleted_indexes = _only_ints(deleted)
            return self._listed_catalogs(paths)
        state = "damaged" if MANIFEST in self.manifests else "missing"
        self.damage.append(SetAside(f"{MANIFEST} {state}", MANIFEST))
        return sorted((n for n in self.files.names() if CATALOG.fullmatch(n)), key=natural_order)

    def _listed_catalogs(self, paths: List[Any]) -> List[str]:
        catalogs = []
        for path in paths:
            name = plain_name(base_name(path)) if isinstance(path, str) else None
            if name is None or name not in self.files:
                self.damage.append(SetAside("catalog missing", f"{MANIFEST}: {path!r:.100}"))
            elif name not in catalogs:
                catalogs.append(name)
        return catalogs

    def _parts_v2(self, check_pictures: bool, every: int) -> Iterator[Part]:
        for catalog in self.catalogs[::every]:
            stem = re.sub(r"\.catalog$", "", catalog)
            try:
                texts = {catalog: self.files.read(catalog)}
            except OSError:
                yield Part(stem, [], [SetAside("catalog unreadable", catalog)], {})
                continue
            try:
                texts[stem + ".catalog_manifest"] = self.files.read(stem + ".catalog_manifest")
            except OSError:
                pass  # donkeycar's index of the lines, which is not needed here
            yield from self._parts_of_catalog(stem, catalog, texts, check_pictures)

    def _parts_of_catalog(
        self, stem: str, catalog: str, texts: Dict[str, bytes], check_pictures: bool
    ) -> Iterator[Part]:
        text = texts[catalog]
        blocks = make_blocks(text)
        repeated = self._find_repeated(catalog, text, check_pictures) if len(blocks) > 1 else {}
        for number, block in enumerate(blocks, 1):
            rows = (row for row in _rows_in(catalog, text, block) if row.line not in repeated)
            records, set_aside = self._read_rows(rows, check_pictures)
            is_last = number == len(blocks)
            yield Part(
                stem if number == 1 else f"{stem}-part-{number}",
                records,
                set_aside + list(filter(None, repeated.values())) if is_last else set_aside,
                texts if is_last else {},
            )

    def _find_repeated(
        self, catalog: str, text: bytes, check_pictures: bool
    ) -> Dict[Optional[int], Optional[SetAside]]:
        """The lines whose index a later line repeats, by number; `_read_rows` sees one block at a time."""
        found: Dict[int, _Row] = {}
        repeated: Dict[Optional[int], Optional[SetAside]] = {}
        for row in _rows_in(catalog, text, Block(0, len(text), 1)):
            try:
                index = self._read_row(row, found, check_pictures).index
            except _Unusable:
                continue  # `_read_rows` sets it aside
            if index in found:
                earlier = found[index]
                is_deleted = index in self.deleted_indexes
                repeated[earlier.line] = None if is_deleted else SetAside("index repeated", earlier.where)
            found[index] = row._replace(text=b"")
        return repeated

    def _parts_v1(self, check_pictures: bool, every: int) -> Iterator[Part]:
        matches = (RECORD.fullmatch(name) for name in self.files.names())
        indexes = sorted(int(match.group(1)) for match in matches if match)
        blocks = itertools.groupby(indexes, lambda index: index // RECORDS_PER_PART)
        for block, members in itertools.islice(blocks, None, None, every):
            rows, unreadable = [], []
            for index in members:
                name = f"record_{index}.json"
                try:
                    rows.append(_Row(name, None, index, self.files.read(name)))
                except OSError:
                    if index not in self.deleted_indexes:
                        unreadable.append(SetAside("record unreadable", name))
            records, set_aside = self._read_rows(rows, check_pictures)
            first = block * RECORDS_PER_PART
            yield Part(
                f"records_{first}-{first + RECORDS_PER_PART - 1}",
                records,
                unreadable + set_aside,
                {row.source: row.text for row in rows},
            )

    def _read_rows(self, rows: Iterable["_Row"], check_pictures: bool) -> Tuple[List[Record], List[SetAside]]:
        """The records of one part. If several have the same index, the last one counts: after a power cut, a
        car continues with the last index in its manifest, and overwrites the pictures that follow.
        """
        found: Dict[int, Tuple[_Row, Record]] = {}
        set_aside = []
        for row in rows:
            try:
                record = self._read_row(row, found, check_pictures)
            except _Unusable as unusable:
                if unusable.index not in self.deleted_indexes:
                    set_aside.append(SetAside(unusable.reason, row.where))
                continue
            index = record.index
            if index in found:
                earlier, _ = found.pop(index)
                if index not in self.deleted_indexes:
                    set_aside.append(SetAside("index repeated", earlier.where))
            found[index] = (row, record)
        return [record for _, record in found.values()], set_aside

    def _read_row(self, row: "_Row", found: Container[int], check_pictures: bool) -> Record:
        """
        Args:
            found: the indexes so far. A record that repeats one always needs a picture.
        Raises:
            _Unusable
        """
        index = row.number
        try:
            fields = _parse_fields(row.text)
            if index is None:
                index = _index(fields)
            record = self._make_record(fields, index=index, source=row.source)
            if (check_pictures or index in found) and record.image not in self.files:
                raise _Unusable("picture missing")
        except _Unusable as unusable:
            unusable.index = index
            raise
        return record

    def _make_record(self, fields: Dict[str, Any], *, index: int, source: str) -> Record:
        angle = _number(fields, _first_key(fields, _ANGLE_KEYS), "angle")
        throttle = _number(fields, _first_key(fields, _THROTTLE_KEYS), "throttle")
        timestamp_ms = fields.get("_timestamp_ms")
        session = fields.get("_session_id")
        image = self._picture_name(fields, index)
        return Record(
            tub=self.name,
            index=index,
            session=sys.intern(session) if isinstance(session, str) else "",
            timestamp_ms=timestamp_ms if type(timestamp_ms) is int else None,
            image=image,
            angle=angle,
            throttle=throttle,
            others=self._find_others(fields, image),
            source=source,
        )

    def _find_others(self, fields: Dict[str, Any], image: str) -> Mapping[str, Any]:
        """The fields without those that `Record.fields` adds. A million records do not need a dict each."""
        for name in ("_index", "user/angle", "user/throttle"):
            fields.pop(name, None)
        if isinstance(fields.get("_session_id"), str) and fields["_session_id"]:
            del fields["_session_id"]
        if type(fields.get("_timestamp_ms")) is int:
            del fields["_timestamp_ms"]
        if fields.get("cam/image_array") == picture_field(image):
            del fields["cam/image_array"]
        # Not those with numbers: 1, 1.0 and True are equal
        if fields != self._others or not all(type(value) in (str, type(None)) for value in fields.values()):
            self._others = fields
        return self._others

    def _picture_name(self, fields: Dict[str, Any], index: int) -> str:
        name = fields.get("cam/image_array")
        if self.layout == V1:
            name = f"{index}_cam-image_array_.jpg" if name is None else name
            name = base_name(name) if isinstance(name, str) else name  # it may be a path on the car
        if name is None:
            raise _Unusable("picture not named")
        if plain_name(name) is None:
            raise _Unusable("picture's name not plain")
        return str(name) if self.layout == V1 else IMAGES + name


def read_tub(files: Files, *, name: str, path: Optional[str] = None) -> Tub:
    """The tub in *files*. This reads only the manifest.

    Args:
        name: its name in the job and in its shards.
        path: the path that the user gave, for the error message.

    Raises:
        NotATub: there is neither a manifest.json or a catalog (v2) nor a meta.json or record_*.json (v1).
    """
    if not is_tub(files):
        raise NotATub(path or name)
    is_v2 = MANIFEST in files or any(CATALOG.fullmatch(each) for each in files.names())
    return Tub(files, name=name, layout=V2 if is_v2 else V1)


class _Unusable(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index: Optional[int] = None  # of the record, if it has one


class _Row(NamedTuple):
    source: str
    line: Optional[int]  # counted from 1; None if the source has only one
    number: Optional[int]  # the index, if it is in the file name
    text: bytes

    @property
    def where(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


def _rows_in(catalog: str, text: bytes, block: Block) -> Iterator[_Row]:
    return (_Row(catalog, number, None, line) for number, line in read_lines(text, block) if line.strip())


def _parse_json(text: bytes, kind: type) -> Any:
    """The JSON value in *text*, which must be of that *kind*, dict or list. Raises ValueError."""
    return _check_kind(parse_json(text), kind)


def _check_kind(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"not a {kind.__name__}")
    return value


def _parse_fields(text: bytes) -> Dict[str, Any]:
    if len(text) > MAX_RECORD_BYTES:
        raise _Unusable("record too large")
    try:
        fields = _parse_json(text, dict)
    except ValueError:
        raise _Unusable("record damaged") from None
    return {sys.intern(key): value for key, value in fields.items()}  # all records share their keys


def _only_ints(values: List[Any]) -> Set[int]:
    return {value for value in values if type(value) is int}


def _index(fields: Dict[str, Any]) -> int:
    index = fields.get("_index")
    if index is None:
        raise _Unusable("index missing")
    if type(index) is not int or not 0 <= index < _MAX_INDEX:
        raise _Unusable("index not a number")
    return index


def _first_key(fields: Dict[str, Any], keys: Sequence[str]) -> str:
    return next((key for key in keys if key in fields), keys[0])


def _number(fields: Dict[str, Any], key: str, what: str) -> float:
    value = fields.get(key)
    if value is None:
        raise _Unusable(what + " missing")
    if type(value) not in (int, float):
        raise _Unusable(what + " not a number")
    if not abs(value) <= sys.float_info.max:  # true for NaN as well, and for ints that are too large
        raise _Unusable(what + " not finite")
    return float(value)
