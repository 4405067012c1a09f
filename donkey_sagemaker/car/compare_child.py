"""The part of `comparison` in the driving process: a model on the validation pictures of another one."""

import base64
import contextlib
import io
import time
import zipfile
import zlib
from typing import Any, Dict, Iterator, List

import numpy as np
from PIL import Image

from ..paired_errors import compare_errors
from ..quality import LARGEST, MIN_PICTURES
from .check_child import make_pilot, record_outputs

MAX_BYTES = 2**28  # of all arrays; the trainer's have a few megabytes
APART = 5  # validation pictures between two that differ, as neighbours look alike
DRIVE_LIMIT_S = 120  # a Pi 3 drives the 500 pictures of the trainer in twice that time
_GOLDEN = 0.6180339887498949


class NotComparable(Exception):
    """Why the two models cannot be compared."""


def run(task: Dict[str, Any]) -> Dict[str, Any]:
    """
    Returns:
        what `compare` does, or "reason": why they cannot be compared.
    """
    try:
        return compare(task)
    except NotComparable as error:
        return {"reason": str(error)}
    except Exception as error:  # noqa: BLE001  (whatever the runtime raises is the reason)
        return {
            "reason": f"this car's donkeycar cannot load or drive it ({type(error).__name__}: {error})"[:500]
        }


def compare(task: Dict[str, Any]) -> Dict[str, Any]:
    """The mean steering error of both models on the pictures that neither was trained on, and more.

    Raises:
        NotComparable
    """
    arrays = read_validation_pictures(task["validation"])
    chosen = choose_unseen(arrays["checksums"], task["trained"])
    pilot, shape, prepare = make_pilot(task["format"], task)
    pilot.load(task["path"])
    raw = record_outputs(pilot)
    others = [arrays[name] for name in sorted(arrays) if name.startswith("other_")]
    starts = np.concatenate([[0], np.cumsum(arrays["sizes"].ravel())])
    sequence = arrays["sizes"].shape[1]
    steered: Dict[int, float] = {}
    started = time.monotonic()
    # Spread over the drive from the first to the last, so that a slow car may stop early.
    for place in sorted(chosen, key=lambda place: place * _GOLDEN % 1):
        if time.monotonic() - started > DRIVE_LIMIT_S:
            break
        for number in range(place * sequence, (place + 1) * sequence):
            del raw[:]
            picture = decode(arrays["jpegs"][starts[number] : starts[number + 1]].tobytes(), shape)
            commands = pilot.run(prepare(picture), *[other[place] for other in others])
        if not steered and task["samples"]:
            check_outputs(raw, task["samples"])
        steered[place] = float(np.ravel(commands[0])[0])
    if len(steered) < MIN_PICTURES:
        raise NotComparable(f"it drives only {len(steered)} pictures in {DRIVE_LIMIT_S} s")
    places = sorted(steered)
    driven, predicted = arrays["driven"][places, 0], arrays["predicted"][places, 0]
    previous = np.array([steered[place] for place in places])
    errors, previous_errors = np.abs(predicted - driven), np.abs(previous - driven)
    if not np.all(previous_errors < LARGEST):
        raise NotComparable("its steering is not a number")
    difference, standard_error = compare_errors(errors.tolist(), previous_errors.tolist())
    return {
        "pictures": len(places),
        "error": float(errors.mean()),
        "previous_error": float(previous_errors.mean()),
        "difference": difference,
        "standard_error": standard_error,
        "differences": [
            {
                "number": places[row],
                "driven": float(driven[row]),
                "new": float(predicted[row]),
                "previous": float(previous[row]),
                "jpeg": base64.b64encode(jpeg_of(arrays, places[row])).decode("ascii"),
            }
            for row in choose_apart(np.abs(predicted - previous), places, most=task["most_differences"])
        ],
    }


def jpeg_of(arrays: Dict[str, Any], place: int) -> bytes:
    """The last picture of an example."""
    ends = np.cumsum(arrays["sizes"].ravel())
    last = (place + 1) * arrays["sizes"].shape[1] - 1
    jpeg: bytes = arrays["jpegs"][ends[last] - arrays["sizes"].ravel()[last] : ends[last]].tobytes()
    return jpeg


def choose_apart(differences: Any, places: List[int], *, most: int) -> List[int]:
    """The rows with the largest differences, at most this many, of pictures that are not neighbours."""
    chosen: List[int] = []
    for row in np.argsort(-differences, kind="stable").tolist():
        if len(chosen) < most and all(abs(places[row] - places[other]) >= APART for other in chosen):
            chosen.append(row)
    return chosen


def read_validation_pictures(path: str) -> Dict[str, Any]:
    """The arrays of validation.npz, described in trainer/validation.py.

    Raises:
        NotComparable: whoever wrote them, they do not belong together.
    """
    with reading_archive():
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ValueError("too large")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        if not fit_together(arrays):
            raise ValueError("they do not fit together")
    return arrays


def fit_together(arrays: Dict[str, Any]) -> bool:
    sizes, count = arrays["sizes"], len(arrays["driven"])
    shapes = [arrays[name].shape for name in ("driven", "predicted", "checksums")]
    return (
        shapes == [(count, 2), (count, 2), (count,)]
        and sizes.dtype.kind in "iu"
        and sizes.ndim == 2
        and len(sizes) == count
        and 1 <= sizes.shape[1] <= 1000
        and (count == 0 or sizes.min() > 0)
        and arrays["jpegs"].dtype == np.uint8
        and arrays["jpegs"].shape == (sizes.sum(),)
        and arrays["checksums"].dtype.kind in "iu"
        and all(len(value) == count for name, value in arrays.items() if name.startswith("other_"))
        and all(np.all(np.abs(arrays[name]) < LARGEST) for name in ("driven", "predicted"))  # nor NaN
    )


@contextlib.contextmanager
def reading_archive() -> Iterator[None]:
    """Turns what NumPy and Pillow raise about files that anybody may have written into NotComparable."""
    try:
        yield
    except (
        AttributeError,
        Image.DecompressionBombError,
        KeyError,
        NotImplementedError,
        OSError,
        SyntaxError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise NotComparable(
            f"the validation pictures in the archive are damaged ({type(error).__name__}: {error})"
        ) from error


def choose_unseen(checksums: Any, trained_path: str) -> List[int]:
    """The places of the pictures that the previous model was not trained on; all if that is not known.

    Raises:
        NotComparable: too few are left.
    """
    places = np.arange(len(checksums))
    if trained_path:
        with open(trained_path, "rb") as file:
            trained = np.frombuffer(file.read(), "<u4")
        places = places[~np.isin(checksums, trained)]
    if len(places) < MIN_PICTURES:
        what = f"it was not trained on {len(places)} of them" if trained_path else f"there are {len(places)}"
        raise NotComparable(f"too few validation pictures: {what}, and at least {MIN_PICTURES} are needed")
    return places.tolist()


def decode(jpeg: bytes, shape: Any) -> Any:
    """The picture as (height, width, depth) uint8.

    Raises:
        NotComparable: it is of another size.
    """
    height, width, depth = shape
    with reading_archive():
        picture = Image.open(io.BytesIO(jpeg))
        if picture.format != "JPEG":
            raise ValueError(f"{picture.format} in place of a JPEG")
        if picture.size != (width, height) or len(picture.getbands()) != depth:
            raise NotComparable(f"the validation pictures are not {width}x{height} with {depth} channels")
        return np.asarray(picture, dtype=np.uint8).reshape(height, width, depth)


def check_outputs(raw: List[Any], samples_path: str) -> None:
    """
    Raises:
        NotComparable: the previous model is of another type than the new one.
    """
    size = sum(int(np.size(output)) for output in raw)
    with np.load(samples_path, allow_pickle=False) as file:
        expected = file["raw"].shape[1]
    if size != expected:
        raise NotComparable(f"it is of another type: it has {size} outputs, the new model {expected}")
