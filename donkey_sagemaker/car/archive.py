"""Unpacks model.tar.gz from the bucket. Nothing in it is trusted.

`unpack` writes plain files into a new folder and nowhere else. It then checks them against artifact.json: the
size and digest of every listed file, and the type of every value.
"""

import gzip
import hashlib
import os
import re
import shutil
import tarfile
import zlib
from typing import IO, Any, Dict, List, NamedTuple, Optional, Set, Tuple, cast

from ..contract import ARTIFACT_NAME
from ..disk_errors import is_full
from ..errors import BadInput, JobFailed
from ..untrusted_json import parse_json
from .model_files import model_format as format_by_content

MAX_MEMBERS = 10000
MAX_ARTIFACT_BYTES = 16 * 2**20
_MAX_NUMBER = 2**35  # of a metric; infinity is none
_MAX_HEADER_BYTES = 2**20  # of one member; tarfile keeps headers in memory
_CHUNK_BYTES = 2**20
_FORMAT = 1

_REJECTED_TYPES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


class ArchiveRejected(JobFailed):
    """The job's output is not a model archive that is safe to open."""

    def __init__(self, archive_path: str, reason: str) -> None:
        super().__init__(
            f"The archive {archive_path} was rejected: {reason}.",
            "Check the job's log to see how the archive was created, fix the cause, and train again.",
        )


class ArchiveNotUnpacked(BadInput):
    """The archive could not be written to disk, which is not the archive's fault."""

    def __init__(self, archive_path: str, error: OSError) -> None:
        super().__init__(
            f"The archive {archive_path} could not be unpacked: {error.strerror or error}"
            + (f" ({error.filename})." if error.filename else "."),
            "Check that the disk has free space and that this user may write there, "
            "and run the command again.",
        )


class ArtifactFile(NamedTuple):
    """A file that artifact.json lists, after it was checked."""

    path: str  # where it was unpacked
    role: str  # "model", "plot", "history", "samples", or one that a newer trainer adds
    format: Optional[str]  # only for the file of a model
    sha256: str
    bytes: int


class ModelFile(NamedTuple):
    """A model to load: a file, or the folder of a SavedModel."""

    format: str  # "h5", "keras", "savedmodel", "tflite", "hdf5"
    path: str


class Artifact(NamedTuple):
    """The output of a job. From a foreign image, it has a model only; everything else is None or empty."""

    models: List[ModelFile]  # at least one, and at most one in each format
    name: Optional[str]
    type: Optional[str]  # as for --type
    pilot: Optional[str]  # str() of donkeycar's pilot, for the pilot database
    files: List[ArtifactFile]
    versions: Dict[str, Any]
    tubs: List[str]
    records: Dict[str, Any]
    config: Dict[str, Any]
    metrics: Dict[str, Any]  # empty, or with the numbers epochs, best_epoch, seconds and val_loss
    history: Dict[str, List[float]]  # metric -> one value per epoch
    validation: Dict[str, Any] = {}  # for verdict.read_facts; empty where an earlier trainer made it
    recipe: Optional[str] = None  # None if its trainer does not know of recipes
    driving: Dict[str, Any] = {}  # for driving.read_driving; empty where the model was not driven
    has_trials: bool = False  # its settings are the best ones of several that were tried in the job

    def path_of(self, role: str) -> Optional[str]:
        """The path of the first file with this role, or None."""
        return next((file.path for file in self.files if file.role == role), None)


class _Rejected(Exception):
    """Only the reason; unpack adds the archive's path."""


def unpack(archive_path: str, folder: str, *, max_bytes: int = 2 * 2**30) -> Artifact:
    """Unpacks a job's archive into a folder that this call creates, and checks all of its content.

    Files that artifact.json does not list are removed again. An archive without artifact.json (from a foreign
    image) must contain exactly one model, which is recognized by its content, whatever its name.
    If there is an error, the folder is removed.

    Args:
        folder: must not exist yet.
        max_bytes: the largest size of the whole tar, uncompressed.
    Raises:
        ArchiveRejected, ArchiveNotUnpacked, and OSError where the disk is full.
    """
    artifact = None
    try:
        os.makedirs(folder)
        try:
            names = _extract(archive_path, folder, max_bytes)
            has_artifact = ARTIFACT_NAME in names
            artifact = _read_artifact(folder, names) if has_artifact else _foreign_artifact(folder, names)
        finally:
            if artifact is None:
                shutil.rmtree(folder, ignore_errors=True)
    except _Rejected as rejected:
        raise ArchiveRejected(archive_path, str(rejected)) from rejected.__cause__
    except OSError as error:
        if is_full(error):
            raise  # whoever explains that says how much room there is
        raise ArchiveNotUnpacked(archive_path, error) from error
    return artifact


# -- the tar ----------------------------------------------------------------------------------------------


class _Unzipped:
    """The tar inside the gzip, read sequentially, up to a limit that moves with the expected content."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._gzip = gzip.GzipFile(fileobj=file)
        self._max_bytes = max_bytes
        self._read_bytes = 0
        self._stop_bytes = 0

    def expect(self, size: int) -> None:
        """Allows this many bytes from here on, plus those that tarfile reads ahead and uses as padding."""
        self._stop_bytes = self._read_bytes + size + 2 * tarfile.RECORDSIZE

    def read(self, size: int) -> bytes:
        try:
            data = self._gzip.read(size)
        except (EOFError, zlib.error) as error:
            raise _Rejected(f"it is truncated or damaged ({error})") from error
        except OSError as error:
            if error.errno is not None:  # from the disk: errors of gzip itself have none
                raise
            raise _Rejected(f"it is damaged or not a gzip file ({error})") from error
        self._read_bytes += len(data)
        if self._read_bytes > self._max_bytes:
            raise _Rejected(f"it unpacks to more than {self._max_bytes:,} bytes")
        if self._read_bytes > self._stop_bytes:
            raise _Rejected(f"it contains a header of more than {_MAX_HEADER_BYTES:,} bytes")
        return data


def _extract(archive_path: str, folder: str, max_bytes: int) -> Set[str]:
    """Writes the files of the tar into the folder, ignoring their modes and owners; returns their names."""
    seen: Dict[str, Tuple[str, bool]] = {}
    names: Set[str] = set()
    with open(archive_path, "rb") as file:
        unzipped = _Unzipped(file, max_bytes)
        try:
            unzipped.expect(_MAX_HEADER_BYTES)
            with tarfile.open(fileobj=cast(IO[bytes], unzipped), mode="r|") as tar:  # it only reads
                for index, member in enumerate(tar):
                    if index == MAX_MEMBERS:
                        raise _Rejected(f"it contains more than {MAX_MEMBERS:,} members")
                    name = _checked_name(member)
                    _check_unique(name, member.isdir(), seen)
                    path = os.path.join(folder, *name.split("/"))
                    os.makedirs(path if member.isdir() else os.path.dirname(path), exist_ok=True)
                    content = tar.extractfile(member)
                    if content is not None:  # a folder has none
                        unzipped.expect(member.size)
                        with open(path, "xb") as target:
                            shutil.copyfileobj(content, target, _CHUNK_BYTES)
                        names.add(name)
                    unzipped.expect(_MAX_HEADER_BYTES)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise _Rejected(f"its tar is truncated or damaged ({error})") from error
        # The checksum is at the very end of the gzip file, after everything that tarfile reads
        unzipped.expect(max_bytes)
        while unzipped.read(_CHUNK_BYTES):
            pass
    return names


def _checked_name(member: tarfile.TarInfo) -> str:
    """The name of the member with '/' between plain parts; empty for the top folder of the archive."""
    name = member.name
    if member.type in _REJECTED_TYPES:
        raise _Rejected(f"its member {name!r} is {_REJECTED_TYPES[member.type]}")
    is_plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) and not member.issparse()
    if not is_plain or member.size < 0:
        raise _Rejected(f"its member {name!r} is neither a regular file nor a folder")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        raise _Rejected(f"its member {name!r} has an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _Rejected(f"its member {name!r} points outside of the archive")
    has_odd_text = "\\" in name or not name.isprintable()
    if has_odd_text or len(name) > 1000 or any(len(part.encode()) > 255 for part in parts):
        raise _Rejected(f"its member {name[:200]!r} has a name that is not valid on every disk")
    if not parts and not member.isdir():
        raise _Rejected(f"its member {name!r} has no name")
    return "/".join(parts)


def _check_unique(name: str, is_folder: bool, seen: Dict[str, Tuple[str, bool]]) -> None:
    """Adds the name and its parents to seen. Each must be unique, even on disks that ignore case."""
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        path, path_is_folder = "/".join(parts[:depth]), is_folder or depth < len(parts)
        if path.casefold() not in seen:
            seen[path.casefold()] = (path, path_is_folder)
            continue
        known, known_is_folder = seen[path.casefold()]
        if known != path:
            raise _Rejected(f"its members {known!r} and {path!r} differ only in case")
        if not (path_is_folder and known_is_folder):
            raise _Rejected(f"it contains the member {path!r} twice")


# -- the content ------------------------------------------------------------------------------------------


def _foreign_artifact(folder: str, names: Set[str]) -> Artifact:
    models = []
    for name in sorted(names):
        path = os.path.join(folder, *name.split("/"))
        form = format_by_content(path)
        # Weights and NumPy arrays are zip files as well, so a zip file is a model only with this extension
        if form and (form != "keras" or name.lower().endswith(".keras")):
            models.append(ModelFile(form, path))
    if len(models) != 1:
        shown = ", ".join(repr(name) for name in sorted(names)[:10]) or "nothing"
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        raise _Rejected(
            f"it has no {ARTIFACT_NAME} and {len(models) or 'no'} models "
            f"where one was expected; it contains {shown}{more}"
        )
    return Artifact(
        models=models,
        name=None,
        type=None,
        pilot=None,
        files=[],
        versions={},
        tubs=[],
        records={},
        config={},
        metrics={},
        history={},
    )


def _read_artifact(folder: str, names: Set[str]) -> Artifact:
    path = os.path.join(folder, ARTIFACT_NAME)
    if os.path.getsize(path) > MAX_ARTIFACT_BYTES:
        raise _Rejected(f"its {ARTIFACT_NAME} is larger than {MAX_ARTIFACT_BYTES:,} bytes")
    try:
        with open(path, "rb") as file:
            values = parse_json(file.read())
    except ValueError as error:
        raise _Rejected(f"its {ARTIFACT_NAME} is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise _Rejected(f"its {ARTIFACT_NAME} is not a JSON object")
    if _field(values, "format", int) != _FORMAT:
        raise _Rejected(
            f"its {ARTIFACT_NAME} has format {values['format']}, but this version can only read {_FORMAT}"
        )

    listed = [_read_file(item, folder, names) for item in _field(values, "files", list)]
    paths = [file.path for file in listed]
    if len(set(paths)) != len(paths):
        raise _Rejected(f"its {ARTIFACT_NAME} lists a file twice")
    for name in names - {ARTIFACT_NAME}:
        unlisted = os.path.join(folder, *name.split("/"))
        if unlisted not in paths:
            os.remove(unlisted)
    return Artifact(
        models=_group_models(listed, folder),
        name=_word(values, "name", ".{1,200}"),
        type=_word(values, "type", "[A-Za-z0-9_]{1,64}"),
        pilot=_word(values, "pilot", ".{1,200}") if "pilot" in values else None,
        files=listed,
        versions=_field(values, "versions", dict, {}),
        tubs=_checked_tubs(_field(values, "tubs", list, [])),
        records=_field(values, "records", dict, {}),
        config=_field(values, "config", dict, {}),
        metrics=_checked_metrics(_field(values, "metrics", dict, {})),
        history=_checked_history(_field(values, "history", dict, {})),
        validation=_field(values, "validation", dict, {}),
        recipe=_word(values, "recipe", "[a-z0-9_-]{1,64}") if "recipe" in values else None,
        driving=_field(values, "driving", dict, {}),
        has_trials="trials" in values,
    )


def _field(values: Dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = values.get(name, default)
    if value is None:
        raise _Rejected(f"{name!r} is missing in its {ARTIFACT_NAME}")
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {int: "a whole number", str: "a string", list: "a list", dict: "an object"}[kind]
        raise _Rejected(f"{name!r} in its {ARTIFACT_NAME} must be {expected}, not {value!r:.80}")
    return value


def _word(values: Dict[str, Any], name: str, pattern: str) -> str:
    value: str = _field(values, name, str)
    if not re.fullmatch(pattern, value) or not value.isprintable():
        raise _Rejected(f"{name!r} in its {ARTIFACT_NAME} cannot be {value[:80]!r}")
    return value


def _checked_tubs(tubs: List[Any]) -> List[str]:
    return [_word({"tubs": tub}, "tubs", ".{1,1000}") for tub in tubs]


def _checked_metrics(metrics: Dict[str, Any]) -> Dict[str, Any]:
    for name in ("epochs", "best_epoch", "seconds", "val_loss") if metrics else ():
        value = metrics.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) >= _MAX_NUMBER:
            raise _Rejected(f"the metric {name!r} in its {ARTIFACT_NAME} must be a number")
    return metrics


def _checked_history(history: Dict[str, Any]) -> Dict[str, List[float]]:
    for name, values in history.items():
        if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
            raise _Rejected(f"the history of {name[:80]!r} in its {ARTIFACT_NAME} must be a list of numbers")
    return history


def _read_file(item: Any, folder: str, names: Set[str]) -> ArtifactFile:
    if not isinstance(item, dict):
        raise _Rejected(f"'files' in its {ARTIFACT_NAME} must contain objects, not {item!r:.80}")
    name = _word(item, "path", ".{1,1000}")
    role = _word(item, "role", "[a-z_]{1,32}")
    model_format = _word(item, "format", "[a-z0-9]{1,32}") if role == "model" else None
    sha256, size = _word(item, "sha256", "[0-9a-f]{64}"), _field(item, "bytes", int)
    # The names are those of the files just written, which are plain and relative
    if name not in names:
        raise _Rejected(f"it does not contain the file {name!r} that its {ARTIFACT_NAME} lists")
    if model_format == "savedmodel" and "/" not in name:
        raise _Rejected(f"its SavedModel {name!r} is not in a folder")
    path = os.path.join(folder, *name.split("/"))
    if os.path.getsize(path) != size:
        raise _Rejected(f"its file {name!r} has {os.path.getsize(path):,} bytes, not {size:,}")
    if _sha256(path) != sha256:
        raise _Rejected(f"its file {name!r} does not match the SHA-256 in its {ARTIFACT_NAME}")
    return ArtifactFile(path, role, model_format, sha256, size)


def _group_models(listed: List[ArtifactFile], folder: str) -> List[ModelFile]:
    models: List[ModelFile] = []
    for file in listed:
        if file.format is None:
            continue
        path = file.path
        if file.format == "savedmodel":
            path = os.path.join(folder, os.path.relpath(path, folder).split(os.sep)[0])
        model = ModelFile(file.format, path)
        if model not in models:
            models.append(model)
    if not models:
        raise _Rejected(f"its {ARTIFACT_NAME} lists no model")
    formats = [model.format for model in models]
    for model_format in formats:
        if formats.count(model_format) > 1:
            raise _Rejected(f"it contains two models in the format {model_format!r}")
    return models


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()
