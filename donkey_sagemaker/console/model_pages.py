"""All models, one of them, and two side by side."""

from typing import List, Optional, Sequence

from ..car.backups import find_backup
from ..car.car import Car
from ..car.job import INSTALLED, KEPT_ASIDE
from ..car.model_history import KEPT, Model, versions_of
from ..commands.models import HEAD, describe_row
from ..errors import BadInput
from ..page import box, escape, paragraph, section, table
from .layout import Forms, actions, address, heading, link, output, path_of
from .losses import Curve, draw_losses
from .run_page import find_report, show_drive
from .runs import Run, Runs

_MOST_CURVES = 6


class NoModel(BadInput):
    def __init__(self) -> None:
        super().__init__("This car has no such model any more.", "Choose one of the list.")


def find_named(models: Sequence[Model], name: str) -> Model:
    """By its job, otherwise by its name.

    Raises:
        NoModel
    """
    for model in models:
        if name and name in (model.job, model.name):
            return model
    raise NoModel


def key_of(model: Model) -> str:
    return model.job or model.name


def show_models(models: Sequence[Model]) -> List[str]:
    """A row for each; two of them can be compared."""
    if not models:
        return [heading("Models"), paragraph("There is no model yet. Train one.")]
    rows = []
    for model in models:
        level = f"{model.verdict.level}, " if model.verdict else ""
        described = dict(zip(HEAD, describe_row(model)))
        note = f"{described['trained']}, validation loss {described['val. loss']}"
        key = escape(key_of(model), most=1000)
        rows.append(
            f'<li><label class="tick"><input type="checkbox" form="compare" name="model" value="{key}" '
            f'aria-label="compare {escape(model.name)}"></label>'
            f'<a href="{escape(address("/model", name=key_of(model)))}"><b>{escape(model.name)}</b>'
            f'<span class="state">{escape(level + model.state)}</span><br>'
            f'<span class="soft">{escape(note)}</span></a></li>'
        )
    compare = '<form id="compare" action="/compare"><button>Compare the two that are ticked</button></form>'
    curves = draw_losses(
        [
            Curve(model.name, f"line{place}", model.val_loss)
            for place, model in enumerate([each for each in models if each.val_loss][:_MOST_CURVES])
        ]
    )
    text = "Losses can be compared only between models of one type and the same tubs."
    chart = (
        section("Validation loss by epoch", f'<div class="chart">{curves}</div>', paragraph(text))
        if curves
        else ""
    )
    return [heading("Models"), f'<ul class="rows">{"".join(rows)}</ul>', compare, chart]


def show_model(car: Car, forms: Forms, model: Model, *, notice: str) -> List[str]:
    """What is known about it, and what can be done with it."""
    rows = [row for row in zip(HEAD[1:], describe_row(model)[1:]) if row[1] != "-"]
    rows += [
        row
        for row in (
            ("data", ", ".join(model.tubs)),
            ("note", model.comment),
            ("started from", model.transfer),
            ("job", model.job),
        )
        if row[1]
    ]
    parts = [heading(model.name), notice]
    if model.verdict:
        parts.append(box(model.verdict.level, model.verdict.sentence, model.verdict.advice))
    parts += show_drive(car, model)
    report = link("The report", path_of("models", key_of(model), "report"), style="button")
    parts.append(actions(report if find_report(model.paths) else "", *_changes(car, forms, model)))
    curve = draw_losses([Curve("validation loss", "drawn", model.val_loss)])
    parts.append(f'<div class="chart">{curve}</div>' if curve else "")
    parts.append(table(rows))
    return parts


def _changes(car: Car, forms: Forms, model: Model) -> List[str]:
    """Buttons that install something else."""
    if model.state == KEPT_ASIDE:
        return [forms.button("Install it anyway", "/install", {"job": model.job}, style="danger")]
    base = model.name.split("~")[0]
    if model.state not in (INSTALLED, KEPT) or not find_backup(car, base):
        return []
    values = {"model": base, "shown": key_of(model)}
    if model.state == KEPT and not model.name.endswith("~1"):
        return []
    label = "Bring the version before it back" if model.state == INSTALLED else "Bring it back"
    buttons = [forms.button(label, "/rollback", values)]
    if model.state == INSTALLED and model.plan and len(versions_of(car, model.plan.base)) > 1:
        buttons.append(forms.button("Undo a rollback", "/rollback", dict(values, forward="1")))
    return buttons


def show_comparison(
    models: Sequence[Model], forms: Forms, runs: Runs, *, run: Optional[Run], has_page: bool
) -> List[str]:
    """Two models side by side.

    Args:
        run: the last command that drove both on the same pictures.
        has_page: whether its page is there.
    """
    one, other = models
    rows = zip(HEAD[1:], describe_row(one)[1:], describe_row(other)[1:])
    curves = draw_losses(
        [Curve(model.name, f"line{place}", model.val_loss) for place, model in enumerate(models)]
    )
    parts = [
        heading(f"{one.name} and {other.name}"),
        table([row for row in rows if row[1:] != ("-", "-")], head=("", one.name, other.name)),
        f'<div class="chart">{curves}</div>' if curves else "",
    ]
    if run:
        parts.append(section("On the same pictures", output(runs.read_output(run))))
        parts.append(actions(link("The pictures", "/comparison", style="button") if has_page else ""))
    both = {"one": key_of(one), "other": key_of(other)}
    parts.append(forms.button("Drive both on the same pictures", "/compare", both))
    return parts
