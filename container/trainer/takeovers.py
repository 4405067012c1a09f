"""Where the driver took over from the autopilot, which shows what the model does wrong and how to correct it.

Pure functions for every generation, without donkeycar or TensorFlow.
"""

from typing import List, NamedTuple, Sequence, Set, Tuple

from donkey_sagemaker.tubs.record import AUTOPILOT_MODES, Record

from .examples import follows

MISTAKE_S = 1.0  # before a takeover: that is how the car got to where the driver had to step in
CORRECTION_S = 2.0  # after it: how the driver brings the car back


class Takeovers(NamedTuple):
    """The takeovers of a tub. A record is (its tub, its index)."""

    times: int
    mistakes: Set[Tuple[str, int]]  # of the autopilot
    corrections: Set[Tuple[str, int]]  # of the driver


def find_takeovers(records: Sequence[Record], *, frames_per_s: float) -> Takeovers:
    """
    Args:
        records: of one tub, in the order they were driven.
    """
    before, after = (int(round(seconds * frames_per_s)) for seconds in (MISTAKE_S, CORRECTION_S))
    times = 0
    mistakes: Set[Tuple[str, int]] = set()
    corrections: Set[Tuple[str, int]] = set()
    left = 0  # records that still belong to the last takeover
    for place, record in enumerate(records):
        is_next = place > 0 and follows(records[place - 1], record)
        if _is_autopilot(record):
            left = 0
            continue
        if is_next and _is_autopilot(records[place - 1]):
            times += 1
            left = after
            mistakes.update(_autopilot_run(records, place, before))
        left = left if is_next else 0
        if left > 0:
            corrections.add((record.tub, record.index))
            left -= 1
    return Takeovers(times, mistakes, corrections)


def _autopilot_run(records: Sequence[Record], end: int, most: int) -> List[Tuple[str, int]]:
    """The consecutive records before the place `end` that the autopilot drove, `most` of them at most."""
    found: List[Tuple[str, int]] = []
    place = end - 1
    while len(found) < most and place >= 0 and _is_autopilot(records[place]):
        found.append((records[place].tub, records[place].index))
        if place == 0 or not follows(records[place - 1], records[place]):
            break
        place -= 1
    return found


def _is_autopilot(record: Record) -> bool:
    return record.others.get("user/mode") in AUTOPILOT_MODES
