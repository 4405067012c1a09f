"""The stretch at which a model steers worst, as a short film with the steering of driver and model."""

import io
from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np
from PIL import Image

from .pictures import draw_steering
from .review import ANGLE, Compared

FRAMES = 50  # at most: every second record of a stretch
FRAME_MS = 100  # about the pace of the drive, at donkeycar's 20 records a second
LAST_MS = 1000
QUALITY = 50
MOST_BYTES = 10**6  # films of real tubs have a fifth of that at most, so a larger one shows noise


class Replay(NamedTuple):
    film: bytes  # animated WebP
    still: bytes  # JPEG: the frame with the largest difference


def make_replay(stretch: Compared, show: Callable[[Any], np.ndarray]) -> Optional[Replay]:
    """None if it would be too large, or if this Pillow was built without libwebp.

    Args:
        show: an example -> its picture as the net sees it, (height, width, depth) uint8.
    """
    step = -(-len(stretch.examples) // FRAMES)
    places = range(0, len(stretch.examples), step)
    frames = [
        draw_steering(
            show(stretch.examples[place]),
            driven=stretch.driven[place, ANGLE],
            predicted=stretch.predicted[place, ANGLE],
        )
        for place in places
    ]
    film = make_film(frames)
    if film is None:
        return None
    still = io.BytesIO()
    worst = int(np.argmax(stretch.angle_errors[places.start :: step]))
    frames[worst].save(still, format="JPEG", quality=70)
    return Replay(film, still.getvalue())


def make_film(frames: Sequence[Image.Image]) -> Optional[bytes]:
    """An animated WebP that shows each frame for FRAME_MS, the last one for longer, and begins again.

    None if it would be too large, or if this Pillow was built without libwebp.
    """
    Image.init()
    if "WEBP" not in Image.SAVE_ALL:
        return None
    film = io.BytesIO()
    frames[0].save(
        film,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=[FRAME_MS] * (len(frames) - 1) + [LAST_MS],
        loop=0,  # for ever
        quality=QUALITY,
        method=2,  # half the time of the default for a tenth more bytes
    )
    return film.getvalue() if len(film.getvalue()) <= MOST_BYTES else None
