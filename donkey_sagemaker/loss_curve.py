"""The loss curve in letters: dots of braille, two across and four down in each."""

import math
from typing import List, NamedTuple, Sequence

_BLANK = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a letter: [row][column]


class Letter(NamedTuple):
    text: str
    is_validation: bool  # else training, or nothing


def draw_curves(
    loss: Sequence[float], val_loss: Sequence[float], *, width: int, height: int
) -> List[List[Letter]]:
    """Both curves over the epochs, from zero at the bottom to the highest loss at the top.

    Args:
        loss, val_loss: by epoch; what is not a number is left out.
        width, height: in letters.
    Returns:
        rows of letters; where both curves meet, validation counts.
    """
    values = [value for value in list(loss) + list(val_loss) if math.isfinite(value)]
    top = max(values, default=0.0) or 1.0
    training = _draw_curve(loss, top=top, width=width, height=height)
    validation = _draw_curve(val_loss, top=top, width=width, height=height)
    return [
        [Letter(chr(_BLANK | one | other), is_validation=bool(other)) for one, other in zip(*rows)]
        for rows in zip(training, validation)
    ]


def _draw_curve(values: Sequence[float], *, top: float, width: int, height: int) -> List[List[int]]:
    """Bits of each letter's dots, by row."""
    letters = [[0] * width for _ in range(height)]
    right, bottom = 2 * width - 1, 4 * height - 1
    before = None
    for number, value in enumerate(values):
        if not math.isfinite(value):
            before = None
            continue
        x = int(round(right * number / max(1, len(values) - 1)))
        y = int(round(bottom * (1 - value / top)))
        start_x, start_y = before or (x, y)
        steps = max(abs(x - start_x), abs(y - start_y), 1)
        for step in range(steps + 1):  # a line from the last dot to this one
            at_x = start_x + int(round((x - start_x) * step / steps))
            at_y = start_y + int(round((y - start_y) * step / steps))
            letters[at_y // 4][at_x // 2] |= _DOTS[at_y % 4][at_x % 2]
        before = (x, y)
    return letters
