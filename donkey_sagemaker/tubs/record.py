"""One record of a tub, of either layout."""

from typing import Any, Dict, Mapping, NamedTuple, Optional

from .files import IMAGES

AUTOPILOT_MODES = ("local", "local_angle")  # of user/mode: the pilot drives, or steers


class Record(NamedTuple):
    """One picture and the command that the driver gave at that moment."""

    tub: str  # the tub's name in the job
    index: int  # type: ignore[assignment]  # hides tuple.index
    session: str  # '' if unknown
    timestamp_ms: Optional[int]  # since 1970; None if unknown
    image: str  # the name of the picture in the files of the tub
    angle: float  # -1 (left) to 1 (right), as written: it may be outside of this range
    throttle: float  # -1 to 1, as written
    others: Mapping[str, Any]  # all other fields, as `user/mode`; consecutive records may share it
    source: str  # the file that contains it, a catalog or a record_N.json

    @property
    def fields(self) -> Dict[str, Any]:
        """The record as written, with `_index`, `cam/image_array`, `user/angle` and `user/throttle`."""
        fields = {
            "_index": self.index,
            "_session_id": self.session,
            "_timestamp_ms": self.timestamp_ms,
            "cam/image_array": picture_field(self.image),
            "user/angle": self.angle,
            "user/throttle": self.throttle,
        }
        if not self.session:
            del fields["_session_id"]
        if self.timestamp_ms is None:
            del fields["_timestamp_ms"]
        fields.update(self.others)
        return fields


def picture_field(image: str) -> str:
    """The name of a picture in the record, without the folder."""
    return image[len(IMAGES) :] if image.startswith(IMAGES) else image
