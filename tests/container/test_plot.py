"""The report's charts."""

import io
import sys
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from trainer import plot  # noqa: E402
from trainer.review import Compared  # noqa: E402

HISTORY = {"loss": [0.5, 0.2], "val_loss": [0.4, 0.3]}
COMPARED = Compared(
    [SimpleNamespace(records=[SimpleNamespace(index=index)]) for index in range(9000)],
    np.random.RandomState(1).uniform(-1, 1, (9000, 2)),
    np.random.RandomState(2).uniform(-1, 1, (9000, 2)),
)
CHARTS = {
    "loss": lambda: plot.plot_loss(HISTORY, best_epoch=2, title="a_b $x_{y$ \\frac"),
    "scatter": lambda: plot.plot_scatter(COMPARED),
    "stretch": lambda: plot.plot_stretch(COMPARED),
    "histograms": lambda: plot.plot_histograms(
        [("_tub $", np.array([0.1, -0.2])), ("b", np.array([-3.0]))], [("_tub $", np.array([0.5]))]
    ),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_a_picture_of_800_pixels(chart):
    """Whatever the names of tubs and models mean to matplotlib."""
    pytest.importorskip("matplotlib")
    with Image.open(io.BytesIO(CHARTS[chart]())) as picture:
        assert picture.format == "PNG" and picture.width == 800
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


@pytest.mark.parametrize("chart", CHARTS)
def test_without_matplotlib_there_is_no_chart(chart, monkeypatch):
    """donkeycar 2 does not require it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert CHARTS[chart]() is None


def test_small_tubs_share_a_line():
    """The seven largest tubs have their own, all others one together."""
    values = {f"tub{number}": [0.1] * (number + 1) for number in range(12)}
    made = plot.make_histograms(values)
    assert [name for name, _ in made] == [f"tub{n}" for n in range(11, 4, -1)] + ["5 others"]
    assert sum(len(values) for _, values in made) == 78 and len(made[-1][1]) == 15
