"""The page of all models of this car, models/index.html: their loss curves in one chart, and details."""

import math
import sys
from typing import Sequence, Tuple
from urllib.parse import quote

from ..page import LINES, cards, escape, make_page, paragraph, section, table
from .model_history import Model

PAGE_NAME = "index.html"

# A second sign beside the colours, in the chart and beside a model's name
_DASHES = {"solid": "", "dashed": ' stroke-dasharray="8 4"', "dotted": ' stroke-dasharray="2 3"'}
_WIDTH, _HEIGHT = 400, 260  # of the chart; a phone is about as wide
_LEFT, _BOTTOM, _EDGE = 44, 34, 8  # room for the axes' numbers
_LINES = 4  # across the chart, or fewer
_STEEP = 6  # times the best loss of the worst model: higher losses, of first epochs, are cut off


def make_models_page(car_name: str, models: Sequence[Model], *, files: Sequence[str]) -> str:
    """
    Args:
        models: the newest first.
        files: names in the models folder, where the reports are.
    """
    best = min(models, key=lambda model: (math.isnan(model.best), model.best))
    return make_page(
        f"Models of {car_name}",
        f"<h1>Models of {escape(car_name)}</h1>",
        cards(
            [
                (str(len(models)), "models, the newest first"),
                (f"{best.best:.4f}", "lowest validation loss: " + best.name),
            ]
        ),
        section(
            "Validation loss by epoch",
            f'<div class="chart">{draw_losses(models)}</div>',
            paragraph(
                "Losses can be compared only between models of one type and the same tubs. "
                "The track shows which one drives best."
            ),
        ),
        *(describe_model(number, model, files) for number, model in enumerate(models)),
    )


def describe_model(number: int, model: Model, files: Sequence[str]) -> str:
    name = escape(model.name)
    if model.name + ".html" in files:
        link = escape(quote(model.name + ".html", errors="replace"))
        name = f'<a href="{link}">{name}</a>'
    line = f'<span class="swatch {colour_of(number)}" style="border-top: .2em {style_of(number)}"></span>'
    rows = [("validation loss", f"{model.best:.4f}")] + model.details
    return f"<section><h2>{number + 1}. {line}{name}</h2>\n{table(rows)}</section>"


def colour_of(number: int) -> str:
    """Its class in the page's style."""
    return f"line{number % LINES}"


def style_of(number: int) -> str:
    """Of the line: neighbours differ, and so do lines of one colour."""
    return tuple(_DASHES)[(number + number // LINES) % len(_DASHES)]


def draw_losses(models: Sequence[Model]) -> str:
    """The curves over each other, as SVG; a dot with the model's number marks its best epoch."""
    losses = [loss for model in models for loss in model.val_loss if math.isfinite(loss)]
    top = min(max(losses), _STEEP * max(model.best for model in models if not math.isnan(model.best)))
    epochs = max(len(model.val_loss) for model in models)

    def place(epoch: float, loss: float) -> Tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _EDGE) * (epoch - 1) / max(1, epochs - 1)
        return x, _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _EDGE) * loss / (top or 1)

    parts, dots = [], []
    step = _round_step(top / _LINES)
    for number in range(int(top / step) + 1):
        y = place(1, number * step)[1]
        parts.append(f'<path class="rule" d="M{_LEFT} {y:.1f}H{_WIDTH - _EDGE}"/>')
        parts.append(_label(_LEFT - 5, y + 4, f"{number * step:g}", "end"))
    for epoch in sorted({1, (epochs + 1) // 2, epochs}):
        parts.append(_label(place(epoch, 0)[0], _HEIGHT - _BOTTOM + 15, str(epoch), "middle"))
    parts.append(_label((_WIDTH + _LEFT) / 2, _HEIGHT - 4, "epoch", "middle"))
    for number, model in list(enumerate(models))[::-1]:  # the newest on top
        shown = [
            (place(epoch, min(loss, top)), loss)
            for epoch, loss in enumerate(model.val_loss, start=1)
            if math.isfinite(loss)
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in shown)
        best_x, best_y = min(shown, key=lambda point: point[1])[0]
        parts.append(
            f'<polyline class="{colour_of(number)}" points="{points}" stroke="currentColor" '
            f'fill="none" stroke-width="2"{_DASHES[style_of(number)]}/>'
        )
        dots.append(
            f'<circle class="{colour_of(number)}" cx="{best_x:.1f}" cy="{best_y:.1f}" r="7" '
            f'fill="currentColor"><title>{escape(model.name)}</title></circle>'
            f'<text class="on-line" x="{best_x:.1f}" y="{best_y + 3.5:.1f}" font-size="10" '
            f'text-anchor="middle">{number + 1}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(_in_words(models))}" '
        f'font-size="11">{"".join(parts + dots)}</svg>'
    )


def _in_words(models: Sequence[Model]) -> str:
    """The chart, for whoever cannot see it."""
    lowest = ", ".join(f"{model.name} {model.best:.4f}" for model in models)
    return f"Validation loss by epoch, one line for each model. The lowest of each: {lowest}."


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, ... times a power of ten; 1 for 0."""
    if step < sys.float_info.min:  # its power of ten would be 0
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return power * next((factor for factor in (1, 2, 5) if factor * power >= step), 10)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
