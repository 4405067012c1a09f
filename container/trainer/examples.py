"""From records to examples: which command belongs to which picture, and which pictures belong together.

Pure functions for every generation, without donkeycar or TensorFlow.
"""

import math
from typing import Any, List, Optional, Sequence, Tuple

from donkey_sagemaker.tubs.record import AUTOPILOT_MODES, Record


def follows(earlier: Record, later: Record) -> bool:
    """True if `later` was recorded right after `earlier`: same tub, same session, next index."""
    return earlier.tub == later.tub and earlier.session == later.session and later.index == earlier.index + 1


def choose_commands(records: Sequence[Record], autopilot: str) -> List[Record]:
    """Treats the records that the autopilot drove (RECORD_DURING_AI), whose `user/angle` is an idle stick.

    Args:
        autopilot: "skip" leaves them out, "pilot" gives them the pilot's own commands and leaves out those
            that have none, "user" keeps the stick's, as `donkey train` does.
    """
    if autopilot == "user":
        return list(records)
    chosen = []
    for record in records:
        mode = record.others.get("user/mode")
        if mode not in AUTOPILOT_MODES:
            chosen.append(record)
        elif autopilot == "pilot":
            angle: Any = record.others.get("pilot/angle")
            throttle: Any = record.others.get("pilot/throttle") if mode == "local" else record.throttle
            if all(_is_finite(value) for value in (angle, throttle)):
                chosen.append(record._replace(angle=float(angle), throttle=float(throttle)))
    return chosen


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def lag_commands(records: Sequence[Record], frames: int) -> List[Record]:
    """Each picture with the command of `frames` records later, because driver and camera react late.

    A record is left out if there is a gap or another session before its later command.
    """
    if frames == 0:
        return list(records)
    run = 0  # how many records before this one are consecutive
    lagged = []
    for position, record in enumerate(records):
        run = run + 1 if position and follows(records[position - 1], record) else 0
        if run >= frames:
            seen = records[position - frames]
            lagged.append(seen._replace(angle=record.angle, throttle=record.throttle))
    return lagged


def limit_throttle(
    records: Sequence[Record], *, minimum: Optional[float], floor: Optional[float]
) -> List[Record]:
    """Drops records at or under `minimum`, where the car hardly moves, and raises others to `floor`."""
    kept = [record for record in records if minimum is None or record.throttle > minimum]
    if floor is None:
        return kept
    return [record if record.throttle >= floor else record._replace(throttle=floor) for record in kept]


def smooth_throttle(records: Sequence[Record], frames: int) -> List[Record]:
    """Each record with the mean throttle of the consecutive records within so many frames of it."""
    smoothed: List[Record] = []
    first = 0  # of the run of consecutive records
    for end in range(1, len(records) + 1):
        if end < len(records) and follows(records[end - 1], records[end]):
            continue
        sums = [0.0]
        for record in records[first:end]:
            sums.append(sums[-1] + record.throttle)
        for place, record in enumerate(records[first:end]):
            low, high = max(0, place - frames), min(end - first, place + frames + 1)
            mean = (sums[high] - sums[low]) / (high - low)
            smoothed.append(record._replace(throttle=mean))
        first = end
    return smoothed


def sequences(records: Sequence[Record], length: int) -> List[Tuple[Record, ...]]:
    """Every run of `length` consecutive records; each record alone if `length` is 0."""
    if length == 0:
        return [(record,) for record in records]
    found = []
    run = 1
    for position, record in enumerate(records):
        run = run + 1 if position and follows(records[position - 1], record) else 1
        if run >= length:
            found.append(tuple(records[position + 1 - length : position + 1]))
    return found
