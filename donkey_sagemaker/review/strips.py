"""Pictures for the page: a few of each finding, with the driver's steering drawn in."""

import io
import math
from typing import List, NamedTuple, Optional

import numpy as np
from PIL import Image, ImageDraw

from ..page import DRIVEN
from .finding import Finding
from .footage import Footage
from .small_picture import decode_small

PICTURES = 6  # of a finding
_SIZE = (200, 150)  # in which they fit
_QUALITY = 60


class Shown(NamedTuple):
    """A picture of the page."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    angle: float
    throttle: float
    jpeg: bytes


def choose_places(footage: Footage, finding: Finding) -> List[int]:
    """Positions in the footage of a few records of a finding, from its longest ranges, in order."""
    longest = sorted(finding.ranges, key=lambda pair: pair[0] - pair[1])[:PICTURES]
    share = max(1, PICTURES // len(longest))
    places: List[int] = []
    for first, last in longest:
        inside = np.flatnonzero((footage.indexes >= first) & (footage.indexes <= last))
        if inside.size:
            places += inside[np.linspace(0, inside.size - 1, min(share, inside.size)).astype(int)].tolist()
    return sorted(set(places))[:PICTURES]


def show(footage: Footage, place: int) -> Optional[Shown]:
    """The picture of a record with its steering; None if it cannot be read any more."""
    try:
        picture = decode_small(footage.tub.files.read(footage.images[place]), mode="RGB", size=_SIZE)
    except (OSError, ValueError):
        return None
    scale = min(_SIZE[0] / picture.width, _SIZE[1] / picture.height)
    picture = picture.resize((max(1, int(picture.width * scale)), max(1, int(picture.height * scale))))
    angle = float(footage.angles[place])
    _draw_steering(picture, angle)
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=_QUALITY)
    return Shown(int(footage.indexes[place]), angle, float(footage.throttles[place]), file.getvalue())


def _draw_steering(picture: Image.Image, angle: float) -> None:
    """A line from the middle of the lower edge: 60 degrees to the side is full steering, as in the report."""
    turn = math.radians(60) * max(-1.0, min(1.0, angle))
    x, y = picture.width / 2, float(picture.height)
    line = [(x, y), (x + 0.4 * y * math.sin(turn), y - 0.4 * y * math.cos(turn))]
    pen = ImageDraw.Draw(picture)
    pen.line(line, fill="white", width=8)
    pen.line(line, fill=DRIVEN, width=4)
