"""The pictures of a job: decoded once, in parallel, and kept as bytes (uint8)."""

import importlib.util
import io
import math
import mmap
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.pictures import picture_fault, picture_size
from donkey_sagemaker.tubs.reader import Tub

from .workers import Fork, can_fork, usable_cores

DRAWN_SIZE = (320, 240)  # at most, pixels
AT_ONCE = 64  # pictures that a thread takes on, and a process at least
MOST_FORKS = 16  # each takes memory; so many are faster than any disk
COMPARED_FIRST, COMPARED_EVERY = 16, 256  # pictures that both decoders decode

PictureName = Tuple[str, str]  # tub, file name
Shape = Tuple[int, int, int]  # height, width, depth


class WrongShape(BadInput):
    def __init__(self, got: Tuple[int, ...], wanted: Tuple[int, ...]) -> None:
        super().__init__(
            f"TRANSFORMATIONS make pictures of {tuple(got)}, but the model takes {tuple(wanted)} (height,"
            " width, depth).",
            "Set IMAGE_H, IMAGE_W and IMAGE_DEPTH to what the transformations make.",
        )


def decode(data: bytes, *, width: int, height: int, depth: int) -> np.ndarray:
    """The picture as donkeycar's `load_image` gives it: uint8, (height, width, depth), resized if need be.

    Raises:
        OSError, ValueError, SyntaxError: as Pillow does for bytes that are no picture.
    """
    picture: Image.Image = Image.open(io.BytesIO(data))
    if picture.size != (width, height):
        picture = picture.resize((width, height))
    mode = "L" if depth == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    return np.asarray(picture, dtype=np.uint8).reshape(height, width, depth)


class Decoder:
    """`decode` for a whole tub, faster: JPEGs of the wanted size by OpenCV where there is one.

    Both are libjpeg below and give the same pixels. That is not taken for granted: the first pictures and
    some of the later ones are decoded by both, and Pillow has the last word.
    """

    def __init__(self, *, width: int, height: int, depth: int) -> None:
        self._size = (width, height)
        self._depth = depth
        self._opencv = _find_opencv() if depth == 3 else None
        self._decoded = 0

    def __call__(self, data: bytes) -> np.ndarray:
        """Raises: as `decode`."""
        cv2: Any = self._opencv
        picture = None
        if cv2 and picture_size(data) == self._size and picture_fault(data) is None:
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
            self._opencv = None
        return expected

    def _decode_slowly(self, data: bytes) -> np.ndarray:
        return decode(data, width=self._size[0], height=self._size[1], depth=self._depth)


def _find_opencv() -> Any:
    """The module cv2; None where there is none, for donkeycar 2 does not ask for it."""
    return importlib.import_module("cv2") if importlib.util.find_spec("cv2") else None


class PictureStore:
    """Pictures by number, each (height, width, depth) uint8, in memory that forks of this process share.

    Attributes:
        memory_bytes: that it takes, of which the system counts as a process's own what that has looked at.
    """

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
        """A copy: numbers.shape + (height, width, depth)."""
        return np.take(self._pixels, numbers, axis=0)


class PictureFile(PictureStore):
    """The same on the disk, in a file of the temporary folder that nobody else sees."""

    def _make_room(self) -> None:
        self._file = tempfile.TemporaryFile()
        self.memory_bytes = 0
        if self._count and hasattr(os, "posix_fallocate"):  # a disk that is too small is told at once
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


def load_pictures(
    store: PictureStore, names: Sequence[PictureName], tubs: Dict[str, Tub]
) -> Callable[[], None]:
    """Decodes each picture into the store, where its number is its place among the names.

    Forks of this process begin at once. They share no import with it, as threads would, while it imports
    TensorFlow. Where it cannot fork, its threads decode when they are waited for.

    Returns:
        What waits until all is done.
    """
    count = max(1, min(usable_cores(), len(names) // AT_ONCE, MOST_FORKS))
    ends = [len(names) * part // count for part in range(count + 1)]
    # Each a stretch of its own: what it looks at of the names and records is copied, for it alone
    works = [partial(_load, store, names, tubs, range(*stretch)) for stretch in zip(ends, ends[1:])]
    forks = [Fork(work) for work in works] if can_fork() else []

    def finish() -> None:
        with ThreadPoolExecutor(count) as pool:
            waits = [fork.result for fork in forks] or works
            for faults in pool.map(lambda wait: wait(), waits):
                store.faults.update(faults)

    return finish


def _load(
    store: PictureStore, names: Sequence[PictureName], tubs: Dict[str, Tub], numbers: Iterable[int]
) -> Dict[int, str]:
    """Returns why some pictures could not be decoded."""
    height, width, depth = store.shape
    decoder = Decoder(width=width, height=height, depth=depth)
    faults = {}
    for number in numbers:
        tub, name = names[number]
        try:
            picture = decoder(tubs[tub].files.read(name))
        except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
            faults[number] = f"{type(error).__name__}: {error}"
        else:
            store[number] = picture
    return faults


def change_pictures(
    store: PictureStore, numbers: Sequence[int], change: Callable[[np.ndarray], np.ndarray], shape: Shape
) -> PictureStore:
    """The store with so many of its pictures changed: itself, or another one where they change their size.

    Raises:
        WrongShape: `change` makes pictures of another shape.
    """
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
    if picture.ndim == 2:  # as donkeycar's *2GRAY transformations leave it
        picture = picture[:, :, np.newaxis]
    if picture.shape != tuple(shape):
        raise WrongShape(picture.shape, shape)
    return picture


def draw_steering(picture: np.ndarray, angles: Sequence[Tuple[float, str]]) -> Image.Image:
    """A picture as the net sees it, enlarged, with a line for each (steering, colour) from the bottom up.

    Args:
        picture: (height, width, depth) uint8.
        angles: -1 is drawn 60 degrees to the left, 1 to the right.
    """
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).convert("RGB")
    scale = min(DRAWN_SIZE[0] / image.width, DRAWN_SIZE[1] / image.height)
    image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
    pen = ImageDraw.Draw(image)
    foot = (image.width / 2, float(image.height))
    length = image.height * 0.4
    for angle, colour in angles:
        turn = math.radians(60 * max(-1.0, min(1.0, angle)))
        tip = (foot[0] + length * math.sin(turn), foot[1] - length * math.cos(turn))
        pen.line([foot, tip], fill="white", width=8)
        pen.line([foot, tip], fill=colour, width=4)
    return image
