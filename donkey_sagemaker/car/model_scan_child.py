"""The child process of `model_scan`: reads model files without Keras, which would run the code in them."""

import contextlib
import io
import json
import os
import struct
import sys
import zipfile
from typing import IO, Any, Callable, Dict, Iterator, Optional

from ..child_process import limit_resources
from .model_rules import MAX_CONFIG_BYTES, Forbidden, check_description
from .saved_model_scan import scan_saved_model

MAX_WEIGHTS_BYTES = 2**30
_MOST_OBJECTS = 100000  # in an HDF5 file
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_LITE_CUSTOM = 32  # the operation of a .tflite file that is not built in: some of them run TensorFlow's own
_KERAS_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")  # of a .keras file


def main(task: str) -> None:
    """Prints for each [format, path] why the model is refused, or null."""
    limit_resources()
    print(json.dumps([find_forbidden(model_format, path) for model_format, path in json.loads(task)]))


def find_forbidden(model_format: str, path: str) -> Optional[str]:
    """What the model contains that none of donkeycar's own models has; None if there is nothing."""
    scans: Dict[str, Callable[[str], None]] = {
        "h5": scan_hdf5,
        "hdf5": scan_hdf5,
        "keras": scan_keras,
        "savedmodel": scan_saved_model,
        "tflite": scan_tflite,
    }
    try:
        if model_format not in scans:
            raise Forbidden(f"the format {model_format!r:.40}")
        scans[model_format](path)
    except Forbidden as forbidden:
        return str(forbidden)
    except Exception as error:  # noqa: BLE001  (a file that cannot be read as its format says is not known)
        return f"something that cannot be read ({type(error).__name__}: {error!s:.120})"
    return None


def scan_hdf5(path: str) -> None:
    """Checks the net, how it was trained, and where its weights are. Without h5py, nothing here loads it."""
    _check_no_zip(path)
    h5py = _import_h5py()
    if h5py is None:
        return
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise Forbidden("no net")
        for name in ("model_config", "training_config"):
            if name in file.attrs:
                check_description(_attribute(file, name))
        _check_weights(h5py, file)


def _attribute(file: Any, name: str) -> bytes:
    value = file.attrs[name]
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes):  # NumPy's bytes, too
        return value
    raise Forbidden(f"a {name} that is not a text")


def scan_keras(path: str) -> None:
    """Checks the net and the weights in a .keras zip."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = sorted(member.filename for member in members)
        if names != list(_KERAS_MEMBERS):
            other = next((each for each in names if each not in _KERAS_MEMBERS), None)
            raise Forbidden(f"the member {other!r:.80}" if other else "a member twice, or not all of them")
        if sum(member.file_size for member in members) > MAX_WEIGHTS_BYTES:
            raise Forbidden(f"more than {MAX_WEIGHTS_BYTES:,} bytes")
        for name in _KERAS_MEMBERS[:2]:
            with archive.open(name) as file:
                check_description(file.read(MAX_CONFIG_BYTES + 1))
        h5py = _import_h5py()
        if h5py is None:
            return
        with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as weights:
            _check_weights(h5py, weights)
    _check_no_hdf5_net(path)


def _check_weights(h5py: Any, file: Any) -> None:
    """Weights are arrays of numbers in this very file: HDF5 can also refer to any other file on the disk."""
    pending, seen, size = [file], set(), 0
    while pending:
        group = pending.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Forbidden("a link to another object")
            item = group[name]
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in seen:
                    seen.add(address)
                    pending.append(item)
            elif isinstance(item, h5py.Dataset):
                size += _checked_size(h5py, item)
            else:
                raise Forbidden("an object that is neither a group nor an array")
            if size > MAX_WEIGHTS_BYTES or len(seen) > _MOST_OBJECTS:
                raise Forbidden(f"more than {MAX_WEIGHTS_BYTES:,} bytes")


def _checked_size(h5py: Any, array: Any) -> int:
    stored = array.id.get_create_plist()
    virtual = getattr(h5py.h5d, "VIRTUAL", 3)  # older versions of h5py have no name for it
    if stored.get_external_count() or stored.get_layout() == virtual:
        raise Forbidden("weights from another file")
    if array.dtype.kind not in "fiub":
        raise Forbidden(f"an array of {array.dtype!s:.40}")
    count = 1
    for length in array.shape:
        count *= int(length)
    return count * int(array.dtype.itemsize)


def scan_tflite(path: str) -> None:
    """Checks that every operation is one of those that are built into the runtime."""
    _check_no_zip(path)
    _check_no_hdf5_net(path)
    with open(path, "rb") as file:
        content = file.read(MAX_WEIGHTS_BYTES + 1)
    if len(content) > MAX_WEIGHTS_BYTES:
        raise Forbidden(f"more than {MAX_WEIGHTS_BYTES:,} bytes")
    model = _number(content, 0, "<I")
    codes = _table_field(content, model, 1)
    if codes is None:
        raise Forbidden("no operation")
    codes += _number(content, codes, "<I")
    for each in range(_number(content, codes, "<I")):
        place = codes + 4 + 4 * each
        code = place + _number(content, place, "<I")
        old, new = (_table_field(content, code, field) for field in (0, 3))
        if _LITE_CUSTOM in (
            _number(content, old, "<b") if old else 0,
            _number(content, new, "<i") if new else 0,
        ):
            raise Forbidden("an operation that is not built into TensorFlow Lite")


def _table_field(content: bytes, table: int, field: int) -> Optional[int]:
    """The position of a field in a table of a FlatBuffer; None if the table does not have it."""
    vtable = table - _number(content, table, "<i")
    place = 4 + 2 * field
    if place >= _number(content, vtable, "<H"):
        return None
    offset = _number(content, vtable + place, "<H")
    return table + offset if offset else None


def _number(content: bytes, position: int, form: str) -> int:
    if position < 0:
        raise Forbidden("a damaged table")
    number: int = struct.unpack_from(form, content, position)[0]
    return number


def _check_no_zip(path: str) -> None:
    """One file can be an HDF5 and a zip at the same time, and Keras chooses by the name that it is given."""
    if zipfile.is_zipfile(path):
        with contextlib.suppress(zipfile.BadZipFile):
            with zipfile.ZipFile(path):
                raise Forbidden("a zip at its end")


def _check_no_hdf5_net(path: str) -> None:
    """An HDF5 may begin at byte 512, 1024 and so on of another file, and Keras would find it there."""
    with open(path, "rb") as file:
        if not any(_starts_hdf5(file, offset) for offset in _hdf5_offsets(os.path.getsize(path))):
            return
    h5py = _import_h5py()
    with contextlib.suppress(OSError):  # the weights of a .keras file may happen to begin there
        if h5py is not None:
            with h5py.File(path, "r") as found:
                if "model_config" not in found.attrs:
                    return
    raise Forbidden("another model")


def _hdf5_offsets(size: int) -> Iterator[int]:
    yield 0
    offset = 512
    while offset < size:
        yield offset
        offset *= 2


def _starts_hdf5(file: IO[bytes], offset: int) -> bool:
    file.seek(offset)
    return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC


def _import_h5py() -> Any:
    """The module; None without it, which means that this Python has no Keras."""
    try:
        import h5py
    except ImportError:
        return None
    return h5py


if __name__ == "__main__":
    main(sys.argv[1])
