"""The pages models/index.html, which lists all trainings, and models/comparison.html, which compares two."""

import math
import os
from typing import Any, Callable, Dict, List, Sequence, Tuple
from urllib.parse import quote

from ..page import cards, count_card, escape, image, make_page, paragraph, section, table
from .comparison import Difference
from .job import INSTALLED
from .model_history import Model
from .models_chart import MOST_LINES, chart_losses

PAGE_NAME, COMPARISON_NAME = "index.html", "comparison.html"

# What the table can be sorted by; unknown numbers come last
_ORDERS: Tuple[Tuple[str, Callable[[Model], Any]], ...] = (
    ("newest", lambda model: -model.trained),
    ("validation loss", lambda model: _last_if_unknown(model.best)),
    ("steering error", lambda model: _last_if_unknown(model.steering_error)),
    ("off the line", lambda model: _last_if_unknown(model.times_off_per_100_m)),
    ("ms a picture", lambda model: _last_if_unknown(model.ms)),
    ("cost", lambda model: _last_if_unknown(model.cost_usd)),
    ("name", lambda model: model.name.lower()),
)
# The page has a table in each order and shows the chosen one, as it may run no script.
_STYLE = (
    "<style>body {{ max-width: 64rem; }} .orders {{ border: 0; padding: 0; margin: 0; min-width: 0; }}\n"
    # Each label is a button, whose input is only for the keyboard and for screen readers
    ".orders input {{ position: absolute; opacity: 0; }}\n"
    ".orders label {{ display: inline-block; margin: .2em .3em .2em 0; padding: .3em .7em;\n"
    "  border: 1px solid var(--rule); border-radius: .5rem; }}\n"
    ".orders input:checked + label {{ font-weight: bold; border-color: currentColor; }}\n"
    ".orders input:focus-visible + label {{ outline: 2px solid; outline-offset: 2px; }}\n"
    ".order {{ display: none; overflow-x: auto; }}\n{chosen} {{ display: block; }}</style>"
)


def make_models_page(
    car_name: str,
    models: Sequence[Model],
    *,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    files: Sequence[str],
) -> str:
    """
    Args:
        models: the newest first.
        head, rows: the cells to show of each.
        files: names in the models folder, where the reports are.
    """
    installed = [model for model in models if model.state == INSTALLED]
    best = min(models, key=lambda model: _last_if_unknown(model.steering_error))
    figures = [count_card(len(models), "training"), count_card(len(installed), "model", " installed")]
    if not math.isnan(best.steering_error):
        figures.append((f"{best.steering_error:.3f}", f"lowest steering error: {best.name}"))
    return make_page(
        f"Models of {car_name}",
        f"<h1>Models of {escape(car_name)}</h1>",
        cards(figures),
        section("Trainings", sortable_table(models, head=head, rows=rows)),
        section("Validation loss by epoch", *show_losses(models)),
        section("About each training", *(describe_model(model, files) for model in models)),
    )


def sortable_table(models: Sequence[Model], *, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One table for each order, with a button that shows it."""
    buttons, tables, chosen = [], [], []
    for number, (title, key) in enumerate(_ORDERS):
        name = f"by-{number}"
        checked = " checked" if not number else ""
        buttons.append(
            f'<input type="radio" name="order" id="{name}"{checked}><label for="{name}">{title}</label>'
        )
        keys = [key(model) for model in models]
        in_order = [rows[place] for place in sorted(range(len(rows)), key=keys.__getitem__)]
        tables.append(f'<div class="order {name}">{table(in_order, head=head)}</div>')
        chosen.append(f"#{name}:checked ~ .{name}")
    style = _STYLE.format(chosen=", ".join(chosen))
    return (
        f'{style}\n<fieldset class="orders"><legend>Sort by</legend>{"".join(buttons)}\n'
        f"{''.join(tables)}</fieldset>"
    )


def show_losses(models: Sequence[Model]) -> List[str]:
    """The curves of the newest models."""
    shown = [model for model in models if model.val_loss][:MOST_LINES]
    png = chart_losses(shown) if shown else None
    text = "Losses can be compared only between models of one type and the same tubs."
    if len([model for model in models if model.val_loss]) > MOST_LINES:
        text += f" The chart shows the newest {MOST_LINES} models."
    if png is None:
        return [paragraph("There is no chart, because this Python has no matplotlib.")]
    alt = "Validation loss by epoch. The lowest of each: " + ", ".join(
        f"{model.name} {model.best:.4f}" for model in shown
    )
    return [f'<div class="chart painted">{image(png, kind="png", alt=alt)}</div>', paragraph(text)]


def describe_model(model: Model, files: Sequence[str]) -> str:
    """What has no place in the table."""
    name = escape(model.name)
    if model.state == INSTALLED and model.name + ".html" in files:
        link = escape(quote(model.name + ".html", errors="replace"))
        name = f'<a href="{link}">{name}</a>'
    rows: Dict[str, str] = {
        "verdict": model.verdict.sentence if model.verdict else "",
        "next": model.verdict.advice if model.verdict else "",
        "data": ", ".join(os.path.basename(tub) if os.path.isabs(tub) else tub for tub in model.tubs),
        "comment": model.comment,
        "started from": model.transfer,
        "job": model.job,
    }
    return f"<h3>{name}</h3>\n{table([row for row in rows.items() if row[1]])}"


def make_comparison_page(
    new: str, previous: str, sentences: Sequence[str], differences: Sequence[Difference]
) -> str:
    """
    Args:
        new, previous: the names of the models.
        sentences: how they compare.
    """
    figures = []
    for each in differences:
        words = [("driver", each.driven), (new, each.new), (previous, each.previous)]
        caption = "<br>".join(f"{escape(name)} {value:+.2f}" for name, value in words)
        alt = f"Validation picture {each.number}, where the driver steers {each.driven:+.2f}"
        figures.append(
            f"<figure>{image(each.jpeg, kind='jpeg', alt=alt)}<figcaption>{caption}</figcaption></figure>"
        )
    return make_page(
        f"{new} and {previous}",
        f"<h1>{escape(new)} and {escape(previous)}</h1>",
        *map(paragraph, sentences),
        section(
            "Where they differ most",
            paragraph("Steering goes from -1, full left, to 1, full right."),
            f'<div class="pictures">{"".join(figures)}</div>',
        ),
    )


def _last_if_unknown(value: float) -> float:
    return value if math.isfinite(value) else math.inf
