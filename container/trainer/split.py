"""Which examples are trained on, and which validate.

Pure functions for every generation, without donkeycar or TensorFlow. Python's own generator gives the same
numbers on every Python and machine.
"""

import bisect
import random
from typing import Callable, Dict, Iterable, List, Sequence, Tuple, TypeVar

from donkey_sagemaker.tubs.record import Record

T = TypeVar("T")

GAP_S = 1.0  # between a frame that validates and one that is trained on
MOST_STRETCHES = 12
FEWEST_FRAMES = 40  # of a stretch, for as long as there is more than one


def draw_frames(examples: Sequence[T], *, train_fraction: float, seed: int) -> Tuple[List[T], List[T]]:
    """Training and validation examples, drawn one by one as in donkeycar.

    So losses compare with those of `donkey train`. The neighbours of a validation picture, which look nearly
    the same, are trained on.
    """
    order = list(range(len(examples)))
    random.Random(seed).shuffle(order)
    count = int(len(order) * train_fraction)
    return [examples[i] for i in order[:count]], [examples[i] for i in order[count:]]


def draw_stretches(
    examples: Sequence[T],
    records_of: Callable[[T], Sequence[Record]],
    *,
    train_fraction: float,
    gap_frames: int,
    seed: int,
) -> Tuple[List[T], List[T], List[T]]:
    """Training and validation examples of which the latter are whole stretches of the drive.

    Args:
        examples: in the order they were driven.
        records_of: the records of an example, in order.
        gap_frames: between a frame of a validation example and one that is trained on, at least.
    Returns:
        those to train on, those to validate with, and those that are neither because they are in a gap.
    """
    chosen = random.Random(seed)
    wanted = len(examples) - int(len(examples) * train_fraction)
    stretches = max(1, min(MOST_STRETCHES, wanted // FEWEST_FRAMES))
    is_held_out = [False] * len(examples)
    for number in range(stretches):
        # One in each part of the drive, so that together they show all of it
        first, last = (len(examples) * each // stretches for each in (number, number + 1))
        length = min(last - first, wanted * (number + 1) // stretches - wanted * number // stretches)
        start = chosen.randint(first, last - length)
        is_held_out[start : start + length] = [True] * length
    validation = [each for each, held_out in zip(examples, is_held_out) if held_out]
    held_out_frames = _frames_by_tub(record for each in validation for record in records_of(each))
    training: List[T] = []
    in_gap: List[T] = []
    for example, held_out in zip(examples, is_held_out):
        if not held_out:
            records = records_of(example)
            near = _is_near(records, held_out_frames.get(records[0].tub, []), gap_frames)
            (in_gap if near else training).append(example)
    return training, validation, in_gap


def _frames_by_tub(records: Iterable[Record]) -> Dict[str, List[int]]:
    """The indexes of records, ascending."""
    frames: Dict[str, List[int]] = {}
    for record in records:
        frames.setdefault(record.tub, []).append(record.index)
    return {tub: sorted(indexes) for tub, indexes in frames.items()}


def _is_near(records: Sequence[Record], frames: List[int], gap_frames: int) -> bool:
    """Whether one of the consecutive records is closer than gap_frames to one of the frames."""
    after = bisect.bisect_right(frames, records[0].index - gap_frames)
    return after < len(frames) and frames[after] < records[-1].index + gap_frames
