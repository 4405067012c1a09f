"""The charts of the report, among them the loss curve that donkeycar also puts beside a model.

Each is a PNG 800 pixels wide, with text that is readable on a phone; None if this Python has no matplotlib,
which donkeycar 2 does not require.
"""

import io
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.page import DRIVEN, PAPER, PREDICTED

from .review import Compared

DPI = 160
WIDTH_IN = 5.0
OTHER = "#6b6b6b"
STYLES = ("-", "--", "-.", ":")  # a second sign beside the colours
MOST_LINES = 8  # of a histogram; the smallest tubs share the last one
MOST_DOTS = 4000

Histogram = Tuple[str, np.ndarray]  # a tub's name and its values


def plot_loss(history: Dict[str, List[float]], *, best_epoch: int, title: str) -> Optional[bytes]:
    """Training and validation loss by epoch, with the best epoch marked."""
    figure = _make_figure(3.4)
    if figure is None:
        return None
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(history["loss"]) + 1)
    axes = figure.subplots()
    axes.plot(epochs, history["loss"], "s--", color=OTHER, markersize=4, label="training")
    axes.plot(epochs, history["val_loss"], "o-", color=PREDICTED, markersize=4, label="validation")
    best = history["val_loss"][best_epoch - 1]
    axes.plot([best_epoch], [best], "D", color="black", label=f"best: {best:.4f} in epoch {best_epoch}")
    axes.set_title(_plain(title))
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return _png(figure)


def plot_histograms(angles: Sequence[Histogram], throttles: Sequence[Histogram]) -> Optional[bytes]:
    """How often the driver gave each command, with one line per tub."""
    figure = _make_figure(5.4)
    if figure is None:
        return None
    both = figure.subplots(2, 1)
    for axes, histograms, name, low in (
        (both[0], angles, "steering", -1.0),
        (both[1], throttles, "throttle", 0.0),
    ):
        low = min([low] + [float(values.min()) for _, values in histograms])
        high = max([1.0] + [float(values.max()) for _, values in histograms])
        for number, (tub, values) in enumerate(histograms):
            style = STYLES[number % len(STYLES)]
            axes.hist(
                values,
                bins=41,
                range=(low, high),
                histtype="step",
                linewidth=1.5,
                linestyle=style,
                label=_plain(tub),
            )
        axes.set_xlabel(name)
        axes.set_ylabel("records")
    both[0].set_title("The driver's commands")
    if len(angles) > 1:
        both[0].legend(fontsize=8)
    return _png(figure)


def plot_scatter(compared: Compared) -> Optional[bytes]:
    """Predicted against driven steering and throttle, one dot per picture; on the line they are equal."""
    figure = _make_figure(3.0)
    if figure is None:
        return None
    both = figure.subplots(1, 2)
    every = -(-len(compared.driven) // MOST_DOTS)
    for column, (axes, name) in enumerate(zip(both, ("steering", "throttle"))):
        driven, predicted = compared.driven[::every, column], compared.predicted[::every, column]
        ends = [min(driven.min(), predicted.min()), max(driven.max(), predicted.max())]
        axes.plot(ends, ends, color="black", linewidth=1, label="the same")
        axes.plot(driven, predicted, ".", color=PREDICTED, markersize=3, alpha=0.5)
        axes.set_xlabel("driver")
        axes.set_title(name)
    both[0].set_ylabel("model")
    both[0].legend(fontsize=8)
    return _png(figure)


def plot_stretch(compared: Compared) -> Optional[bytes]:
    """Driven and predicted commands along a stretch of the drive, steering above throttle."""
    figure = _make_figure(4.6)
    if figure is None:
        return None
    both = figure.subplots(2, 1, sharex=True)
    indexes = [example.records[-1].index for example in compared.examples]
    for column, (axes, name) in enumerate(zip(both, ("steering (- left, + right)", "throttle"))):
        axes.plot(indexes, compared.driven[:, column], "-", color=DRIVEN, label="driver")
        axes.plot(indexes, compared.predicted[:, column], "--", color=PREDICTED, label="model")
        axes.set_ylabel(name)
    both[0].legend()
    both[1].set_xlabel("record")
    return _png(figure)


def make_histograms(values_by_tub: Dict[str, List[float]]) -> List[Histogram]:
    """The values of the largest tubs by name, and those of all others together."""
    largest_first = sorted(values_by_tub.items(), key=lambda item: -len(item[1]))
    if len(largest_first) > MOST_LINES:
        others = [value for _, values in largest_first[MOST_LINES - 1 :] for value in values]
        count = len(largest_first) - MOST_LINES + 1
        largest_first = largest_first[: MOST_LINES - 1] + [(f"{count} others", others)]
    return [(tub, np.array(values)) for tub, values in largest_first]


def _make_figure(height_in: float) -> Any:
    """Without pyplot, which would keep every figure."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    matplotlib.rcParams.update({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3})
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def _plain(name: str) -> str:
    """A short name without matplotlib's own syntax: $ starts mathematics, and a leading _ hides a line."""
    short = name if len(name) <= 40 else name[:18] + "..." + name[-19:]
    return (" " + short if short.startswith("_") else short).replace("$", "\\$")


def _png(figure: Any) -> bytes:
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor=PAPER)
    return file.getvalue()
