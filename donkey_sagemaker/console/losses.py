"""Loss curves as SVG."""

import math
from typing import List, NamedTuple, Optional, Sequence

from ..page import escape

_WIDTH, _HEIGHT, _LABEL = 400, 150, 18


class Curve(NamedTuple):
    name: str
    style: str  # its class: line0, line1, ...
    values: Sequence[Optional[float]]  # by epoch; None or NaN leaves a gap
    is_dashed: bool = False


def draw_losses(curves: Sequence[Curve], *, epochs: int = 0) -> str:
    """All of them in one chart, from zero to the highest loss; empty if there is nothing to draw.

    Args:
        epochs: how many there can be.
    """
    known = [value for curve in curves for value in curve.values if _is_known(value)]
    if not known:
        return ""
    top = max(float(value) for value in known if value is not None) or 1.0
    last = max([len(curve.values) for curve in curves])
    width = max(last, min(epochs, 2 * last), 2) - 1
    parts = [f'<path class="rule" d="M0 {_HEIGHT}H{_WIDTH}" stroke-width="1"/>']
    words = []
    for number, curve in enumerate(curves):
        points = [
            (
                _WIDTH * place / width,
                _HEIGHT * (1 - float(value or 0) / top) if _is_known(value) else math.nan,
            )
            for place, value in enumerate(curve.values)
        ]
        dash = ' stroke-dasharray="6 4"' if curve.is_dashed else ""
        parts.append(
            f'<path class="{curve.style}" d="{_path(points)}" fill="none" stroke="currentColor" '
            f'stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round"{dash}/>'
        )
        best = min(
            (float(value) for value in curve.values if value is not None and _is_known(value)), default=0
        )
        words.append(f"{curve.name}, lowest {best:.4f}")
        parts.append(
            f'<text class="{curve.style}" x="0" y="{_HEIGHT + _LABEL * (number + 1)}">'
            f"{'- - ' if curve.is_dashed else '— '}{escape(words[-1])}</text>"
        )
    parts.append(
        f'<text x="{_WIDTH}" y="{_HEIGHT + _LABEL}" text-anchor="end">'
        f"{last} {'epoch' if last == 1 else 'epochs'}</text>"
    )
    height = _HEIGHT + _LABEL * (len(curves) + 0.5)
    label = escape("Loss by epoch: " + "; ".join(words), most=500)
    return (
        f'<svg viewBox="-4 -4 {_WIDTH + 8} {height + 4:.0f}" role="img" aria-label="{label}" '
        f'font-size="14">{"".join(parts)}</svg>'
    )


def _path(points: Sequence["tuple[float, float]"]) -> str:
    words: List[str] = []
    pen = "M"
    for x, y in points:
        if math.isnan(y):
            pen = "M"
            continue
        words.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    # A single point is a line without length, which the round ends make visible
    return words[0] + "h0" if len(words) == 1 else "".join(words)


def _is_known(value: Optional[float]) -> bool:
    return value is not None and math.isfinite(value)
