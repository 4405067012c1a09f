"""The loss curves of several models in one chart, by matplotlib where this Python has it."""

import io
import math
import warnings
from typing import List, Optional, Sequence

from .job import INSTALLED
from .model_history import KEPT, Model

MOST_LINES = 8
# Distinguishable with every kind of colour vision (Okabe and Ito, the light ones darkened)
COLOURS = ("#0072b2", "#b84a00", "#00755a", "#a3458a", "#7d6100", "#2b86b8", "#444444", "#000000")
_DASHES = ("-", "--", "-.", ":")
_STEEP = 6  # times the best loss of the worst model: higher losses, of first epochs, are cut off
_LEAST_GAP = 0.065  # of the chart's height, between two labels
_LONGEST = 22  # letters of a label


def chart_losses(models: Sequence[Model]) -> Optional[bytes]:
    """A PNG with a line for each model, its name at the line's end; None without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return None
    figure = Figure(figsize=(5.0, 3.8), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes([0.14, 0.14, 0.47, 0.82])
    top = min(
        max(loss for model in models for loss in model.val_loss if math.isfinite(loss)),
        _STEEP * max(model.best for model in models if math.isfinite(model.best)),
    )
    top = 1.05 * top if 0 < top < math.inf else 1.0
    last = max(len(model.val_loss) for model in models)
    heights = spread_labels([_end_of(model) / top for model in models])
    for number, model in enumerate(models):
        colour = COLOURS[number % len(COLOURS)]
        epochs = range(1, len(model.val_loss) + 1)
        losses = [min(loss, 2 * top) if math.isfinite(loss) else math.nan for loss in model.val_loss]
        axes.plot(
            epochs,
            losses,
            _DASHES[number % len(_DASHES)],
            color=colour,
            linewidth=1.6,
            marker=".",
            markersize=4,
        )
        axes.annotate(
            plain(label_of(model)) + f" {model.best:.4f}",
            xy=(len(losses), _end_of(model)),
            xytext=(1.03, heights[number]),
            textcoords="axes fraction",
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (0, 0.5)},
        )
    axes.set_xlim(1, max(last, 2))
    axes.set_ylim(0, top)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True, axis="y", linewidth=0.4)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font lacks
        figure.savefig(file, format="png")
    return file.getvalue()


def spread_labels(heights: Sequence[float]) -> List[float]:
    """The heights, from 0 to 1, moved apart so that no label covers another."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    spread = [min(1.0, max(0.0, height)) for height in heights]
    for below, above in zip(order, order[1:]):
        spread[above] = max(spread[above], spread[below] + _LEAST_GAP)
    ceiling = 1.0
    for place in order[::-1]:
        spread[place] = min(spread[place], ceiling)
        ceiling = spread[place] - _LEAST_GAP
    return spread


def label_of(model: Model) -> str:
    """Its name, with its state if it is neither installed nor kept."""
    return model.name if model.state in (INSTALLED, KEPT) else f"{model.name} ({model.state})"


def plain(text: str) -> str:
    """Short, and without what matplotlib reads as mathematics; the end of a name says most."""
    text = "".join(each if each.isprintable() else "?" for each in text)
    return (text if len(text) <= _LONGEST else "..." + text[3 - _LONGEST :]).replace("$", r"\$")


def _end_of(model: Model) -> float:
    """Where its line ends."""
    finite = [loss for loss in model.val_loss if math.isfinite(loss)]
    return finite[-1] if finite else 0.0
