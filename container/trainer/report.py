"""The report that comes with every model: how it learned, where it is wrong, and what it was made from."""

import io
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.contract import REPORT_CAR_MARK
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

from .fit import Fitted
from .job import Job
from .pictures import draw_steering
from .plot import make_histograms, plot_histograms, plot_scatter, plot_stretch
from .review import ANGLE, THROTTLE, Compared, Review

# What of the car's config changes a model; secrets are none of it.
CONFIG_NAMES = (
    "IMAGE_W IMAGE_H IMAGE_DEPTH TRANSFORMATIONS POST_TRANSFORMATIONS AUGMENTATIONS AUG_BRIGHTNESS_RANGE "
    "AUG_BLUR_RANGE ROI_CROP_TOP ROI_CROP_BOTTOM ROI_CROP_LEFT ROI_CROP_RIGHT TRAIN_TEST_SPLIT BATCH_SIZE "
    "MAX_EPOCHS USE_EARLY_STOP EARLY_STOP_PATIENCE MIN_DELTA OPTIMIZER LEARNING_RATE LEARNING_RATE_DECAY "
    "FREEZE_LAYERS SEQUENCE_LENGTH MODEL_CATEGORICAL_MAX_THROTTLE_RANGE"
).split()

_BOTH_LINES = (
    '<p>As the model sees them, with the steering of the <span class="driven">driver</span> and that of the '
    '<span class="predicted">model</span>.</p>'
)


class TubUsed(NamedTuple):
    path: str  # as the user knows it
    records: int  # good ones
    deleted: int


class Made(NamedTuple):
    """How a model came to be, beside what it learned."""

    examples: Sequence[Any]  # train.Example, all of them
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
    made: Made,
    *,
    loss: Optional[bytes],
    show: Callable[[Any], np.ndarray],
) -> str:
    """The page, below 2 MB.

    Args:
        loss: the loss curve as PNG, None where there is no matplotlib.
        show: an example -> its picture as the net sees it, (height, width, depth) uint8.
    """
    compared = reviewed.validation
    return make_page(
        f"{job.name} ({job.model_type})",
        f"<h1>{escape(job.name)}</h1>",
        paragraph(f"A donkeycar model of type {job.model_type}."),
        cards(_figures(fitted, made, compared)),
        REPORT_CAR_MARK,
        section("How it learned", _chart(loss, "Loss by epoch")),
        section(
            "Where it differs from the driver",
            paragraph(f"On {len(compared.examples)} pictures that it was not trained on:"),
            _chart(plot_scatter(compared), "Predicted against driven steering and throttle"),
            paragraph(f"Where its steering differs most: {_place_of(reviewed.stretch, job)}."),
            _chart(plot_stretch(reviewed.stretch), "Driven and predicted along the worst stretch"),
        ),
        section("The worst pictures", _BOTH_LINES, _pictures(compared, reviewed.worst, job, show)),
        section("Typical pictures", _BOTH_LINES, _pictures(compared, reviewed.typical, job, show)),
        section(
            "What it learned from",
            _chart(_plot_commands(made.examples, job), "How often which steering and throttle was driven"),
            table(made.tubs, head=("tub", "good records", "deleted")),
            "<h3>Left out</h3>",
            table(sorted(made.left_out.items())) if made.left_out else paragraph("Nothing."),
        ),
        section("How it was made", table(_making(fitted, made)), "<h3>Settings</h3>", table(_settings(job))),
    )


def _figures(fitted: Fitted, made: Made, compared: Compared) -> List[Tuple[str, str]]:
    val_loss = fitted.history["val_loss"]
    minutes, seconds = divmod(int(round(fitted.seconds)), 60)
    return [
        (f"{val_loss[fitted.best_epoch - 1]:.4f}", "validation loss, lowest is best"),
        (f"{compared.angle_errors.mean():.3f}", "mean steering error, of -1 to 1"),
        (f"{fitted.best_epoch} of {len(val_loss)}", "best epoch"),
        (str(len(made.examples)), f"examples, {made.training} to train"),
        (f"{minutes} min {seconds:02d} s", "training"),
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


def _making(fitted: Fitted, made: Made) -> List[Tuple[str, str]]:
    rows = [
        ("trained on", ", ".join(made.devices)),
        ("pictures a second", f"{fitted.images / max(fitted.seconds, 1e-9):.0f}"),
        ("written as", ", ".join(made.formats)),
    ]
    if fitted.stopped:
        rows.append(("ended", "when it was stopped, before its time"))
    rows += [("note", note) for note in made.notes]
    return rows + sorted(made.versions.items())


def _settings(job: Job) -> List[Tuple[str, str]]:
    rows = [
        ("SAGEMAKER_SLIDE", job.slide),
        ("SAGEMAKER_MIN_THROTTLE", job.min_throttle),
        ("SAGEMAKER_FLOOR_THROTTLE", job.floor_throttle),
        ("SAGEMAKER_SEED", job.seed),
        ("TRAIN_FILTER", "the car's own" if job.config.get("TRAIN_FILTER") else None),
    ]
    rows += [(name, job.config[name]) for name in CONFIG_NAMES if name in job.config]
    return [(name, str(value)) for name, value in rows]


def _pictures(compared: Compared, places: Sequence[int], job: Job, show: Callable[[Any], np.ndarray]) -> str:
    figures = []
    for place in places:
        example = compared.examples[place]
        record = example.records[-1]
        driven, predicted = compared.driven[place], compared.predicted[place]
        drawn = draw_steering(show(example), [(driven[ANGLE], DRIVEN), (predicted[ANGLE], PREDICTED)])
        file = io.BytesIO()
        drawn.save(file, format="JPEG", quality=70)
        where = f"record {record.index} of {job.tub_paths.get(record.tub, record.tub)}"
        figures.append(
            "<figure>{}<figcaption>steering {}<br>throttle {}<br>{}</figcaption></figure>".format(
                image(file.getvalue(), kind="jpeg", alt=where),
                _both(driven[ANGLE], predicted[ANGLE]),
                _both(driven[THROTTLE], predicted[THROTTLE]),
                escape(where),
            )
        )
    return '<div class="pictures">{}</div>'.format("".join(figures))


def _both(driven: float, predicted: float) -> str:
    return f'<span class="driven">{driven:+.2f}</span> <span class="predicted">{predicted:+.2f}</span>'


def _chart(png: Optional[bytes], alt: str) -> str:
    if png is None:
        return paragraph(f"{alt}: not drawn, for the trainer's Python has no matplotlib.")
    return '<div class="chart">{}</div>'.format(image(png, kind="png", alt=alt))
