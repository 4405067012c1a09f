"""The first page: what runs now, how good the newest model is, and what was recorded."""

from typing import List, Sequence

from ..car.car import Car
from ..car.model_history import find_models
from ..page import escape, paragraph, section
from ..ui import format_count
from .car_reader import FoundTub
from .layout import Forms, actions, heading, link, path_of
from .run_page import find_job_name, show_progress, show_result
from .runs import Run, Runs
from .tub_pages import show_strip


def show_home(car: Car, tubs: Sequence[FoundTub], *, problem: str) -> List[str]:
    """What changes seldom.

    Args:
        problem: why there are no tubs.
    """
    models = find_models(car)
    parts = []
    if tubs:
        records = sum(found.records for found in tubs)
        parts.append(actions(link("Train", "/train", style="button main")))
        parts.append(
            section(
                "Recorded",
                paragraph(f"{format_count(records, 'record')} in {format_count(len(tubs), 'tub')}"),
                show_strip(max(tubs, key=lambda found: found.changed)),
                actions(link("Look at them", "/tubs", style="button")),
            )
        )
    else:
        parts.append(paragraph(problem))
    if models:
        parts.append(section("The newest model", *show_result(car, models[0])))
    return parts


def show_activity(car: Car, runs: Runs, forms: Forms) -> List[str]:
    """What runs, and jobs whose end nobody watches."""
    running = [run for run in runs.all() if run.is_running]
    watched = {find_job_name(runs.read_output(run)) for run in running if run.trains}
    parts = [_describe_running(run) for run in running]
    for job in car.ledger.pending():
        if job.name not in watched:
            parts.append(
                '<div class="notice">'
                + paragraph(f"The job {job.name} was started, and nobody watches it.")
                + forms.button("Watch it and install its model", "/attach", {"job": job.name}, once=False)
                + "</div>"
            )
    return [heading(car.name), *parts]


def _describe_running(run: Run) -> str:
    return (
        f'<div class="notice"><p><b>{escape(run.title)}</b></p>{show_progress(run)}'
        f"{actions(link('Open', path_of('runs', run.id), style='button'))}</div>"
    )
