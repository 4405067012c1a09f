"""The pictures of a job: decoded once, in parallel, and kept as bytes (uint8)."""

import io
import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.reader import Record, Tub

DRAWN_SIZE = (320, 240)  # at most, pixels

PictureName = Tuple[str, str]  # tub, file name


class WrongShape(BadInput):
    def __init__(self, got: Tuple[int, ...], wanted: Tuple[int, ...]) -> None:
        super().__init__(
            "TRANSFORMATIONS make pictures of {}, but the model takes {} (height, width, depth).".format(
                tuple(got), tuple(wanted)
            ),
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


class PictureStore:
    """Pictures of all records by number: `pixels[number]` is one, (height, width, depth) uint8."""

    def __init__(self, pixels: np.ndarray, faults: Dict[int, str]) -> None:
        self.pixels = pixels
        self.faults = faults  # number -> why it could not be decoded


def load_pictures(
    names: Sequence[PictureName],
    tubs: Dict[str, Tub],
    *,
    decode_picture: Callable[[bytes], np.ndarray],
    prepare: Callable[[np.ndarray], np.ndarray],
    shape: Tuple[int, int, int],
) -> PictureStore:
    """Decodes and prepares (donkeycar's TRANSFORMATIONS) each picture once.

    Args:
        shape: what the net expects, (height, width, depth).
    Raises:
        WrongShape: `prepare` makes pictures of another shape.
    """
    pixels = np.empty((len(names),) + tuple(shape), np.uint8)
    faults: Dict[int, str] = {}

    def load(number: int) -> None:
        tub, name = names[number]
        try:
            picture = decode_picture(tubs[tub].files.read(name))
        except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError) as error:
            faults[number] = "{}: {}".format(type(error).__name__, error)
            return
        pixels[number] = fit_shape(prepare(picture), shape)

    # Pillow releases the interpreter while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(load, range(len(names))):
            pass
    return PictureStore(pixels, faults)


def fit_shape(picture: np.ndarray, shape: Tuple[int, int, int]) -> np.ndarray:
    if picture.ndim == 2:  # as donkeycar's *2GRAY transformations leave it
        picture = picture[:, :, np.newaxis]
    if picture.shape != tuple(shape):
        raise WrongShape(picture.shape, shape)
    return picture


def number_pictures(records: Sequence[Record]) -> Tuple[List[PictureName], Dict[PictureName, int]]:
    """Each picture once, however many examples it is part of."""
    numbers: Dict[PictureName, int] = {}
    for record in records:
        numbers.setdefault((record.tub, record.image), len(numbers))
    return list(numbers), numbers


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
