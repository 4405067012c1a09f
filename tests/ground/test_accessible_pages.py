"""Every page that the project makes, as axe-core judges it: in both modes, on a phone and on a screen."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest

from browser import audit
from donkey_sagemaker import cli
from donkey_sagemaker.car.check import Checked
from donkey_sagemaker.car.job import Bill
from donkey_sagemaker.car.runtime import Runtime
from donkey_sagemaker.page import make_page
from donkey_sagemaker.training.report import complete_report
from job_factory import make_job

WIDTHS = (390, 1280)


def add_models(car: Path) -> None:
    """A pilot database as donkeycar writes it, and a report."""
    (car / "models").mkdir()
    pilots = [
        {
            "Name": f"pilot {number}",
            "Number": number,
            "Type": "linear",
            "Tubs": "data, " + "more_" * 30,
            "Time": 1.7e9 + number,
            "Comment": "wet",
            "Transfer": None,
            "History": {"loss": [0.6, 0.3], "val_loss": [0.5, 0.2 + number / 100]},
        }
        for number in range(8)
    ]
    (car / "models" / "database.json").write_text(json.dumps(pilots))
    (car / "models" / "pilot 0.html").write_text("")


def make_report(path: Path) -> str:
    """The report of a real training, with the part of the car."""
    complete_report(
        str(path),
        make_job(),
        Runtime("3.11.7", "aarch64", {"donkeycar": "5.3.0"}),
        [Checked("tflite", None, 4.0)],
        bill=Bill(billed_s=240.0, cost_usd=0.0153),
        drive="python manage.py drive --model models/pilot.tflite --type tflite_linear",
        beside=[("validation loss", "0.0061", "0.0123")],
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(drawn_tub: str, request: Any, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, str]:
    pytest.importorskip("tensorflow", reason="the report is of a training")
    car = tmp_path_factory.mktemp("mycar")
    (car / "config.py").write_text("")
    (car / "manage.py").write_text("")
    assert cli.main(["tubs", "--tub", drawn_tub], car_path=str(car)) == 0
    add_models(car)
    assert cli.main(["jobs", "--report", "--local"], car_path=str(car)) == 0
    report = car / "report.html"
    report.write_bytes((request.getfixturevalue("trained_model") / "report.html").read_bytes())
    return {
        "report": make_report(report),
        "models": (car / "models" / "index.html").read_text(encoding="utf-8"),
        "tubs": (car / "tubs.html").read_text(encoding="utf-8"),
    }


# What the check must see: a page's content, and the rule that it breaks in light and in the dark
WRONG = {
    "pale": ('<h1>a</h1><p style="color: #1b9e4b">green on paper</p>', "color-contrast", None),
    "dark": ('<h1>a</h1><p style="color: #0d7a3c">dark green on dark paper</p>', None, "color-contrast"),
    "mute": ('<h1>a</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt", "image-alt"),
    "wide": ('<h1>a</h1><div style="width: 1400px">wide</div>', "too wide", "too wide"),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(chromium: str, pages: Dict[str, str], dark: bool, tmp_path: Path) -> None:
    """Neither in contrast, words for pictures, labels, headings nor landmarks; on wrong pages it does."""
    wrong = {name: make_page(name, markup) for name, (markup, *_) in WRONG.items()}
    faults = audit(chromium, {**pages, **wrong}, widths=WIDTHS, dark=dark, profile=tmp_path / "profile")
    assert [fault for fault in faults if fault.page in pages] == []
    expected = {(name, rules[dark]) for name, (_, *rules) in WRONG.items() if rules[dark]}
    assert {(fault.page, fault.rule) for fault in faults} == expected


def test_every_picture_says_what_it_shows(pages: Dict[str, str]) -> None:
    """Steering, losses or commands, in words; not only which record it is."""
    alts: List[str] = re.findall(' alt="([^"]*)"', pages["report"] + pages["tubs"])
    assert len(alts) >= 8  # of four charts, a replay, and pictures
    words = r"the driver steers|The driver steers|The driver's steering varies|Loss by epoch"
    assert [alt for alt in alts if not re.search(words, alt.replace("&#x27;", "'"))] == []
