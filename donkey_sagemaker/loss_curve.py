"""Draws the loss curves as text, in braille characters of two by four dots each."""

import math
from typing import List, NamedTuple, Sequence

_BLANK = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # the bit of each dot: [row][column]


class Character(NamedTuple):
    text: str
    is_validation: bool  # otherwise it shows the training loss, or is blank


def draw_curves(
    loss: Sequence[float], val_loss: Sequence[float], *, width: int, height: int
) -> List[List[Character]]:
    """Draws both curves over the epochs, from zero at the bottom to the highest loss at the top.

    Args:
        loss, val_loss: one value per epoch; values that are not finite leave a gap.
        width, height: in characters.
    Returns:
        rows of characters; a character that both curves share counts as validation.
    """
    values = [value for value in list(loss) + list(val_loss) if math.isfinite(value)]
    top = max(values, default=0.0) or 1.0
    training = _draw_curve(loss, top=top, width=width, height=height)
    validation = _draw_curve(val_loss, top=top, width=width, height=height)
    return [
        [
            Character(chr(_BLANK | training_dots | validation_dots), is_validation=bool(validation_dots))
            for training_dots, validation_dots in zip(*rows)
        ]
        for rows in zip(training, validation)
    ]


def _draw_curve(values: Sequence[float], *, top: float, width: int, height: int) -> List[List[int]]:
    """The dots of each character as bits, row by row."""
    cells = [[0] * width for _ in range(height)]
    right, bottom = 2 * width - 1, 4 * height - 1
    previous = None
    for number, value in enumerate(values):
        if not math.isfinite(value):
            previous = None
            continue
        x = int(round(right * number / max(1, len(values) - 1)))
        y = int(round(bottom * (1 - value / top)))
        start_x, start_y = previous or (x, y)
        steps = max(abs(x - start_x), abs(y - start_y), 1)
        for step in range(steps + 1):  # a line from the previous dot to this one
            at_x = start_x + int(round((x - start_x) * step / steps))
            at_y = start_y + int(round((y - start_y) * step / steps))
            cells[at_y // 4][at_x // 2] |= _DOTS[at_y % 4][at_x % 2]
        previous = (x, y)
    return cells
