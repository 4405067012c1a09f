"""The page of all trainings of a car, and the page that compares two."""

import re
from pathlib import Path
from typing import Any, List

import pytest

from browser import look_at
from donkey_sagemaker.car import models_chart
from donkey_sagemaker.car.comparison import Difference
from donkey_sagemaker.car.job import INSTALLED
from donkey_sagemaker.car.model_history import KEPT, Model
from donkey_sagemaker.car.models_chart import MOST_LINES, chart_losses, spread_labels
from donkey_sagemaker.car.models_page import make_comparison_page, make_models_page
from donkey_sagemaker.commands.models import HEAD, describe_row
from donkey_sagemaker.verdict import GOOD, Verdict

EVIL = "<script>x</script>"


def model_of(name: str, **more: Any) -> Model:
    known = {"val_loss": [0.5, 0.2], "best": 0.2, "epochs": 2, "trained": 1700000000.0, "state": INSTALLED}
    return Model(name, **dict(known, **more))  # type: ignore[arg-type]


def page_of(models: List[Model], *, files: Any = ()) -> str:
    return make_models_page(
        "car", models, head=HEAD, rows=[describe_row(each) for each in models], files=files
    )


def orders(page: str) -> List[List[str]]:
    """The names in each of the tables."""
    tables = re.findall('<div class="order by-\\d">(.*?)</div>', page, re.DOTALL)
    return [re.findall("<tr><t[hd][^>]*>(?!model<)(.*?)</t", each) for each in tables]


def test_the_table_has_every_order() -> None:
    """What is not known comes last; the newest come first."""
    models = [
        model_of("b", trained=3.0, best=0.2, steering_error=0.1, ms=9.0, cost_usd=0.3),
        model_of("c", trained=2.0, best=0.1, steering_error=0.3, times_off_per_100_m=0.5),
        model_of("a", trained=1.0, best=0.3, ms=8.0, cost_usd=0.1),
    ]
    assert orders(page_of(models)) == [
        ["b", "c", "a"],
        ["c", "b", "a"],
        ["b", "c", "a"],
        ["c", "b", "a"],
        ["a", "b", "c"],
        ["a", "b", "c"],
        ["a", "b", "c"],
    ]


def test_what_the_page_says_about_each_training() -> None:
    """Its verdict, its data as the owner types it, and a link to the report of an installed one alone."""
    verdict = Verdict(GOOD, "It steers.", "Drive it.")
    models = [
        model_of(
            "a b",
            verdict=verdict,
            tubs=["data", "/home/me/tub_7"],
            comment="wet",
            job="job-1",
            steering_error=0.05,
        ),
        model_of("a b~1", state=KEPT),
    ]
    page = page_of(models, files=["a b.html", "a b~1.html"])
    assert re.findall('<a href="([^"]*)">', page) == ["a%20b.html"]
    for text in (
        "It steers.",
        "Drive it.",
        "data, tub_7",
        "wet",
        "job-1",
        "lowest steering error: a b",
        "0.050",
    ):
        assert text in page


def test_nothing_in_a_name_is_markup() -> None:
    """The database is written by anybody."""
    models = [model_of(EVIL, comment=EVIL, tubs=[EVIL], verdict=Verdict(GOOD, EVIL, EVIL))]
    assert EVIL not in page_of(models, files=[EVIL + ".html"])
    page = make_comparison_page(EVIL, EVIL, [EVIL], [Difference(1, 0.0, 0.1, 0.2, b"")])
    assert EVIL not in page


def test_labels_do_not_cover_one_another() -> None:
    """They are moved apart, inside the chart."""
    assert spread_labels([0.2, 0.8]) == [0.2, 0.8]
    for heights in ([0.5] * 5, [1.0] * MOST_LINES, [0.0, 0.01, 0.99, 2.0]):
        spread = sorted(spread_labels(heights))
        assert all(above - below >= 0.0649 for below, above in zip(spread, spread[1:]))
        assert 0 <= spread[0] and spread[-1] <= 1


@pytest.mark.parametrize("loss", [5e-324, 1e-320, 1e300, -1.0, 0.0, 0.3])
def test_losses_of_every_size_are_drawn(loss: float) -> None:
    """Also those that no training has."""
    pytest.importorskip("matplotlib")
    png = chart_losses([model_of("a $x$ \ud800", val_loss=[loss, float("nan"), 0.0], best=min(loss, 0.0))])
    assert png and png.startswith(b"\x89PNG")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A car may lack it; the table is there."""
    monkeypatch.setattr("donkey_sagemaker.car.models_page.chart_losses", lambda models: None)
    page = page_of([model_of("a")])
    assert "There is no chart, because this Python has no matplotlib." in page and "<img" not in page


def test_more_models_than_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart shows the newest, and says so; one without losses is not drawn."""
    drawn: List[Any] = []
    monkeypatch.setattr(
        "donkey_sagemaker.car.models_page.chart_losses", lambda models: drawn.extend(models) or b"png"
    )
    models = [model_of(str(number)) for number in range(MOST_LINES + 1)] + [model_of("none", val_loss=[])]
    page = page_of(models)
    assert [each.name for each in drawn] == [str(number) for number in range(MOST_LINES)]
    assert f"The chart shows the newest {MOST_LINES} models." in page
    assert models_chart.MOST_LINES <= len(models_chart.COLOURS)


def test_the_page_in_a_browser(chromium: str, tmp_path: Path) -> None:
    """On a phone: no error, nothing is wider than the screen, and one order of the table is shown."""
    models = [
        model_of(EVIL * 9, tubs=["x" * 300], comment=EVIL, job="j" * 63, steering_error=0.12345)
        for _ in range(9)
    ]
    (tmp_path / "index.html").write_text(page_of(models, files=[EVIL * 9 + ".html"]))
    seen = look_at(chromium, tmp_path / "index.html", width=360)
    assert seen.errors == [] and seen.width <= 360
    assert seen.text.count("0.2000") == 9
