"""The story of sagemaker-jobs --report: one page of all models of this car, models/index.html.

What is known of a model comes from donkeycar's database.json, from the history beside the model, and from the
ledger of jobs. None of them is trusted to be whole: another program, or a person, may have written it.
"""

import math
import os
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple
from urllib.parse import quote

from .. import atomic
from ..car.car import Car
from ..car.database import read_entries
from ..car.ledger import Ledger
from ..car.model_files import model_name
from ..errors import BadInput
from ..page import cards, escape, make_page, paragraph, section, table
from ..ui import PlainUi, format_time, format_usd
from ..untrusted_json import parse_json

PAGE_NAME = "index.html"
_HISTORY = ".history.json"
_MAX_BYTES = 2**20  # of a history

# Told apart by people who see colours differently too (Okabe and Ito)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = {"solid": "", "dashed": ' stroke-dasharray="8 4"', "dotted": ' stroke-dasharray="2 3"'}
_WIDTH, _HEIGHT = 400, 260  # of the chart; a phone is about as wide
_LEFT, _BOTTOM, _EDGE = 44, 34, 8  # what the axes' numbers take
_LINES = 4  # across the chart, or fewer
_STEEP = 6  # times the best loss of the worst model: higher losses, of first epochs, are cut off


class NoModels(BadInput):
    def __init__(self, models_path: str) -> None:
        super().__init__(
            f"There is no model with a history in {models_path}.",
            "Train one: `python manage.py sagemaker-train`.",
        )


class Model(NamedTuple):
    """What is known of one model; empty where it is not."""

    name: str
    details: List[Tuple[str, str]]  # to be shown as they are
    trained: float  # since 1970
    val_loss: List[float]  # by epoch; not a number where there was none

    @property
    def best(self) -> float:
        return min((loss for loss in self.val_loss if math.isfinite(loss)), default=math.nan)


def show_models(car: Car, ui: PlainUi) -> None:
    """Writes the page and says where it is.

    Raises:
        NoModels
    """
    models = find_models(car)
    if not models:
        raise NoModels(car.shown(car.models_path))
    path = os.path.join(car.models_path, PAGE_NAME)
    atomic.write_text(path, make_models_page(car.name, models, files=os.listdir(car.models_path)))
    ui.say(f"{len(models)} models: {car.shown(path)}")


def find_models(car: Car) -> List[Model]:
    """Every model that has a history, the newest first."""
    launches = {
        model_name(launch.base): launch._asdict() for launch in Ledger(car.scratch("jobs")).all()[::-1]
    }
    entries = {str(entry.get("Name")): entry for entry in read_entries(car.database_path)[::-1]}
    files = os.listdir(car.models_path) if os.path.isdir(car.models_path) else []
    names = set(entries) | {name[: -len(_HISTORY)] for name in files if name.endswith(_HISTORY)}
    models = [
        make_model(
            name,
            entries.get(name, {}),
            launches.get(name, {}),
            read_history(os.path.join(car.models_path, os.path.basename(name) + _HISTORY)),
        )
        for name in names
    ]
    return sorted((model for model in models if model.val_loss), key=lambda model: -model.trained)


def make_model(name: str, entry: Dict[str, Any], launch: Dict[str, Any], history: Any) -> Model:
    """
    Args:
        entry: of the pilot database.
        launch: of the ledger.
        history: by metric, where the database has none.
    """
    trained = _number(entry.get("Time") or launch.get("started"))
    val_loss = _losses(entry.get("History")) or _losses(history)
    cost = _number(launch.get("cost_usd"))
    tubs = entry.get("Tubs") or ", ".join(launch.get("tubs", []))
    details = [
        ("trained", format_time(trained)),
        ("type", entry.get("Type") or launch.get("model_type")),
        ("data", tubs),
        ("comment", entry.get("Comment") or launch.get("comment")),
        ("went on from", entry.get("Transfer") or os.path.basename(launch.get("transfer") or "")),
        ("cost", format_usd(cost) if math.isfinite(cost) else None),
        ("epochs", len(val_loss)),
    ]
    return Model(
        name,
        [(what, str(value)) for what, value in details if value],
        trained if math.isfinite(trained) else 0.0,
        val_loss,
    )


def read_history(path: str) -> Any:
    """What the file beside a model holds; None where it is missing or damaged."""
    try:
        with open(path, "rb") as file:
            return parse_json(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None


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
                "Losses of different types and tubs do not compare; what drives best is seen on the track."
            ),
        ),
        *(
            describe_model(model, f"{style_of(number)} {colour_of(number)}", files)
            for number, model in enumerate(models)
        ),
    )


def describe_model(model: Model, line: str, files: Sequence[str]) -> str:
    name = escape(model.name)
    if model.name + ".html" in files:
        name = '<a href="{}">{}</a>'.format(escape(quote(model.name + ".html")), name)
    swatch = f'<span class="swatch" style="border-top: .3em {line}"></span>'
    rows = [("validation loss", f"{model.best:.4f}")] + model.details
    return f"<section><h2>{swatch}{name}</h2>\n{table(rows)}</section>"


def colour_of(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def style_of(number: int) -> str:
    """Of the line, for more models than there are colours."""
    return ("solid", "dashed", "dotted")[number // len(COLOURS) % 3]


def draw_losses(models: Sequence[Model]) -> str:
    """The curves over each other, as SVG; a dot marks each model's best epoch."""
    losses = [loss for model in models for loss in model.val_loss if math.isfinite(loss)]
    top = min(max(losses), _STEEP * max(model.best for model in models if not math.isnan(model.best)))
    epochs = max(len(model.val_loss) for model in models)

    def place(epoch: float, loss: float) -> Tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _EDGE) * (epoch - 1) / max(1, epochs - 1)
        return x, _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _EDGE) * loss / (top or 1)

    parts = []
    step = _round_step(top / _LINES)
    for number in range(int(top / step) + 1):
        y = place(1, number * step)[1]
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _EDGE}" stroke="#ddd"/>')
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
        points = " ".join("{:.1f},{:.1f}".format(*point) for point, _ in shown)
        best_x, best_y = min(shown, key=lambda point: point[1])[0]
        parts.append(
            '<g stroke="{0}" fill="{0}"><polyline points="{1}" fill="none" stroke-width="2"{5}/>'
            '<circle cx="{2:.1f}" cy="{3:.1f}" r="3.5"/><title>{4}</title></g>'.format(
                colour_of(number), points, best_x, best_y, escape(model.name), _DASHES[style_of(number)]
            )
        )
    return (
        '<svg viewBox="0 0 {} {}" role="img" aria-label="Validation loss by epoch" font-size="11">{}</svg>'
    ).format(_WIDTH, _HEIGHT, "".join(parts))


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, ... times a power of ten; 1 for 0."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return power * next((factor for factor in (1, 2, 5) if factor * power >= step), 10)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _losses(history: Any) -> List[float]:
    """Of a history that anybody may have written; none where no epoch has a loss."""
    values = history.get("val_loss") if isinstance(history, dict) else None
    losses = [_number(value) for value in values] if isinstance(values, list) else []
    return losses if any(map(math.isfinite, losses)) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else math.nan
