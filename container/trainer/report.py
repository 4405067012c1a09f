"""The report that comes with every model: how it learned, where it is wrong, and what it was trained on."""

import io
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.contract import REPORT_CAR_MARK, ROBUST
from donkey_sagemaker.page import (
    DRIVEN,
    PREDICTED,
    cards,
    escape,
    image,
    make_page,
    paragraph,
    section,
    table,
)

from .artifact import CONFIG_NAMES
from .fit import Fitted
from .job import Job
from .pictures import draw_steering
from .plot import make_histograms, plot_histograms, plot_scatter, plot_stretch
from .review import ANGLE, THROTTLE, Compared, Review

_BOTH_LINES = (
    "<p>The pictures as the model sees them. The lines show the steering of the "
    '<span class="driven">driver</span> and of the <span class="predicted">model</span>.</p>'
)
_VIEWS_TEXT = (
    "<p>The robust recipe also trains on what the car would see from beside its line, with the steering that "
    "leads back. If the car's camera sees something else from there, correct SAGEMAKER_CAMERA.</p>"
)


class TubUsed(NamedTuple):
    path: str  # the user's own
    records: int  # without the unusable ones
    deleted: int


class Provenance(NamedTuple):
    """Where a model comes from: its data and its environment."""

    examples: Sequence[Any]  # all of them, of dataset.Example
    training: int  # how many of them were trained on
    left_out: Dict[str, int]  # by reason
    tubs: List[TubUsed]
    formats: List[str]
    notes: List[str]
    versions: Dict[str, str]
    devices: List[str]


def make_report(
    job: Job,
    fitted: Fitted,
    reviewed: Review,
    provenance: Provenance,
    *,
    loss: Optional[bytes],
    show: Callable[[Any], np.ndarray],
    views: Sequence[Tuple[np.ndarray, float, str]] = (),
    driving: str = "",
) -> str:
    """The page, smaller than 2 MB.

    Args:
        loss: the loss curve as PNG; None without matplotlib.
        show: an example -> its picture as the net sees it, (height, width, depth) uint8.
        views: of the robust recipe: picture, steering, and where it is from.
        driving: the section about the drive along the tub, from driving_section; empty without one.
    """
    compared = reviewed.validation
    return make_page(
        f"{job.name} ({job.model_type})",
        f"<h1>{escape(job.name)}</h1>",
        paragraph(f"A donkeycar model of type {job.model_type}."),
        cards(_figures(fitted, provenance, compared)),
        REPORT_CAR_MARK,
        driving,
        section("How it learned", _chart(loss, "Loss by epoch")),
        section(
            "Where it differs from the driver",
            paragraph(f"On {len(compared.examples)} pictures that it was not trained on:"),
            _chart(plot_scatter(compared), "Predicted against driven steering and throttle"),
            paragraph(f"Its steering differs most in {_place_of(reviewed.stretch, job)}."),
            _chart(plot_stretch(reviewed.stretch), "Driven and predicted commands along the worst stretch"),
        ),
        section("The worst pictures", _BOTH_LINES, _pictures(compared, reviewed.worst, job, show)),
        section("Typical pictures", _BOTH_LINES, _pictures(compared, reviewed.typical, job, show)),
        section(
            "What it learned from",
            _chart(
                _plot_commands(provenance.examples, job), "How often each steering and throttle was driven"
            ),
            table(provenance.tubs, head=("tub", "good records", "deleted")),
            "<h3>Left out</h3>",
            table(sorted(provenance.left_out.items())) if provenance.left_out else paragraph("Nothing."),
        ),
        *([section("The same place from beside the line", _VIEWS_TEXT, _show_views(views))] if views else []),
        section(
            "How it was made",
            table(_environment(fitted, provenance)),
            "<h3>Settings</h3>",
            table(_settings(job)),
        ),
    )


def _figures(fitted: Fitted, provenance: Provenance, compared: Compared) -> List[Tuple[str, str]]:
    val_loss = fitted.history["val_loss"]
    minutes, seconds = divmod(int(round(fitted.seconds)), 60)
    return [
        (f"{val_loss[fitted.best_epoch - 1]:.4f}", "validation loss (lower is better)"),
        (f"{compared.angle_errors.mean():.3f}", "mean steering error (steering is -1 to 1)"),
        (f"{fitted.best_epoch} of {len(val_loss)}", "best epoch"),
        (str(len(provenance.examples)), f"examples, {provenance.training} to train"),
        (f"{minutes} min {seconds:02d} s", "of training"),
    ]


def _place_of(stretch: Compared, job: Job) -> str:
    first, last = (stretch.examples[place].records[-1] for place in (0, -1))
    return f"records {first.index} to {last.index} of {job.tub_paths.get(first.tub, first.tub)}"


def _plot_commands(examples: Sequence[Any], job: Job) -> Optional[bytes]:
    angles: Dict[str, List[float]] = {}
    throttles: Dict[str, List[float]] = {}
    for example in examples:
        record = example.records[-1]
        tub = job.tub_paths.get(record.tub, record.tub)
        angles.setdefault(tub, []).append(record.angle)
        throttles.setdefault(tub, []).append(record.throttle)
    return plot_histograms(make_histograms(angles), make_histograms(throttles))


def _environment(fitted: Fitted, provenance: Provenance) -> List[Tuple[str, str]]:
    rows = [
        ("trained on", ", ".join(provenance.devices)),
        ("pictures per second", f"{fitted.images / max(fitted.seconds, 1e-9):.0f}"),
        ("written as", ", ".join(provenance.formats)),
    ]
    if fitted.stopped:
        rows.append(("stopped", "before its last epoch"))
    rows += [("note", note) for note in provenance.notes]
    return rows + sorted(provenance.versions.items())


def _settings(job: Job) -> List[Tuple[str, str]]:
    rows = [
        ("SAGEMAKER_SLIDE", job.slide),
        ("SAGEMAKER_MIN_THROTTLE", job.min_throttle),
        ("SAGEMAKER_FLOOR_THROTTLE", job.floor_throttle),
        ("SAGEMAKER_RECIPE", job.recipe),
        ("SAGEMAKER_CAMERA", dict(job.camera._asdict()) if job.recipe == ROBUST else None),
        ("SAGEMAKER_TURNING_RADIUS_M", job.turning_radius_m),
        ("SAGEMAKER_SEED", job.seed),
        ("TRAIN_FILTER", "set by the car" if job.config.get("TRAIN_FILTER") else None),
    ]
    rows += [(name, job.config[name]) for name in CONFIG_NAMES if name in job.config]
    return [(name, str(value)) for name, value in rows]


def _pictures(compared: Compared, places: Sequence[int], job: Job, show: Callable[[Any], np.ndarray]) -> str:
    figures = []
    for place in places:
        example = compared.examples[place]
        record = example.records[-1]
        driven, predicted = compared.driven[place], compared.predicted[place]
        lines = [(driven[ANGLE], DRIVEN), (predicted[ANGLE], PREDICTED)]
        where = f"record {record.index} of {job.tub_paths.get(record.tub, record.tub)}"
        steering = _both(driven[ANGLE], predicted[ANGLE])
        throttle = _both(driven[THROTTLE], predicted[THROTTLE])
        caption = f"steering {steering}<br>throttle {throttle}<br>{escape(where)}"
        figures.append(_figure(show(example), lines, alt=where, caption=caption))
    return f'<div class="pictures">{"".join(figures)}</div>'


def _show_views(views: Sequence[Tuple[np.ndarray, float, str]]) -> str:
    figures = [
        _figure(picture, [(angle, DRIVEN)], alt=where, caption=f"{escape(where)}<br>steering {angle:+.2f}")
        for picture, angle, where in views
    ]
    return f'<div class="pictures">{"".join(figures)}</div>'


def _figure(picture: np.ndarray, lines: Sequence[Tuple[float, str]], *, alt: str, caption: str) -> str:
    """A picture with lines of steering and a caption, which is markup."""
    file = io.BytesIO()
    draw_steering(picture, lines).save(file, format="JPEG", quality=70)
    drawn = image(file.getvalue(), kind="jpeg", alt=alt)
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _both(driven: float, predicted: float) -> str:
    return f'<span class="driven">{driven:+.2f}</span> <span class="predicted">{predicted:+.2f}</span>'


def _chart(png: Optional[bytes], alt: str) -> str:
    if png is None:
        return paragraph(f"{alt}: no chart, because the trainer's Python has no matplotlib.")
    return f'<div class="chart">{image(png, kind="png", alt=alt)}</div>'
