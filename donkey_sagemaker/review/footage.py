"""What the finders look at: the commands of a tub and small grey copies of its pictures, as arrays.

A record takes about 500 bytes here, so tens of thousands fit into the memory of a Pi. Longer tubs are looked
at in several pieces.
"""

import zlib
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy as np
from PIL import Image

from ..tubs.reader import RECORDS_PER_PART, Tub
from ..tubs.record import AUTOPILOT_MODES, Record
from .small_picture import decode_small

MOST_RECORDS = 40000  # in one piece of a tub
WIDTH, HEIGHT = 80, 60  # a picture as it is decoded, which libjpeg does at a fraction of the whole cost
CELL = 4  # pixels of it that become one of the thumbnail, in each direction
EDGE = 4  # pixels over which an edge is looked at
USUAL_HZ = 20.0  # donkeycar's drive loop
WHITE = 250  # grey value of a pixel that shows nothing but light
_BATCH = 250  # pictures that are measured at once


class Footage(NamedTuple):
    """The n records of a tub that are not deleted, in the order in which they were recorded."""

    tub: Tub
    indexes: np.ndarray  # (n,) int64, `_index`
    angles: np.ndarray  # (n,) float32
    throttles: np.ndarray  # (n,) float32
    by_driver: np.ndarray  # (n,) bool, False where the autopilot drove
    usable: np.ndarray  # (n,) bool, False where something else was found already
    starts: np.ndarray  # (n,) bool, the record does not follow the one before it
    images: List[str]  # (n,) names in the tub's files
    brightness: np.ndarray  # (n,) float32, mean grey value, 0 to 255
    contrast: np.ndarray  # (n,) float32, its standard deviation
    sharpness: np.ndarray  # (n,) float32, how abrupt edges are: 1 where they are one pixel wide
    white: np.ndarray  # (n,) float32, the share of pixels that show nothing but light
    digests: np.ndarray  # (n,) uint32, of the picture's bytes
    thumbs: np.ndarray  # (n, 15, 20) uint8
    rows: np.ndarray  # (n, 60) uint8, mean grey value of each row of pixels
    hz: float  # records per second

    @property
    def size(self) -> int:
        """The number of records."""
        return int(self.indexes.size)

    @property
    def driven(self) -> np.ndarray:
        """Where it shows how the driver drives. (n,) bool"""
        driven: np.ndarray = self.by_driver & self.usable
        return driven


def read_footage(
    tub: Tub, *, most: int = MOST_RECORDS, advance: Callable[[int], None] = lambda count: None
) -> Iterator[Footage]:
    """The whole tub, in pieces of up to *most* records. Pictures that cannot be decoded are left out.

    Args:
        advance: called with the number of records that were read.
    Raises:
        UnreadableFolder
    """
    reel = _Reel(tub)
    for part in tub.parts(check_pictures=False):
        for record in part.records:
            if record.index not in tub.deleted_indexes:
                reel.add(record)
            advance(1)
            if reel.count == most:
                yield reel.close()
                reel = _Reel(tub)
    if reel.count:
        yield reel.close()


def read_sample(tub: Tub, *, stretches: int, length: int) -> Iterator[Footage]:
    """Up to so many stretches of consecutive records, spread over the tub, as one piece.

    A tub that has fewer parts shows more of each.
    """
    reel = _Reel(tub)
    parts = max(1, -(-tub.estimate_records() // RECORDS_PER_PART))
    length = stretches * length // min(stretches, parts)
    for part in tub.parts(check_pictures=False, every=max(1, -(-parts // stretches))):
        kept = [record for record in part.records if record.index not in tub.deleted_indexes]
        for record in kept[:length]:
            reel.add(record)
        if reel.count >= stretches * length:
            break
    if reel.count:
        yield reel.close()


class _Reel:
    """Footage that is being collected."""

    def __init__(self, tub: Tub) -> None:
        self.count = 0
        self._tub = tub
        self._rows: List[Any] = []
        self._images: List[str] = []
        self._waiting: List[np.ndarray] = []
        self._measured: Dict[str, List[np.ndarray]] = {}
        self._last: Optional[Record] = None
        self._times_ms: List[float] = []

    def add(self, record: Record) -> None:
        try:
            data = self._tub.files.read(record.image)
            picture = decode(data)
        except (OSError, ValueError):  # packing and doctor report what cannot be read
            return
        last = self._last
        follows = last is not None and record.index == last.index + 1 and record.session == last.session
        if follows and last and record.timestamp_ms is not None and last.timestamp_ms is not None:
            self._times_ms.append(float(record.timestamp_ms - last.timestamp_ms))
        self._last = record._replace(others={})
        self._rows.append(
            (
                record.index,
                record.angle,
                record.throttle,
                record.others.get("user/mode") not in AUTOPILOT_MODES,
                not follows,
                zlib.crc32(data),
            )
        )
        self._images.append(record.image)
        self._waiting.append(picture)
        self.count += 1
        if len(self._waiting) == _BATCH:
            self._measure()

    def close(self) -> Footage:
        if self._waiting:
            self._measure()
        columns = list(zip(*self._rows))
        step_ms = float(np.median(self._times_ms)) if self._times_ms else 0.0
        measured = {name: np.concatenate(parts) for name, parts in self._measured.items()}
        return Footage(
            tub=self._tub,
            indexes=np.array(columns[0], np.int64),
            angles=_finite(columns[1]),
            throttles=_finite(columns[2]),
            by_driver=np.array(columns[3], bool),
            usable=np.ones(self.count, bool),
            starts=np.array(columns[4], bool),
            digests=np.array(columns[5], np.uint32),
            images=self._images,
            hz=1000.0 / step_ms if 5 <= step_ms <= 1000 else USUAL_HZ,
            **measured,
        )

    def _measure(self) -> None:
        for name, values in measure(np.stack(self._waiting)).items():
            self._measured.setdefault(name, []).append(values)
        self._waiting = []


def decode(data: bytes) -> np.ndarray:
    """A picture as (HEIGHT, WIDTH) uint8, grey.

    Raises:
        OSError, ValueError: it is damaged, is no picture, or is too large.
    """
    grey = decode_small(data, mode="L", size=(WIDTH, HEIGHT))
    return np.asarray(grey if grey.size == (WIDTH, HEIGHT) else grey.resize((WIDTH, HEIGHT), box_filter()))


def box_filter() -> Any:
    """Of Pillow 9.1 and later, or of the older one of Python 3.6."""
    return getattr(Image, "Resampling", Image).BOX


def measure(pictures: np.ndarray) -> Dict[str, np.ndarray]:
    """The columns of `Footage` that come from pictures (n, HEIGHT, WIDTH)."""
    values = pictures.astype(np.float32)
    cells = values.reshape(-1, HEIGHT // CELL, CELL, WIDTH // CELL, CELL).mean((2, 4))
    return {
        "brightness": values.mean((1, 2)),
        "contrast": values.std((1, 2)),
        "sharpness": _sharpness(values),
        "white": (pictures >= WHITE).mean((1, 2), dtype=np.float32),
        "thumbs": np.rint(cells).astype(np.uint8),
        "rows": np.rint(values.mean(2)).astype(np.uint8),
    }


def _sharpness(values: np.ndarray) -> np.ndarray:
    """An edge changes neighbouring pixels, and those EDGE pixels apart EDGE times as often if it is sharp."""
    near = _square(values[:, :, 1:] - values[:, :, :-1]) + _square(values[:, 1:] - values[:, :-1])
    far = _square(values[:, :, EDGE:] - values[:, :, :-EDGE]) + _square(values[:, EDGE:] - values[:, :-EDGE])
    sharpness: np.ndarray = EDGE * near / (far + 1.0)
    return sharpness


def _square(change: np.ndarray) -> np.ndarray:
    """Its sum over each picture, (n,)."""
    sums: np.ndarray = np.einsum("nij,nij->n", change, change)
    return sums


def normalize(thumbs: np.ndarray) -> np.ndarray:
    """Thumbnails as rows (n, 300) float32 of one mean and contrast, so that light counts little."""
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    rows /= rows.std(1, keepdims=True) + 1.0
    return rows


def _finite(values: Any) -> np.ndarray:
    """Commands as float32; those far outside of -1 to 1 are cut off, so that no sum of them overflows."""
    clipped: np.ndarray = np.clip(np.array(values, np.float64), -10, 10).astype(np.float32)
    return clipped
