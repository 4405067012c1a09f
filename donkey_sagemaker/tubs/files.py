"""The files of a tub, in a folder or in zips that unzip over each other. Read only.

Both kinds have the same four methods. A name is relative to the tub, with '/' as its separator. Only the
files directly in the tub and those in its `images/` exist.
"""

import contextlib
import errno
import os
import re
import shlex
import struct
import zipfile
import zlib
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from ..errors import BadInput
from .names import natural_order, tub_name

MAX_FILE_BYTES = 16 * 2**20  # a picture has a few kilobytes
MAX_CATALOG_BYTES = 256 * 2**20  # usually a few hundred kilobytes, but with a lidar's scans many megabytes

MANIFEST = "manifest.json"  # of a v2 tub
META = "meta.json"  # of a v1 tub
RECORD = re.compile(r"record_(0|[1-9][0-9]{0,17})\.json")  # of a v1 tub

CATALOG = re.compile(r"catalog_[0-9]{1,18}\.catalog")  # of a v2 tub

IMAGES = "images/"  # of a v2 tub
_BLOCK_BYTES = 2**16  # more than the size of a picture
# O_NONBLOCK: do not wait for bytes from a pipe
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_LOCAL_HEADER = struct.Struct("<26xHH")  # ends with the lengths of the name and the extra field that follow
_Listed = Tuple[str, zipfile.ZipInfo]  # (path of the zip, an entry in it)


class UnreadableFolder(BadInput):
    """The folder of a tub cannot be listed."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"The folder {path} cannot be read: {error.strerror}.",
            f"Check that it exists and that you have permission to read it: `ls -ld {shlex.quote(path)}`",
        )


class BrokenZip(BadInput):
    """A zip of the train channel cannot be read."""

    def __init__(self, zip_path: str, why: str) -> None:
        super().__init__(
            f"{zip_path} is not a usable zip file: {why}.", "Create the zip file again, or upload it again."
        )


class UnsafeEntry(BadInput):
    """A zip of the train channel contains a name that points outside of the folder it is unzipped to."""

    def __init__(self, zip_path: str, entry: str) -> None:
        super().__init__(
            f"{zip_path} contains an entry with an unsafe name: {entry!r}.",
            "Zip the tub's folder again with plain relative names.",
        )


class NoTubInZips(BadInput):
    """The zips of the train channel do not unzip to a tub."""

    def __init__(self, zip_paths: List[str]) -> None:
        if zip_paths:
            what = f"There is no tub in these zip files: {', '.join(zip_paths)}."
        else:
            what = "There is no zip file in the train channel."
        super().__init__(
            what,
            "Provide zip files of tubs: folders with manifest.json (v2), or with meta.json and"
            " record_*.json (v1).",
        )


class FolderFiles:
    """The files of the tub in the folder *path*. Names are not cached: there may be a million files.

    A tub may come from anybody, so a link in it that leads out of it is not followed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._start = os.path.join(path, "")
        self._has_own_pictures = self._is_inside(os.path.join(path, IMAGES))

    def names(self) -> Iterator[str]:
        """Every file's name, in no particular order.

        Raises:
            UnreadableFolder: the folder cannot be listed.
        """
        for prefix in ("", IMAGES) if os.path.isdir(os.path.join(self.path, IMAGES)) else ("",):
            try:
                with os.scandir(os.path.join(self.path, prefix)) as entries:
                    for entry in entries:
                        if _is_file(entry):
                            yield prefix + entry.name
            except OSError as error:
                raise UnreadableFolder(self.path, error) from error

    def total_bytes(self) -> int:
        """The size of all files, as far as it can be read."""
        total = 0
        for name in self.names():
            with contextlib.suppress(OSError):
                total += os.lstat(self._start + name).st_size
        return total

    def __contains__(self, name: str) -> bool:
        return os.path.isfile(self._start + name)

    def read(self, name: str) -> bytes:
        """The whole file.

        Raises:
            OSError: it cannot be read, is larger than `most_bytes` of it, is a link that leads out of the
                tub, or (FileNotFoundError) does not exist.
        """
        limit = most_bytes(name)
        descriptor = self._open(name)
        try:
            if os.fstat(descriptor).st_size > limit:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
            data = os.read(descriptor, _BLOCK_BYTES)
            more = os.read(descriptor, 1)  # usually empty, so this avoids allocating another large buffer
            while more:
                data += more
                if len(data) > limit:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
                more = os.read(descriptor, max(_BLOCK_BYTES, len(data)))
            return data
        finally:
            os.close(descriptor)

    def checksum(self, name: str) -> int:
        """The CRC-32 of the file.

        Raises:
            OSError: as `read`.
        """
        return zlib.crc32(self.read(name)) & 0xFFFFFFFF

    def _open(self, name: str) -> int:
        path = self._start + name
        if not self._has_own_pictures and name.startswith(IMAGES):
            raise OSError(errno.ELOOP, "a link that leads out of the tub", name)
        try:
            # `open` takes four times as long, and there is one file per record
            return os.open(path, _READ | _NO_FOLLOW)
        except OSError:
            if not os.path.islink(path):
                raise
        if not self._is_inside(path):
            raise OSError(errno.ELOOP, "a link that leads out of the tub", name)
        return os.open(os.path.realpath(path), _READ)

    def _is_inside(self, path: str) -> bool:
        folder = os.path.realpath(self.path)
        return os.path.commonpath([folder, os.path.realpath(path)]) == folder


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


class _Entry(NamedTuple):
    zip_path: str
    header_start: int
    stored_bytes: int  # in the zip
    bytes: int
    crc: int
    deflated: bool


class ShardFiles:
    """The files of one tub in any number of zips, read in place.

    Each read opens its zip separately. So any number of threads can read, and a thousand zips do not need a
    thousand open files. (Sharing a `zipfile.ZipFile` between threads is not safe on Python 3.6.)
    """

    def __init__(self, entries: Dict[str, _Entry]) -> None:
        self._entries = entries

    def names(self) -> Iterator[str]:
        """Every file's name, in no particular order."""
        return iter(self._entries)

    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(entry.bytes for entry in self._entries.values())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        """The whole file.

        Raises:
            FileNotFoundError: it does not exist.
            BrokenZip: its zip is damaged.
        """
        if name not in self._entries:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        entry = self._entries[name]
        try:
            data = _read_entry(entry)
        except (OSError, ValueError, struct.error, zlib.error) as error:
            raise BrokenZip(entry.zip_path, f"{name!r}: {error}") from error
        if zlib.crc32(data) != entry.crc:
            raise BrokenZip(entry.zip_path, f"{name!r} is damaged")
        return data

    def checksum(self, name: str) -> int:
        """The CRC-32 of the file, from the zip's directory.

        Raises:
            KeyError: it does not exist.
        """
        return self._entries[name].crc


def _read_entry(entry: _Entry) -> bytes:
    with open(entry.zip_path, "rb") as file:
        file.seek(entry.header_start)
        # The extra field here may differ from the one in the directory, so its length is read from the header
        name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        data = file.read(entry.stored_bytes)
    if entry.deflated:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.bytes + 1)
    return data


def most_bytes(name: str) -> int:
    """The largest size of a file of a tub with that name."""
    return MAX_CATALOG_BYTES if CATALOG.fullmatch(name) else MAX_FILE_BYTES


def is_tub(files: Union[FolderFiles, ShardFiles]) -> bool:
    """Whether *files* are those of a tub, v1 or v2."""
    return (
        MANIFEST in files
        or META in files
        or any(RECORD.fullmatch(name) or CATALOG.fullmatch(name) for name in files.names())
    )


def tubs_in_shards(zip_paths: Iterable[str]) -> Dict[str, ShardFiles]:
    """Every tub in *zip_paths*, by its name in the job, in natural order.

    The zips of one tub belong together. If several contain the same file, the last one counts, as if they
    were unzipped over each other in this order. A tub may be at any depth. If a zip itself is a tub, without
    a folder around it, the tub is named after the zip.

    Raises:
        BrokenZip: a file is not a zip, is damaged, or contains a zip bomb.
        UnsafeEntry: the name of an entry is absolute or points outside.
        NoTubInZips: there is no tub in them.
    """
    zip_paths = list(zip_paths)
    listed: Dict[str, _Listed] = {}
    for zip_path in zip_paths:
        listed.update(_list_zip(zip_path))

    tubs: Dict[str, Dict[str, _Entry]] = {root: {} for root in _find_roots(listed)}
    for path, (zip_path, info) in listed.items():
        folder, _, name = path.rpartition("/")
        if folder.endswith("/images") and folder not in tubs:
            folder, name = folder[: -len("/images")], IMAGES + name
        if folder in tubs:
            tubs[folder][name] = _make_entry(zip_path, info)
    if not tubs:
        raise NoTubInZips(zip_paths)

    named: Dict[str, ShardFiles] = {}
    for root in sorted(tubs, key=natural_order):
        named[tub_name(root, taken=named)] = ShardFiles(tubs[root])
    return named


def _find_roots(paths: Iterable[str]) -> Set[str]:
    """The folders among *paths* that are tubs."""
    roots = set()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name in (MANIFEST, META) or RECORD.fullmatch(name) or CATALOG.fullmatch(name):
            roots.add(folder)
    return roots


def _list_zip(zip_path: str) -> Dict[str, _Listed]:
    """The files in a zip by their path in it, below the path of the zip if the zip is itself a tub."""
    try:
        with zipfile.ZipFile(zip_path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise BrokenZip(zip_path, str(error)) from error
    listed = {}
    for info in infos:
        path = _safe_path(zip_path, info.orig_filename)
        if path is not None:
            listed[path] = (zip_path, info)
    if "" in _find_roots(listed):
        top = os.path.splitext(os.path.abspath(zip_path))[0]
        return {f"{top}/{path}": entry for path, entry in listed.items()}
    return listed


def _safe_path(zip_path: str, name: str) -> Optional[str]:
    """The path of an entry without `./`; None for a folder."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.search(r"[\\\0]|^[A-Za-z]:", name):
        raise UnsafeEntry(zip_path, name)
    path = "/".join(part for part in parts if part not in ("", "."))
    return path if parts[-1] not in ("", ".") else None


def _make_entry(zip_path: str, info: zipfile.ZipInfo) -> _Entry:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise BrokenZip(zip_path, f"{info.filename!r} is encrypted or compressed in an unsupported way")
    limit = most_bytes(info.filename.rpartition("/")[2])
    if max(info.file_size, info.compress_size) > limit:
        raise BrokenZip(
            zip_path,
            f"{info.filename!r} has more than {limit} bytes, which is too large for a file of a tub",
        )
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return _Entry(zip_path, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated)
