"""The report that the trainer writes beside a model."""

import importlib.util
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from browser import look_at

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from donkey_sagemaker.contract import REPORT_CAR_MARK  # noqa: E402
from trainer.fit import Fitted  # noqa: E402
from trainer.job import Job  # noqa: E402
from trainer.plot import plot_loss  # noqa: E402
from trainer.report import Made, TubUsed, make_report  # noqa: E402
from trainer.review import review  # noqa: E402

EVIL = "<script>alert(1)</script>"
HISTORY = {"loss": [0.5, 0.2, 0.1], "val_loss": [0.4, 0.2, 0.3]}
JOB = Job(
    name="pilot" + EVIL,
    model_type="linear",
    models=[],
    transfer_path=None,
    slide=2,
    min_throttle=None,
    floor_throttle=None,
    seed=1,
    tub_paths={"a": "data/" + EVIL},
    config={"BATCH_SIZE": 128, "AWS_KEY": "secret", "TRAIN_FILTER": len, "OPTIMIZER": EVIL},
)


def make_example(index):
    record = SimpleNamespace(
        tub="a" if index < 300 else "b", session="", index=index, angle=np.sin(index / 20), throttle=0.4
    )
    return SimpleNamespace(records=[record])


def make_page(*, loss, noise=False, depth=3):
    examples = [make_example(index) for index in range(500)]
    made = Made(
        examples=examples,
        training=400,
        left_out={"deleted": 3, EVIL: 1},
        tubs=[TubUsed("data/" + EVIL, 300, 3), TubUsed("b", 200, 0)],
        formats=["savedmodel", "tflite"],
        notes=[EVIL],
        versions={"python": "3.11", "donkeycar": "5.3.0"},
        devices=["CPU, 2 cores"],
    )
    reviewed = review(
        examples,
        examples[::2],
        predict=lambda chosen: np.array([(np.sin(e.records[0].index / 25), 0.5) for e in chosen]),
    )
    random = np.random.RandomState(1)
    return make_report(
        JOB,
        Fitted(HISTORY, best_epoch=2, seconds=83.0, images=1200, stopped=True),
        reviewed,
        made,
        loss=loss,
        show=lambda example: random.randint(0, 256 if noise else 30, (120, 160, depth)).astype(np.uint8),
    )


@pytest.fixture(scope="module")
def page():
    return make_page(loss=plot_loss(HISTORY, best_epoch=2, title=JOB.name))


def test_what_the_page_tells(page):
    """Losses, errors, places, data, settings and how it was made; nothing of the car's secrets."""
    text = re.sub(r"<[^>]*>", " ", page)
    for words in (
        "0.2000 validation loss",
        "2 of 3 best epoch",
        "500 examples, 400 to train",
        "1 min 23 s training",
        "On 250 pictures that it was not trained on",
        "300 3",
        "deleted 3",
        "SAGEMAKER_SLIDE 2",
        "SAGEMAKER_MIN_THROTTLE None",
        "TRAIN_FILTER the car's own",
        "BATCH_SIZE 128",
        "pictures a second 14",
        "written as savedmodel, tflite",
        "donkeycar 5.3.0",
        "trained on CPU, 2 cores",
        "ended when it was stopped, before its time",
    ):
        assert words.replace("'", "&#x27;") in re.sub(r"\s+", " ", text)
    assert "secret" not in page
    assert page.count(REPORT_CAR_MARK) == 1


def test_the_first_training_tells_of_its_parts(page, repo_path):
    """docs/first-training.md names them as the page does; the car adds its own."""
    with open(os.path.join(repo_path, "docs", "first-training.md"), encoding="utf-8") as file:
        parts = re.findall(r"^\| ([A-Z][^|]*) \|", file.read(), re.MULTILINE)
    assert len(parts) == 5
    titles = re.findall("<h2>([^<]*)</h2>", page) + ["On this car"]
    assert set(parts) - set(titles) == set()


def test_nothing_in_it_is_markup_of_somebody_elses(page):
    """Names of models and tubs, reasons, notes and settings are text."""
    assert "<script" not in page and page.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("depth", [1, 3])
def test_the_page_stays_below_two_megabytes(depth):
    """Even of pictures that no JPEG can make small."""
    loss = plot_loss(HISTORY, best_epoch=2, title="pilot")
    assert 200_000 < len(make_page(loss=loss, noise=True, depth=depth)) < 2_000_000


def test_without_matplotlib_there_are_pictures_but_no_charts(monkeypatch):
    """And it says why."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = make_page(loss=None)
    assert page.count("not drawn, for the trainer&#x27;s Python has no matplotlib.") == 4
    assert "image/png" not in page and page.count("image/jpeg") == 24


def test_the_page_in_a_browser(page, chromium, tmp_path):
    """On a phone: all pictures drawn, nothing to complain of, nothing wider than it, letters to read."""
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    seen = look_at(chromium, tmp_path / "report.html", width=360)
    assert seen.errors == [] and seen.broken == 0
    assert seen.pictures == 24 + (4 if "image/png" in page else 0)
    assert seen.width <= 360 and seen.smallest >= 12
    assert "The worst pictures" in seen.text and EVIL in seen.text


def test_every_type_is_reviewed_as_its_pilot_decides(repo_path, tmp_path):
    """Whatever a net's outputs are, the report compares the angle and throttle that the car would get."""
    pytest.importorskip("donkeycar.pipeline", reason="donkeycar 2 has two types")
    from trainer.pilots import make_pilot

    from donkey_sagemaker.contract import TYPES
    from donkey_sagemaker.tubs.files import FolderFiles
    from donkey_sagemaker.tubs.reader import read_tub
    from test_trainer import CONFIG
    from trainer.reading import load_inputs
    from trainer.review import predict
    from trainer.train import gather_material, make_feed, show_picture

    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    tub = str(tmp_path / "data")
    subprocess.check_call([sys.executable, draw, "--out", tub, "--records", "24", "--extras"])
    for model_type in TYPES:
        job = JOB._replace(model_type=model_type, config=CONFIG, slide=0)
        pilot = make_pilot(model_type, CONFIG)
        material = gather_material(pilot, load_inputs(job, {"tub": read_tub(FolderFiles(tub), name="tub")}))
        chosen = material.examples[:4]
        commands = predict(pilot, make_feed(pilot, chosen, material.store, job, seed=None))
        assert commands.shape == (4, 2), model_type
        for example, predicted in zip(chosen, commands):
            if model_type in ("memory", "rnn", "3d"):  # these remember what they drove
                continue
            others = [example.inputs[name] for name in pilot.drive_inputs(example.inputs)]
            _, driven = pilot.drive(show_picture(pilot, material.store, example), others)
            np.testing.assert_allclose(predicted, driven[:2], atol=1e-4)


def test_pilots_of_donkeycar_2_decide_as_they_drive():
    """Their own code makes the commands, of whatever the net has said."""
    if importlib.util.find_spec("donkeycar.pipeline"):
        pytest.skip("later pilots have a function for it")
    pilots = pytest.importorskip("trainer.classic_pilot")
    for model_type in pilots.ClassicPilot.types:
        pilot = pilots.ClassicPilot(model_type, {})
        picture = np.random.RandomState(1).randint(0, 256, pilot.picture_shape).astype(np.uint8)
        raw, commands = pilot.drive(picture, [])
        np.testing.assert_array_equal(pilot.decide(raw), commands)
        raw[0] = raw[0][::-1]
        if model_type == "categorical":
            assert pilot.decide(raw)[0] == -commands[0]
