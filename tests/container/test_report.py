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
from donkey_sagemaker.untrusted_page import find_fault  # noqa: E402
from trainer.fit import Fitted  # noqa: E402
from trainer.job import Job  # noqa: E402
from trainer.plot import plot_loss  # noqa: E402
from trainer.report import Provenance, TubUsed, make_report  # noqa: E402
from trainer.review import review  # noqa: E402

pytestmark = pytest.mark.minutes
EVIL = "<script>alert(1)</script>"
JPEG = '<img alt="[^"]+" src="data:image/jpeg;'
HISTORY = {"loss": [0.5, 0.2, 0.1], "val_loss": [0.4, 0.2, 0.3]}
JOB = Job(
    name="pilot" + EVIL,
    model_type="linear",
    models=[],
    transfer_path=None,
    slide=2,
    min_throttle=None,
    floor_throttle=None,
    autopilot="skip",
    seed=1,
    tub_paths={"a": "data/" + EVIL},
    config={"BATCH_SIZE": 128, "AWS_KEY": "secret", "TRAIN_FILTER": len, "OPTIMIZER": EVIL},
)


def make_example(index):
    record = SimpleNamespace(
        tub="a" if index < 300 else "b", session="", index=index, angle=np.sin(index / 20), throttle=0.4
    )
    return SimpleNamespace(records=[record], place=index)


def make_page(*, loss, noise=False, depth=3, views=(), verdict=None):
    examples = [make_example(index) for index in range(500)]
    provenance = Provenance(
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
        provenance,
        loss=loss,
        show=lambda example: random.randint(0, 256 if noise else 30, (120, 160, depth)).astype(np.uint8),
        views=views,
        verdict=verdict,
    )


@pytest.fixture(scope="module")
def page():
    return make_page(loss=plot_loss(HISTORY, best_epoch=2, title=JOB.name))


def test_the_content_of_the_page(page):
    """Losses, errors, places, data, settings and environment, and none of the car's secrets."""
    text = re.sub(r"<[^>]*>", " ", page)
    for words in (
        "0.2000 validation loss Good: lower than that of other models of this type, on the same tubs",
        "2 of 3 best epoch",
        "500 examples, 400 to train",
        "1 min 23 s of training",
        "Good: below 0.213, a third of what always steering the same would get (0.639)",
        "On 250 pictures that it was not trained on",
        "300 3",
        "deleted 3",
        "SAGEMAKER_SLIDE 2",
        "SAGEMAKER_MIN_THROTTLE None",
        "TRAIN_FILTER set by the car",
        "BATCH_SIZE 128",
        "pictures per second 14",
        "written as savedmodel, tflite",
        "donkeycar 5.3.0",
        "trained on CPU, 2 cores",
        "stopped before its last epoch",
    ):
        assert words.replace("'", "&#x27;") in re.sub(r"\s+", " ", text)
    assert "secret" not in page
    assert page.count(REPORT_CAR_MARK) == 1


def test_the_docs_name_its_parts_as_the_page_does(page, repo_path):
    """docs/first-training.md lists the parts of the page, of which the car adds one."""
    with open(os.path.join(repo_path, "docs", "first-training.md"), encoding="utf-8") as file:
        parts = re.findall(r"^\| ([A-Z][^|]*) \|", file.read(), re.MULTILINE)
    assert len(parts) == 8
    titles = re.findall("<h2>([^<]*)</h2>", page) + ["Drive it", "Beside the model before", "On this car"]
    assert set(parts) - set(titles) == set()


def test_foreign_text_is_never_markup(page):
    """Names of models and tubs, reasons, notes and settings are escaped."""
    assert "<script" not in page and page.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("depth", [1, 3])
def test_the_page_stays_below_three_megabytes(depth):
    """Even with pictures of noise, which make no film. A car accepts it."""
    loss = plot_loss(HISTORY, best_epoch=2, title="pilot")
    page = make_page(loss=loss, noise=True, depth=depth)
    assert 200_000 < len(page) < 3_000_000
    assert find_fault(page.encode("utf-8")) is None


def test_the_verdict_is_at_the_top(page):
    """Escaped, before all figures, and nowhere without one."""
    verdict = {"level": "bad", "sentence": "It is dead.", "advice": f"Record more. {EVIL}" + "x" * 300}
    shown = make_page(loss=None, verdict=verdict)
    text = re.sub(r"<[^>]*>", " ", shown[shown.index("<h1>") :])
    sentence, advice = "Verdict: bad. It is dead.", "Next: Record more. &lt;script"
    assert text.index(sentence) < text.index(advice) < text.index("validation loss")
    assert '<div class="verdict bad">' in shown and "x" * 300 in shown
    assert '<div class="verdict' not in page


def test_the_views_of_the_robust_recipe(page):
    """They have a section of their own, which no other report has."""
    title = "The same place from beside the line"
    assert title not in page
    view = (np.zeros((120, 160, 3), np.uint8), -0.25, "20 cm further right")
    shown = make_page(loss=None, views=[view, view])
    assert title in shown and shown.count("20 cm further right<br>steering 0.25 left") == 2
    assert shown.count('alt="Seen from 20 cm further right: steering 0.25 left."') == 2
    assert len(re.findall(JPEG, shown)) == 24 + 2


def test_without_matplotlib_there_are_pictures_but_no_charts(monkeypatch):
    """The page says why."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = make_page(loss=None)
    assert page.count("No chart: the trainer&#x27;s Python has no matplotlib.") == 4
    assert "image/png" not in page and len(re.findall(JPEG, page)) == 24


def test_the_page_in_a_browser(page, chromium, tmp_path):
    """On a phone all pictures are drawn, nothing is reported, nothing is too wide, and text is readable."""
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    seen = look_at(chromium, tmp_path / "report.html", width=360)
    assert seen.errors == [] and seen.broken == 0
    assert seen.pictures == 24 + (4 if "image/png" in page else 0) + ("image/webp" in page)
    assert seen.width <= 360 and seen.smallest >= 12
    assert "The worst pictures" in seen.text and EVIL in seen.text


def test_every_type_is_reviewed_by_its_pilots_commands(repo_path, tmp_path):
    """Whatever a net's outputs are, the report compares the angle and throttle that the car would get."""
    pytest.importorskip("donkeycar.pipeline", reason="donkeycar 2 has two types")
    from donkey_sagemaker.contract import TYPES
    from donkey_sagemaker.tubs.files import FolderFiles
    from donkey_sagemaker.tubs.reader import read_tub
    from trainer.dataset import make_dataset
    from trainer.pilots import make_pilot
    from trainer.reading import load_inputs
    from trainer.review import predict
    from trainer_jobs import CONFIG

    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    tub = str(tmp_path / "data")
    subprocess.check_call([sys.executable, draw, "--out", tub, "--records", "24", "--extras"])
    for model_type in TYPES:
        job = JOB._replace(model_type=model_type, config=CONFIG, slide=0)
        pilot = make_pilot(model_type, CONFIG)
        dataset = make_dataset(pilot, load_inputs(job, {"tub": read_tub(FolderFiles(tub), name="tub")}))
        chosen = dataset.examples[:4]
        commands = predict(pilot, dataset.feed(chosen))
        assert commands.shape == (4, 2), model_type
        for example, predicted in zip(chosen, commands):
            if model_type in ("memory", "rnn", "3d"):  # these remember what they drove
                continue
            others = [example.inputs[name] for name in pilot.drive_inputs(example.inputs)]
            _, driven = pilot.predict_step(dataset.show(example), others)
            np.testing.assert_allclose(predicted, driven[:2], atol=1e-4)


def test_pilots_of_donkeycar_2_make_commands_of_given_outputs():
    """Their own code makes the commands, as in a drive."""
    if importlib.util.find_spec("donkeycar.pipeline"):
        pytest.skip("later pilots have a function for it")
    pilots = pytest.importorskip("trainer.classic_pilot")
    for model_type in pilots.ClassicPilot.types:
        pilot = pilots.ClassicPilot(model_type, {})
        picture = np.random.RandomState(1).randint(0, 256, pilot.picture_shape).astype(np.uint8)
        raw, commands = pilot.predict_step(picture, [])
        np.testing.assert_array_equal(pilot.make_commands(raw), commands)
        raw[0] = raw[0][::-1]
        if model_type == "categorical":
            assert pilot.make_commands(raw)[0] == pytest.approx(-commands[0])
