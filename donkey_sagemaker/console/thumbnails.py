"""Small pictures of records, made when they are asked for, and a bounded number of bytes of them kept."""

import collections
import io
from typing import Optional, Tuple

from ..tubs.reader import Tub
from .car_reader import FoundTub

SIZE = (80, 60)  # pixels; pictures are at least as large
QUALITY = 60
KEPT_BYTES = 2 * 2**20


class Thumbnails:
    """Those that were asked for last.

    Args:
        kept_bytes: of all JPEGs together.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.bytes = 0
        self._most = kept_bytes
        self._kept: "collections.OrderedDict[Tuple[str, float, int], bytes]" = collections.OrderedDict()

    def get(self, found: FoundTub, position: int) -> Optional[bytes]:
        """The JPEG of the record at a position; None if it has no readable picture."""
        key = (found.path, found.changed, position)
        jpeg = self._kept.pop(key, None)
        if jpeg is None:
            records = found.timeline.read([position])
            jpeg = make_thumbnail(found.tub, records[0][1].image) if records else None
            if jpeg is None:
                return None
            self.bytes += len(jpeg)
        self._kept[key] = jpeg
        while self.bytes > self._most:
            _key, oldest = self._kept.popitem(last=False)
            self.bytes -= len(oldest)
        return jpeg


def make_thumbnail(tub: Tub, image: str) -> Optional[bytes]:
    """None without Pillow, and for a picture that is missing or damaged."""
    try:
        from ..review.small_picture import decode_small

        picture = decode_small(tub.files.read(image), mode="RGB", size=SIZE)
    except (ImportError, OSError, ValueError):
        return None
    picture.thumbnail((2 * SIZE[0], 2 * SIZE[1]))
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=QUALITY)
    return file.getvalue()
