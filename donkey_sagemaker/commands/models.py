"""sagemaker-models: every training of this car, one row each; and two models compared."""

import argparse
import contextlib
import json
import math
import os
import textwrap
from typing import Any, Dict, List, Optional, Sequence

from .. import atomic, verdict
from ..car.car import Car
from ..car.drive_line import drive_command
from ..car.job import INSTALLED, KEPT_ASIDE
from ..car.model_history import Model, find_models
from ..car.models_page import COMPARISON_NAME, PAGE_NAME, make_comparison_page, make_models_page
from ..car.runtime import bare_type
from ..errors import BadInput
from ..training.compare_models import Compared, compare_models, find_model
from ..training.judge import describe_result
from ..ui import BAD, GOOD, WARNING, PlainUi, format_count, format_time, format_usd, make_ui
from ._fleet import add_fleet_options, show_fleet_models
from ._options import add_car_options, open_the_car

HELP = (
    "Lists every training of this car: how good its model is, and whether it is installed. With the names of "
    "two models, compares their steering on the same pictures."
)
HEAD = (
    "model",
    "trained",
    "type",
    "records",
    "epochs",
    "val. loss",
    "steering off by",
    "off/100 m",
    "ms",
    "cost",
    "verdict",
    "state",
)
STYLES = {
    verdict.GOOD: GOOD,
    verdict.WEAK: WARNING,
    verdict.BAD: BAD,
    INSTALLED: GOOD,
    KEPT_ASIDE: WARNING,
}
NARROW = 80  # letters, of lines where the terminal has no width


class NoModels(BadInput):
    def __init__(self, models_path: str) -> None:
        super().__init__(
            f"There is no model with a history in {models_path}.",
            "Train one: `python manage.py sagemaker-train`.",
        )


class NotTwoModels(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "One model cannot be compared.",
            "Name two of those that `python manage.py sagemaker-models` lists.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="MODEL", help="two models to compare: names as listed")
    parser.add_argument("--report", action="store_true", help="write a page of them, models/index.html")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    add_fleet_options(parser)
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if arguments.fleet:
        show_fleet_models(car, ui, as_json=arguments.json)
        return 0
    models = find_models(car)
    if arguments.json and not arguments.models:
        ui.print_exactly(json.dumps([to_json(car, model) for model in models], indent=1))
        return 0
    if not models:
        raise NoModels(car.display(car.models_path))
    if arguments.models:
        if len(arguments.models) != 2:
            raise NotTwoModels
        first, second = (find_model(car, models, name) for name in arguments.models)
        show_comparison(car, ui, compare_models(car, first, second), with_page=arguments.report)
    elif arguments.report:
        write_page(car, ui, models)
    else:
        show_models(car, ui, models)
    return 0


def show_models(car: Car, ui: PlainUi, models: Sequence[Model]) -> None:
    """A table where the terminal is wide enough, otherwise a few lines for each training."""
    rows = [describe_row(model) for model in models]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows)]
    if ui.width >= sum(widths) + 2 * len(widths):
        ui.table(HEAD, rows, styles=STYLES)
    else:
        for model in models:
            for line in describe_lines(model, width=ui.width or NARROW):
                ui.print(line)
    if models[0].verdict:
        ui.print(f"The newest: {models[0].verdict.sentence}")
        ui.print(f"Next: {models[0].verdict.advice}")
    installed = next((model for model in models if model.state == INSTALLED), None)
    command = drive_line(car, installed) if installed else None
    if installed and command:
        ui.print(f"Drive {installed.name}:")
        ui.print_command(command)


def describe_row(model: Model) -> List[str]:
    return [
        model.name,
        format_time(model.trained) or "-",
        bare_type(model.model_type) or "-",
        f"{model.records:,}" if model.records else "-",
        str(model.epochs or "-"),
        _format(model.best, "{:.4f}"),
        _format(model.steering_error, "{:.3f}"),
        _format(model.times_off_per_100_m, "{:.1f}"),
        _format(model.ms, "{:.0f}"),
        "-" if math.isnan(model.cost_usd) else format_usd(model.cost_usd),
        model.verdict.level if model.verdict else "-",
        model.state,
    ]


def describe_lines(model: Model, *, width: int) -> List[str]:
    """The same as lines that are no longer than that."""
    first = [
        model.name,
        format_time(model.trained),
        model.verdict.level if model.verdict else "",
        model.state,
    ]
    parts = [
        bare_type(model.model_type),
        f"{model.records:,} records" if model.records else "",
        format_count(model.epochs, "epoch") if model.epochs else "",
        _format(model.best, "validation loss {:.4f}", ""),
        _format(model.steering_error, "steering off by {:.3f}", ""),
        _format(model.times_off_per_100_m, "off the line {:.1f} times in 100 m", ""),
        _format(model.ms, "{:.0f} ms a picture", ""),
        "" if math.isnan(model.cost_usd) else format_usd(model.cost_usd),
    ]
    lines = textwrap.wrap("  ".join(filter(None, first)), width, subsequent_indent="  ")
    return lines + textwrap.wrap(
        ", ".join(filter(None, parts)), width, initial_indent="  ", subsequent_indent="  "
    )


def to_json(car: Car, model: Model) -> Dict[str, Any]:
    return {
        "model": model.name,
        "state": model.state,
        "job": model.job or None,
        "trained": model.trained or None,
        "type": bare_type(model.model_type) or None,
        "records": model.records or None,
        "epochs": model.epochs or None,
        "val_loss": _known(model.best),
        "steering_error": _known(model.steering_error),
        "times_off_per_100_m": _known(model.times_off_per_100_m),
        "ms": _known(model.ms),
        "cost_usd": _known(model.cost_usd),
        "verdict": model.verdict._asdict() if model.verdict else None,
        "tubs": list(model.tubs),
        "comment": model.comment or None,
        "transfer": model.transfer or None,
        "drive": drive_line(car, model) if model.state == INSTALLED else None,
    }


def drive_line(car: Car, model: Model) -> Optional[str]:
    """None for a model that no job of this car has made, or where this Python has no donkeycar."""
    if model.plan is None:
        return None
    with contextlib.suppress(BadInput):
        return drive_command(car, model.plan, model.form or model.plan.models[0][1])
    return None


def write_page(car: Car, ui: PlainUi, models: Sequence[Model]) -> None:
    path = os.path.join(car.models_path, PAGE_NAME)
    rows = [describe_row(model) for model in models]
    files = os.listdir(car.models_path) if os.path.isdir(car.models_path) else []
    os.makedirs(car.models_path, exist_ok=True)
    atomic.write_text(path, make_models_page(car.name, models, head=HEAD, rows=rows, files=files))
    ui.print(f"{format_count(len(models), 'training')}: {car.display(path)}")


def show_comparison(car: Car, ui: PlainUi, compared: Compared, *, with_page: bool) -> None:
    new, previous, comparison = compared.new.name, compared.previous.name, compared.comparison
    sentences = [
        f"On {comparison.pictures} validation pictures of {new}, its steering is off by"
        f" {comparison.error:.3f} on average, that of {previous} by {comparison.previous_error:.3f}.",
        f"Result: {describe_result(comparison, new=new, previous=previous)}.",
    ]
    for sentence in sentences:
        ui.print(sentence)
    if compared.differences:
        ui.print("They differ most on these pictures:")
    rows = [
        [str(each.number), *(f"{value:+.2f}" for value in (each.driven, each.new, each.previous))]
        for each in compared.differences
    ]
    ui.table(["picture", "driver", new, previous], rows)
    if with_page:
        path = os.path.join(car.models_path, COMPARISON_NAME)
        atomic.write_text(path, make_comparison_page(new, previous, sentences, compared.differences))
        ui.print(f"The pictures: {car.display(path)}")
    else:
        ui.print("Add --report to see the pictures on a page.")


def _format(value: float, text: str, unknown: str = "-") -> str:
    return text.format(value) if math.isfinite(value) else unknown


def _known(value: float) -> Optional[float]:
    return value if math.isfinite(value) else None
