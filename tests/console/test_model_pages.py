"""All models, one of them, and two side by side."""

from pathlib import Path
from typing import Any

import pytest

from donkey_sagemaker.car.backups import backup_folder
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.job import INSTALLED, KEPT_ASIDE
from donkey_sagemaker.car.model_history import KEPT, REPLACED, Model
from donkey_sagemaker.car.model_swap import install_files
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.model_pages import NoModel, find_named, show_comparison, show_model, show_models
from donkey_sagemaker.console.runs import Runs
from donkey_sagemaker.verdict import GOOD, Verdict

FORMS = Forms("key")


def model_of(name: str, state: str = INSTALLED, **more: Any) -> Model:
    return Model(name, state, trained=1.7e9, val_loss=[0.5, 0.2], best=0.2, epochs=2, **more)


@pytest.fixture
def car(tmp_path: Path) -> Car:
    """A car whose model `pilot` has replaced an earlier version."""
    (tmp_path / "config.py").write_text("")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pilot.h5").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    car = open_car(str(tmp_path), flags={})
    base = str(tmp_path / "models" / "pilot")
    install_files([(str(tmp_path / "new"), base + ".h5")], backup_folder=backup_folder(car, base), keep=3)
    return car


def show(car: Car, model: Model) -> str:
    return "\n".join(show_model(car, FORMS, model, notice=""))


def test_the_list() -> None:
    """Each with its state and verdict, and a box to tick; names may be anything."""
    page = "\n".join(
        show_models([model_of("<a>", verdict=Verdict(GOOD, "", "")), model_of("b", KEPT_ASIDE, job="job-b")])
    )
    assert "good, installed" in page and "kept aside" in page
    assert 'value="&lt;a&gt;"' in page and 'value="job-b"' in page and "<a>" not in page
    assert 'href="/model?name=%3Ca%3E"' in page and "Validation loss by epoch" in page


def test_no_models() -> None:
    """The list is empty in a new car."""
    assert "There is no model yet" in "\n".join(show_models([]))


def test_find_named() -> None:
    """By its job or its name."""
    models = [model_of("a", job="job-a"), model_of("b")]
    assert find_named(models, "job-a") is models[0] and find_named(models, "b") is models[1]
    for name in ("", "c", "../a"):
        with pytest.raises(NoModel):
            find_named(models, name)


def test_an_installed_model(car: Car) -> None:
    """The version before it can be brought back, if one was kept."""
    page = show(car, model_of("pilot", paths=["/models/pilot.html"]))
    assert "Bring the version before it back" in page and 'href="/models/pilot/report"' in page
    assert "Bring the version before it back" not in show(car, model_of("other"))


def test_an_earlier_version(car: Car) -> None:
    """A rollback brings the nearest one back, and only that."""
    assert "Bring it back" in show(car, model_of("pilot~1", KEPT))
    assert "Bring it back" not in show(car, model_of("pilot~2", KEPT))
    assert "<form" not in show(car, model_of("pilot", REPLACED))


def test_a_model_that_was_kept_aside(car: Car) -> None:
    """It can be installed all the same."""
    page = show(car, model_of("pilot", KEPT_ASIDE, job="job-1"))
    assert "Install it anyway" in page and 'name="job" value="job-1"' in page


def test_side_by_side(car: Car) -> None:
    """What is known of both, in two columns; what is known of neither is left out."""
    pair = [model_of("a", steering_error=0.1), model_of("b", steering_error=0.2)]
    page = "\n".join(show_comparison(pair, FORMS, Runs(car), run=None, has_page=False))
    assert ">0.100</td>" in page and ">0.200</td>" in page and "off/100 m" not in page
    assert 'name="one" value="a"' in page and "a, lowest 0.2000; b, lowest 0.2000" in page
