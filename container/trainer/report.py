"""The report that comes with every model: how it learned, where it is wrong, and what it was trained on."""

import io
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from donkey_sagemaker.contract import REPORT_CAR_MARK, ROBUST
from donkey_sagemaker.page import (
    box,
    cards,
    count_card,
    escape,
    figure,
    film,
    format_steering,
    image,
    make_page,
    paragraph,
    section,
    table,
)

from .artifact import CONFIG_NAMES
from .captions import (
    constant_error,
    describe_commands,
    describe_dots,
    describe_losses,
    describe_spread,
    describe_steering,
    describe_stretch,
)
from .fit import Fitted
from .job import Job
from .pictures import draw_steering
from .plot import make_histograms, plot_histograms, plot_scatter, plot_stretch
from .replay import make_replay
from .review import ANGLE, THROTTLE, Compared, Review

_BOTH_LINES = (
    "<p>The pictures as the model sees them. The solid line shows the steering of the "
    '<span class="driven">driver</span>, the dashed line the <span class="predicted">model</span>\'s.</p>'
)
_VIEWS_TEXT = (
    "<p>The robust recipe also trains on what the car would see from beside its line, with the steering that "
    "leads back. If the car's camera sees something else from there, correct SAGEMAKER_CAMERA.</p>"
)
_TRIED_TEXT = (
    "<p>All trials began, the best ones were trained for longer, and the first one here to the end. The "
    "figures are those of the trials, from a short drive along the tub.</p>"
)
# What good looks like, beside each figure; docs/judging.md has the measurements behind the numbers
_GOOD_LOSSES = "both curves fall, and both have become flat. If only training falls, record more."
_GOOD_DOTS = "the dots lie along the line. In a flat cloud, the model always does the same."
_GOOD_SPREAD = "the model's varies by more than half as much as the driver's."
_GOOD_STRETCH = (
    "both curves run together. If one is the other moved to the side, the commands are late: set "
    'SAGEMAKER_SLIDE = "auto".'
)
_GOOD_WORST = "the model is right, and the driver was wrong. Delete such records."
_GOOD_TYPICAL = "both lines point the same way."
_GOOD_COMMANDS = "about as much to the left as to the right, with many values between straight and full."
_GOOD_CONSTANT_SHARE = 3  # complete trainings are off by 0.2 to 0.3 of what the best constant is


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
    verdict: Optional[Mapping[str, str]] = None,
    driving: str = "",
) -> str:
    """The page, smaller than 3 MB.

    Args:
        loss: the loss curve as PNG; None without matplotlib.
        show: an example -> its picture as the net sees it, (height, width, depth) uint8.
        views: of the robust recipe: picture, steering, and where it is from.
        verdict: level, sentence and advice, as in artifact.json.
        driving: the section about the drive along the tub, from driving_section; empty without one.
    """
    compared = reviewed.validation
    return make_page(
        f"{job.name} ({job.model_type})",
        f"<h1>{escape(job.name)}</h1>",
        paragraph(f"A donkeycar model of type {job.model_type}."),
        *describe_verdict(verdict),
        cards(_figures(fitted, provenance, compared)),
        REPORT_CAR_MARK,
        driving,
        section(
            "How it learned",
            _chart(loss, describe_losses(fitted.history, best_epoch=fitted.best_epoch), good=_GOOD_LOSSES),
        ),
        section(
            "Where it differs from the driver",
            paragraph(f"On {len(compared.examples)} pictures that it was not trained on:"),
            _chart(plot_scatter(compared), describe_dots(compared), good=_GOOD_DOTS),
            paragraph(f"{describe_spread(compared)}. Good: {_GOOD_SPREAD}"),
        ),
        section("The worst stretch", *_show_stretch(reviewed.stretch, job, show)),
        section(
            "The worst pictures",
            _BOTH_LINES,
            _good(_GOOD_WORST),
            _pictures(compared, reviewed.worst, job, show),
        ),
        section(
            "Typical pictures",
            _BOTH_LINES,
            _good(_GOOD_TYPICAL),
            _pictures(compared, reviewed.typical, job, show),
        ),
        section(
            "What it learned from",
            _chart(
                _plot_commands(provenance.examples, job),
                describe_commands(provenance.examples),
                good=_GOOD_COMMANDS,
            ),
            table(provenance.tubs, head=("tub", "good records", "deleted")),
            "<h3>Left out</h3>",
            table(sorted(provenance.left_out.items())) if provenance.left_out else paragraph("Nothing."),
        ),
        *([section("The same place from beside the line", _VIEWS_TEXT, _show_views(views))] if views else []),
        *([section("Settings that were tried", _TRIED_TEXT, _show_tried(job.tried))] if job.tried else []),
        section(
            "How it was made",
            table(_environment(fitted, provenance)),
            "<h3>Settings</h3>",
            table(_settings(job)),
        ),
    )


def describe_verdict(verdict: Optional[Mapping[str, str]]) -> List[str]:
    """The place for it, at the top of the page; nothing without one."""
    return [box(verdict["level"], verdict["sentence"], verdict["advice"])] if verdict else []


def _figures(fitted: Fitted, provenance: Provenance, compared: Compared) -> List[Sequence[str]]:
    val_loss = fitted.history["val_loss"]
    minutes, seconds = divmod(int(round(fitted.seconds)), 60)
    constant = constant_error(compared)
    return [
        (
            f"{compared.angle_errors.mean():.3f}",
            "mean steering error (steering is -1 to 1)",
            f"Good: below {constant / _GOOD_CONSTANT_SHARE:.3f}, a third of what always steering the same "
            f"would get ({constant:.3f})",
        ),
        (
            f"{val_loss[fitted.best_epoch - 1]:.4f}",
            "validation loss",
            "Good: lower than that of other models of this type, on the same tubs",
        ),
        (
            f"{fitted.best_epoch} of {len(val_loss)}",
            "best epoch",
            "Good: not the last one; otherwise more epochs may help",
        ),
        (
            *count_card(len(provenance.examples), "example", f", {provenance.training} to train"),
            "Good: 3,000 or more",
        ),
        (f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s", "of training"),
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


def _show_tried(tried: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            str(trial["number"]),
            "-" if trial["times_off_per_100_m"] is None else f"{trial['times_off_per_100_m']:.1f}",
            "-" if trial["val_loss"] is None else f"{trial['val_loss']:.4f}",
            str(trial["epochs"]),
            trial["settings"],
        )
        for trial in tried
    ]
    return table(rows, head=("trial", "off the line in 100 m", "validation loss", "epochs", "settings"))


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


def _show_stretch(stretch: Compared, job: Job, show: Callable[[Any], np.ndarray]) -> List[str]:
    described = describe_stretch(stretch)
    parts = [
        paragraph(f"Its steering differs most in {_place_of(stretch, job)}."),
        _chart(plot_stretch(stretch), described, good=_GOOD_STRETCH),
    ]
    replay = make_replay(stretch, show)
    if replay:
        drawn = film(replay.film, still=replay.still, alt=f"The same stretch as a film. {described}")
        legend = (
            'The stretch again: the solid line is the <span class="driven">driver</span>, the dashed one '
            'the <span class="predicted">model</span>.'
        )
        parts.append(
            '<details open=""><summary>Replay</summary>' + figure(drawn, legend, style="chart") + "</details>"
        )
    return parts


def _pictures(compared: Compared, places: Sequence[int], job: Job, show: Callable[[Any], np.ndarray]) -> str:
    figures = []
    for place in places:
        example = compared.examples[place]
        record = example.records[-1]
        driven, predicted = compared.driven[place], compared.predicted[place]
        where = f"record {record.index} of {job.tub_paths.get(record.tub, record.tub)}"
        lines = [
            f'<span class="driven">driver {format_steering(driven[ANGLE])}</span>',
            f'<span class="predicted">model {format_steering(predicted[ANGLE])}</span>',
            f"throttle {driven[THROTTLE]:.2f}, model {predicted[THROTTLE]:.2f}",
            escape(where),
        ]
        drawn = draw_steering(show(example), driven=driven[ANGLE], predicted=predicted[ANGLE])
        alt = describe_steering(driven[ANGLE], predicted[ANGLE])
        figures.append(figure(_jpeg(drawn, alt), "<br>".join(lines)))
    return f'<div class="pictures">{"".join(figures)}</div>'


def _show_views(views: Sequence[Tuple[np.ndarray, float, str]]) -> str:
    figures = []
    for picture, angle, where in views:
        steering = f"steering {format_steering(angle)}"
        drawn = _jpeg(draw_steering(picture, driven=angle), f"Seen from {where}: {steering}.")
        figures.append(figure(drawn, f"{escape(where)}<br>{steering}"))
    return f'<div class="pictures">{"".join(figures)}</div>'


def _jpeg(picture: Image.Image, alt: str) -> str:
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=70)
    return image(file.getvalue(), kind="jpeg", alt=alt)


def _chart(png: Optional[bytes], alt: str, *, good: str) -> str:
    if png is None:
        return paragraph(alt) + paragraph("No chart: the trainer's Python has no matplotlib.") + _good(good)
    return figure(image(png, kind="png", alt=alt), f"Good: {escape(good)}", style="chart painted")


def _good(text: str) -> str:
    return paragraph(f"Good: {text}")
