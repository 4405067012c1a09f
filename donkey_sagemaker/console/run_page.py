"""One command while it runs, and what came of it."""

import math
import re
from typing import List, Optional, Sequence

from ..car.car import Car
from ..car.drive_line import drive_command
from ..car.job import INSTALLED, KEPT_ASIDE
from ..car.model_history import Model, find_models
from ..errors import BadInput
from ..page import box, escape, paragraph, section
from .layout import Forms, actions, address, at, heading, link, output, path_of
from .losses import Curve, draw_losses
from .runs import Run, Runs

_JOB = re.compile(r"^Job ([A-Za-z0-9][A-Za-z0-9-]{0,62})\b", re.MULTILINE)
_LINES = 12  # of the output of a command that runs


def find_job_name(text: str) -> Optional[str]:
    """The job that a training watches, from what it prints once there is one."""
    names = _JOB.findall(text)
    return names[-1] if names else None


def split_result(run: Run, text: str) -> str:
    """What was printed for a person: without the line of JSON at the end."""
    return (
        "\n".join(line for line in text.splitlines() if not line.startswith('{"job"')) if run.trains else text
    )


def show_run(car: Car, runs: Runs, forms: Forms, run: Run) -> List[str]:
    """Everything on the page that changes."""
    text = runs.read_output(run)
    job = find_job_name(text) if run.trains else None
    if run.is_running:
        return [
            heading(run.title, note=f"Started at {at(run.started)}."),
            show_progress(run),
            _buttons(forms, run, job),
            output(split_result(run, text), lines=_LINES),
        ]
    if run.has_result and run.back:
        return [
            heading(run.title),
            f'<p data-go="{escape(run.back, most=2000)}">Done.</p>',
            link("Go on", run.back),
        ]
    model = find_model_of(car, job) if job else None
    parts = [heading(run.title, note="" if model else _describe_end(run))]
    if model:
        parts += show_result(car, model) + [show_losses(run)]
    elif run.code == 0 and "--dry-run" in run.words:
        parts.append(
            forms.button("Start it", path_of("runs", run.id, "start"), style="main", once=False)
            + paragraph("Nothing has been started yet. This starts the job once, at that price.")
        )
    if run.back:
        parts.append(actions(link("Back", run.back, style="button")))
    parts.append(section("What it printed", output(split_result(run, text))))
    return parts


def show_progress(run: Run) -> str:
    """What it does now, how far it is, and the losses so far."""
    state = run.progress
    done, total = _whole(state.get("done")), _whole(state.get("total"))
    doing = str(state.get("doing") or "Working")
    note = str(state.get("note") or "")
    counted = f' max="{total}" value="{min(done, total)}"' if total else ""
    count = f": {done} of {total}" if total and not state.get("epochs") and "epoch" not in doing else ""
    parts = [
        f"<p><b>{escape(doing)}{count}</b>{escape(', ' + note if note else '')}</p>",
        f'<progress aria-label="{escape(doing)}"{counted}></progress>',
    ]
    return "".join(parts) + show_losses(run)


def show_losses(run: Run) -> str:
    """The chart of a training; empty before its first epoch."""
    epochs = run.progress.get("epochs")
    pairs = (
        [each for each in epochs if isinstance(each, list) and len(each) == 2]
        if isinstance(epochs, list)
        else []
    )
    training, validation = ([_loss(pair[place]) for pair in pairs] for place in (0, 1))
    curves = [
        Curve("validation", "line0", validation),
        Curve("training", "line1", training, is_dashed=True),
    ]
    chart = draw_losses(curves, epochs=_whole(run.progress.get("max_epochs")))
    return f'<div class="chart">{chart}</div>' if chart else ""


def _whole(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _loss(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _buttons(forms: Forms, run: Run, job: Optional[str]) -> str:
    if job is None:
        return ""
    return actions(
        forms.button(
            "Stop, keep the best so far", path_of("runs", run.id, "stop"), style="danger", once=False
        ),
        forms.button("Detach: the job goes on", path_of("runs", run.id, "detach"), once=False),
    )


def _describe_end(run: Run) -> str:
    if run.code == 0:
        return f"Done. Started at {at(run.started)}."
    if run.code == 130:
        return "Interrupted."
    if run.code is None:
        return "It ended without a result: its process was killed, or this machine was switched off."
    return "It did not succeed. The last lines say why, and what to do."


def find_model_of(car: Car, job: str) -> Optional[Model]:
    return next((model for model in find_models(car) if model.job == job), None)


def show_result(car: Car, model: Model) -> List[str]:
    """The verdict on a new model, and how to drive it."""
    state = {INSTALLED: "is installed", KEPT_ASIDE: "was kept aside"}.get(model.state, f"is {model.state}")
    parts = [paragraph(f"{model.name} {state}.")]
    if model.verdict:
        parts.append(box(model.verdict.level, model.verdict.sentence, model.verdict.advice))
    parts += show_drive(car, model)
    parts.append(
        actions(
            link("The report", path_of("models", model.job, "report"), style="button")
            if find_report(model.paths)
            else "",
            link("About this model", address("/model", name=model.job or model.name), style="button"),
        )
    )
    return parts


def show_drive(car: Car, model: Model) -> List[str]:
    """The command to drive an installed model with."""
    if model.state != INSTALLED or model.plan is None:
        return []
    try:
        command = drive_command(car, model.plan, model.form or model.plan.models[0][1])
    except BadInput:  # this Python has no donkeycar
        return []
    return [paragraph("Drive it:"), f"<pre>{escape(command, most=1000)}</pre>"]


def find_report(paths: Sequence[str]) -> Optional[str]:
    """The page among the files of a model."""
    return next((path for path in paths if path.endswith(".html")), None)
