"""The page of all models of a car."""

import json
import math
import re
from pathlib import Path
from typing import Any, Dict

import pytest

from browser import look_at
from donkey_sagemaker import cli
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.model_history import Model, find_models
from donkey_sagemaker.car.models_page import colour_of, draw_losses, make_models_page, style_of

EVIL = "<script>x</script>"
LEDGER_ENTRY = {
    "job": "donkey-b-1",
    "state": "installed",
    "backend": "aws",
    "bucket": "b",
    "prefix": "p",
    "started": 1700000000.0,
    "model_type": "linear",
    "base": "/car/models/b.h5",
    "models": [["", "hdf5"]],
    "tubs": ["/car/data"],
    "transfer": "models/a.h5",
    "comment": "dry",
    "val_loss": 0.1,
    "cost_usd": 0.0153,
}


def entry(name: Any, **more: Any) -> Any:
    known: Dict[str, Any] = {
        "Name": name,
        "Type": "linear",
        "Tubs": "data",
        "Time": 1600000000.0,
        "Comment": None,
    }
    known.update({"History": {"val_loss": [0.4, 0.2]}, "Transfer": None})
    return dict(known, **more)


@pytest.fixture
def car(tmp_path: Path) -> Car:
    (tmp_path / "config.py").write_text("")
    (tmp_path / "manage.py").write_text("")
    (tmp_path / "models").mkdir()
    return open_car(str(tmp_path), flags={"backend": "local"}, myconfig="myconfig.py")


def write(car: Car, name: str, value: Any) -> None:
    path = Path(car.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_a_training_whose_model_was_kept_aside_describes_no_other_model(car: Car) -> None:
    """The model of that name in the models folder is from an earlier training."""
    write(car, "models/b.history.json", {"val_loss": [0.3, 0.1]})
    write(car, ".sagemaker/jobs/donkey-b-1.json", LEDGER_ENTRY)
    kept = dict(LEDGER_ENTRY, job="donkey-b-2", state="kept aside", started=1800000000.0, comment="wet")
    write(car, ".sagemaker/jobs/donkey-b-2.json", kept)
    (model,) = find_models(car)
    assert dict(model.details)["comment"] == "dry" and model.trained == 1700000000.0


def test_models_come_from_every_source(car: Car) -> None:
    """The pilot database; where there is none, as on donkeycar 2, the ledger and the history."""
    write(
        car, "models/database.json", [entry("a"), entry("a", Type="older"), entry("no history", History={})]
    )
    write(car, "models/b.history.json", {"val_loss": [0.3, 0.1]})
    write(car, ".sagemaker/jobs/donkey-b-1.json", LEDGER_ENTRY)
    second, first = find_models(car)
    assert (first.name, first.val_loss, first.best) == ("a", [0.4, 0.2], 0.2)
    assert [pair for pair in first.details if pair[0] != "trained"] == [
        ("type", "linear"),
        ("data", "data"),
        ("epochs", "2"),
    ]
    assert (second.name, second.val_loss) == ("b", [0.3, 0.1])
    assert [pair for pair in second.details if pair[0] != "trained"] == [
        ("type", "linear"),
        ("data", "/car/data"),
        ("comment", "dry"),
        ("started from", "a.h5"),
        ("cost", "0.015 USD"),
        ("epochs", "2"),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"Name": None, "History": None},
        {"Name": ["x"], "History": {"val_loss": "abc"}},
        {"Name": "../../x", "History": {"val_loss": [None, {}, "1"]}},
        {"Name": "x", "History": {"val_loss": [True, 1e999]}, "Time": "yesterday"},
        {"Name": "x", "History": {"val_loss": [math.nan, 0.5]}, "Time": 1e300, "Tubs": 7, "Comment": EVIL},
    ],
)
def test_what_others_wrote_is_used_as_far_as_possible(car: Car, odd: Any) -> None:
    """The database is read by donkeycar and by people; nothing in it stops the page."""
    write(car, "models/database.json", [entry("a"), odd])
    write(car, "models/x.history.json", ["nothing"])
    names = [model.name for model in find_models(car)]
    assert "a" in names
    assert EVIL not in make_models_page("car", find_models(car), files=[])


def test_the_page_is_written_and_its_place_printed(car: Car, capsys: "pytest.CaptureFixture[str]") -> None:
    """Without asking AWS, and with a link to each report that exists. `jobs --report` is the old spelling."""
    write(car, "models/database.json", [entry("a b"), entry("c")])
    write(car, "models/a b.html", "")
    for words in (["models"], ["jobs", "--report"], ["jobs", "--report", "--local"]):
        assert cli.main(words, car_path=car.path) == 0
        assert capsys.readouterr().out == "2 models: models/index.html\n"
    page = Path(car.path, "models", "index.html").read_text(encoding="utf-8")
    assert re.findall('<a href="([^"]*)">', page) == ["a%20b.html"]


def test_a_car_without_models(car: Car, capsys: "pytest.CaptureFixture[str]") -> None:
    """The error says how to get one; no empty page is written."""
    assert cli.main(["models"], car_path=car.path) == 2
    assert capsys.readouterr().err == (
        "There is no model with a history in models.\nTrain one: `python manage.py sagemaker-train`.\n"
    )


def test_curves_lie_where_their_losses_are() -> None:
    """Zero at the bottom, the first epoch at the left; one far too high is cut off at the top."""
    models = [Model("a", [], 2.0, [0.6, 0.1]), Model("b", [], 1.0, [99.0, 0.3, math.nan, 0.2])]
    second, first = re.findall('points="([^"]*)"', draw_losses(models))
    assert first == "44.0,117.0 160.0,207.8"
    assert second == "44.0,8.0 160.0,171.5 392.0,189.7"


def test_losses_beside_the_chart_are_round() -> None:
    """Read at a glance, from zero up to what the chart has room for, each with its line."""

    def chart(*losses: float) -> str:
        return draw_losses([Model("a", [], 1.0, list(losses))])

    def numbers(*losses: float) -> Any:
        return re.findall('text-anchor="end">([^<]*)<', chart(*losses))

    assert numbers(0.212, 0.1) == ["0", "0.1", "0.2"]
    assert numbers(0.41, 0.1) == ["0", "0.2", "0.4"]
    assert numbers(1.3, 0.5) == ["0", "0.5", "1"]
    assert numbers(8.0, 2.0) == ["0", "2", "4", "6", "8"]
    assert numbers(0.0) == ["0"]
    assert re.findall(r'<path class="rule" d="M44 ([\d.]+)H', chart(0.4, 0.1)) == [
        "226.0",
        "171.5",
        "117.0",
        "62.5",
        "8.0",
    ]


def test_models_stay_apart_when_colours_run_out() -> None:
    """Colour and dashes together repeat late, each dot has the model's number, and the name has all three."""
    looks = [(colour_of(number), style_of(number)) for number in range(18)]
    assert len(set(looks)) == 18
    assert all(one != other for pair in zip(looks, looks[1:]) for one, other in zip(*pair))
    page = make_models_page("car", [Model(str(n), [], 1.0, [0.5, 0.2]) for n in range(18)], files=[])
    assert page.count('stroke-dasharray="8 4"') == page.count('stroke-dasharray="2 3"') == 6
    for number, (colour, style) in enumerate(looks, start=1):
        assert f'<span class="swatch {colour}" style="border-top: .2em {style}"></span>' in page
        assert f'text-anchor="middle">{number}</text>' in page and f"<h2>{number}. " in page


def test_the_page_in_a_browser(chromium: str, tmp_path: Path) -> None:
    """On a phone: no error, and nothing is wider than the screen."""
    models = [Model(EVIL * 9, [("data", "x" * 300), ("comment", EVIL)], 1.0, [0.5, 0.2]) for _ in range(9)]
    (tmp_path / "index.html").write_text(make_models_page("car", models, files=[EVIL * 9 + ".html"]))
    seen = look_at(chromium, tmp_path / "index.html", width=360)
    assert seen.errors == [] and seen.width <= 360 and seen.text.count("0.2000") == 10


@pytest.mark.parametrize("loss", [5e-324, 2e-323, 1e-320, 1e300, -1.0, 0.0])
def test_losses_of_every_size_are_drawn(loss: float) -> None:
    """Also those that no training has."""
    assert "<polyline" in draw_losses([Model("a", [], 0.0, [loss, 0.0])])


def test_a_name_that_has_no_letters(car: Car) -> None:
    """It comes from a database that anybody may have written."""
    write(car, "models/database.json", [entry("\ud800", Comment="\udcff")])
    assert cli.main(["models"], car_path=car.path) == 0
