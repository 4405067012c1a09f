"""The pictures of a job, decoded once and in parallel, and stored as bytes (uint8)."""

import importlib.util
import io
import math
import mmap
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.page import DRIVEN, PREDICTED
from donkey_sagemaker.tubs.pictures import is_jpeg, picture_fault, picture_size
from donkey_sagemaker.tubs.reader import Tub
from donkey_sagemaker.tubs.record import Record

from .workers import Fork, can_fork, usable_cores

DRAWN_SIZE = (320, 240)  # at most, pixels
DASHES = ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))  # of the model's line, as shares of its length
AT_ONCE = 64  # pictures for a thread at a time, and for a process at least
MOST_FORKS = 16  # each takes memory, and this many are faster than any disk
COMPARED_FIRST, COMPARED_EVERY = 16, 256  # pictures that both decoders decode

_importing = threading.Lock()

Shape = Tuple[int, int, int]  # height, width, depth


class WrongShape(BadInput):
    def __init__(self, got: Tuple[int, ...], wanted: Tuple[int, ...]) -> None:
        super().__init__(
            f"The pictures are {tuple(got)} after TRANSFORMATIONS, but the model takes {tuple(wanted)}"
            " (height, width, depth).",
            "Set IMAGE_H, IMAGE_W and IMAGE_DEPTH to the size after the transformations.",
        )


def decode(data: bytes, *, width: int, height: int, depth: int) -> np.ndarray:
    """The picture as donkeycar's `load_image` returns it: uint8 (height, width, depth), resized if needed.

    Where donkeycar's array has another depth than the net, so that it cannot train (a grey or transparent
    picture with IMAGE_DEPTH = 3), this has the colours that the picture shows.

    Raises:
        OSError, ValueError, SyntaxError: the bytes are not a picture.
    """
    picture: Image.Image = Image.open(io.BytesIO(data))
    if picture.size != (width, height):
        picture = picture.resize((width, height))
    mode = "L" if depth == 1 else "RGB"
    if picture.mode.startswith(
        "I"
    ):  # 16 bits of grey, which some versions of Pillow cannot turn into colours
        picture = picture.convert("L")
    if picture.mode != mode:
        picture = picture.convert(mode)
    return np.asarray(picture, dtype=np.uint8).reshape(height, width, depth)


class Decoder:
    """A faster `decode` for a whole tub. It uses OpenCV, if installed, for JPEGs of the right size.

    OpenCV and Pillow both use libjpeg and give the same pixels; they differ on PNGs of 16 bits. To be sure
    of the JPEGs, the first and some of the later ones are decoded by both, and once they differ OpenCV is not
    used any more.

    Args:
        cv2: OpenCV's module, or None to use Pillow only.
    """

    def __init__(self, *, width: int, height: int, depth: int, cv2: Any = None) -> None:
        self.cv2: Any = cv2 if depth == 3 else None
        self._size = (width, height)
        self._depth = depth
        self._decoded = 0

    def __call__(self, data: bytes) -> np.ndarray:
        """Raises: as `decode`."""
        cv2 = self.cv2
        picture = None
        if cv2 and is_jpeg(data) and picture_size(data) == self._size and picture_fault(data) is None:
            picture = cv2.imdecode(
                np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
            )
        if picture is None:
            return self._decode_slowly(data)
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        self._decoded += 1
        if self._decoded > COMPARED_FIRST and self._decoded % COMPARED_EVERY:
            return picture
        expected = self._decode_slowly(data)
        if not np.array_equal(picture, expected):
            self.cv2 = None
        return expected

    def _decode_slowly(self, data: bytes) -> np.ndarray:
        return decode(data, width=self._size[0], height=self._size[1], depth=self._depth)


def find_opencv() -> Any:
    """The module cv2; None if it is not installed, because donkeycar 2 does not require it."""
    with _importing:  # while it is imported, it is in sys.modules as something else
        return importlib.import_module("cv2") if importlib.util.find_spec("cv2") else None


class PictureStore:
    """Pictures by number, each (height, width, depth) uint8, in memory that forks of this process share.

    Attributes:
        memory_bytes: its size. The system attributes to each process the part that this process has accessed.
        is_slow: whether a picture takes so long that the net would wait for it.
    """

    is_slow = False

    def __init__(self, count: int, shape: Shape) -> None:
        self.shape = shape
        self.picture_bytes = int(np.prod(shape))
        self.faults: Dict[int, str] = {}  # number -> why it could not be decoded
        self._count = count
        self._make_room()

    def _make_room(self) -> None:
        self.memory_bytes = self._count * self.picture_bytes
        pixels = np.frombuffer(mmap.mmap(-1, max(1, self.memory_bytes)), np.uint8, self.memory_bytes)
        self._pixels = pixels.reshape((self._count,) + self.shape)

    def __len__(self) -> int:
        return self._count

    def __setitem__(self, number: int, picture: np.ndarray) -> None:
        self._pixels[number] = picture

    def __getitem__(self, number: int) -> np.ndarray:
        return self.gather(np.asarray(number))

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """A copy of these pictures: numbers.shape + (height, width, depth)."""
        return np.take(self._pixels, numbers, axis=0)


class PictureFile(PictureStore):
    """The same on the disk, in an unnamed file of the temporary folder."""

    def _make_room(self) -> None:
        self._file = tempfile.TemporaryFile()
        self.memory_bytes = 0
        if self._count and hasattr(os, "posix_fallocate"):  # fails at once if the disk is too small
            os.posix_fallocate(self._file.fileno(), 0, self._count * self.picture_bytes)

    def __setitem__(self, number: int, picture: np.ndarray) -> None:
        os.pwrite(self._file.fileno(), picture.tobytes(), number * self.picture_bytes)

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        pixels = np.empty((numbers.size, self.picture_bytes), np.uint8)
        for place, number in enumerate(numbers.flat):
            # At its own offset: threads and forks read the file at the same time.
            data = os.pread(self._file.fileno(), self.picture_bytes, int(number) * self.picture_bytes)
            pixels[place] = np.frombuffer(data, np.uint8)
        return pixels.reshape(numbers.shape + self.shape)


class PictureStream(PictureStore):
    """No store at all: each picture is decoded whenever it is needed, so it takes neither memory nor disk.

    Args:
        read: number of a picture -> its file.
        recorded_shape: to which the pictures are decoded.
        change: makes pictures of the shape from the decoded ones; None if they have it.
    """

    is_slow = True

    def __init__(
        self,
        count: int,
        shape: Shape,
        read: Callable[[int], bytes],
        *,
        recorded_shape: Optional[Shape] = None,
        change: Optional[Callable[[np.ndarray], np.ndarray]] = None,
    ) -> None:
        super().__init__(count, shape)
        self._read = read
        self._change = change
        height, width, depth = self._recorded_shape = recorded_shape or shape
        self._decode = Decoder(width=width, height=height, depth=depth, cv2=find_opencv())

    def _make_room(self) -> None:
        self.memory_bytes = 0

    def __setitem__(self, number: int, picture: np.ndarray) -> None:
        """Nothing: the first pass only finds out which pictures can be decoded."""

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        pixels = np.empty((numbers.size,) + self.shape, np.uint8)
        for place, number in enumerate(numbers.flat):
            picture = self._decode(self._read(int(number)))
            pixels[place] = picture if self._change is None else fit_shape(self._change(picture), self.shape)
        return pixels.reshape(numbers.shape + self.shape)

    def changed(self, change: Callable[[np.ndarray], np.ndarray], shape: Shape) -> "PictureStream":
        """A stream of the same pictures after the change."""
        return PictureStream(len(self), shape, self._read, recorded_shape=self._recorded_shape, change=change)


def read_picture(record: Record, tubs: Dict[str, Tub]) -> bytes:
    """The file of a record's picture."""
    return tubs[record.tub].files.read(record.image)


def load_pictures(store: PictureStore, records: Sequence[Record], tubs: Dict[str, Tub]) -> Callable[[], None]:
    """Decodes the picture of each record into the store, where its number is the place of the record.

    Forks of this process start at once. Unlike threads, they do not wait for this process's import lock while
    it imports TensorFlow. If this system cannot fork, threads decode once the result is waited for.

    Returns:
        a function that waits until all pictures are decoded.
    """
    count = max(1, min(usable_cores(), len(records) // AT_ONCE, MOST_FORKS))
    ends = [len(records) * part // count for part in range(count + 1)]
    # A contiguous stretch each, because a fork copies the part of the records that it accesses
    works = [partial(_load, store, records, tubs, range(*stretch)) for stretch in zip(ends, ends[1:])]
    forks = [Fork(work) for work in works] if can_fork() else []

    def finish() -> None:
        with ThreadPoolExecutor(count) as pool:
            waits = [fork.result for fork in forks] or works
            for faults in pool.map(lambda wait: wait(), waits):
                store.faults.update(faults)

    return finish


def _load(
    store: PictureStore, records: Sequence[Record], tubs: Dict[str, Tub], numbers: Iterable[int]
) -> Dict[int, str]:
    """Decodes pictures into the store, and returns for each one that could not be decoded why."""
    height, width, depth = store.shape
    decoder = Decoder(width=width, height=height, depth=depth, cv2=find_opencv())
    faults = {}
    for number in numbers:
        try:
            picture = decoder(read_picture(records[number], tubs))
        except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
            faults[number] = f"{type(error).__name__}: {error}"
        else:
            store[number] = picture
    return faults


def change_pictures(
    store: PictureStore, numbers: Sequence[int], change: Callable[[np.ndarray], np.ndarray], shape: Shape
) -> PictureStore:
    """The store with these pictures changed: the same one, or a new one if their size changes.

    Raises:
        WrongShape: `change` makes pictures of another shape.
    """
    if isinstance(store, PictureStream):
        stream = store.changed(change, shape)
        stream.faults = store.faults
        return stream
    changed = store if store.shape == shape else type(store)(len(store), shape)
    changed.faults = store.faults

    def change_some(some: List[int]) -> None:
        for number in some:
            changed[number] = fit_shape(change(store[number]), shape)

    good = [number for number in numbers if number not in store.faults]
    with ThreadPoolExecutor(usable_cores()) as pool:  # transformations release the interpreter
        for _ in pool.map(change_some, (good[at : at + AT_ONCE] for at in range(0, len(good), AT_ONCE))):
            pass
    return changed


def fit_shape(picture: np.ndarray, shape: Shape) -> np.ndarray:
    if picture.ndim == 2:  # after donkeycar's *2GRAY transformations
        picture = picture[:, :, np.newaxis]
    if picture.shape != tuple(shape):
        raise WrongShape(picture.shape, shape)
    return picture


def draw_steering(picture: np.ndarray, *, driven: float, predicted: Optional[float] = None) -> Image.Image:
    """An enlarged picture with a line from its bottom for the driver, and a dashed one for the model.

    Args:
        picture: (height, width, depth) uint8.
        driven, predicted: steering; -1 is drawn 60 degrees to the left, 1 is 60 degrees to the right.
    """
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).convert("RGB")
    scale = min(DRAWN_SIZE[0] / image.width, DRAWN_SIZE[1] / image.height)
    image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
    pen = ImageDraw.Draw(image)
    _draw_line(pen, image.size, driven, DRIVEN, pieces=[(0.0, 1.0)])
    if predicted is not None:
        _draw_line(pen, image.size, predicted, PREDICTED, pieces=DASHES)
    return image


def _draw_line(
    pen: Any, size: Tuple[int, int], angle: float, colour: str, *, pieces: Sequence[Tuple[float, float]]
) -> None:
    """
    Args:
        pieces: of the line, as shares of its length.
    """
    turn = math.radians(60 * max(-1.0, min(1.0, angle)))
    foot, length = (size[0] / 2, float(size[1])), size[1] * 0.4
    for start, end in pieces:
        line = [
            (foot[0] + part * length * math.sin(turn), foot[1] - part * length * math.cos(turn))
            for part in (start, end)
        ]
        pen.line(line, fill="white", width=8)
        pen.line(line, fill=colour, width=4)
