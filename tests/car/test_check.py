"""The check of a new model, with a donkeycar that is small enough to define here."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Optional

import pytest

from donkey_sagemaker.car import driving_process
from donkey_sagemaker.car.archive import ModelFile
from donkey_sagemaker.car.check import Checked, ModelRejected, check_models, check_settings
from small_donkeycar import MEAN, install_small_donkeycar, write_samples

np = pytest.importorskip("numpy")

# In donkeycar 3, the drive loop prepares the camera's picture for the pilot
UTILS_3 = """
import numpy as np

class Model:
    def predict(self, pictures):
        return [np.array([[pictures.mean()]]), np.array([[0.5]])]

class Pilot:
    def load(self, path):
        self.model = Model()
    def run(self, picture):
        angle, throttle = self.model.predict(picture[None])
        return angle[0][0], throttle[0][0]

def get_model_by_type(kind, config):
    return Pilot()

def normalize_and_crop(picture, config):
    return picture / 255 * config.GAIN
"""
CONFIG = "IMAGE_H, IMAGE_W, IMAGE_DEPTH = 4, 6, 3\nGAIN = 1.0\n"


class Bench:
    """A car's folder with this donkeycar, models and samples."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.samples_path: Optional[str] = None
        install_small_donkeycar(path)
        (path / "config.py").write_text(CONFIG)

    def write_samples(self, *, shape: Any = (4, 6, 3)) -> None:
        """Writes the outputs of MEAN for two pictures."""
        self.samples_path = str(self.path / "samples.npz")
        write_samples(self.samples_path, shape=shape)

    def check(self, *expressions: str, model_type: str = "linear") -> List[Checked]:
        models = []
        for number, expression in enumerate(expressions):
            path = self.path / f"model-{number}"
            path.write_text(expression)
            models.append(ModelFile("tflite" if number else "h5", str(path)))
        return check_models(
            models,
            model_type=model_type,
            samples_path=self.samples_path,
            archive_path="model.tar.gz",
            car_path=str(self.path),
            myconfig="myconfig.py",
        )

    def rejection(self, *expressions: str) -> str:
        with pytest.raises(ModelRejected) as caught:
            self.check(*expressions)
        assert caught.value.fix == "The archive was kept so that you can inspect it: model.tar.gz"
        before, after = "The new model was not installed: ", ". Nothing in the car has changed."
        assert caught.value.what.startswith(before) and caught.value.what.endswith(after)
        return caught.value.what[len(before) : -len(after)]


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Bench:
    bench = Bench(tmp_path)
    bench.write_samples()
    return bench


def test_a_model_with_the_same_outputs_as_in_training(bench: Bench) -> None:
    """Each format is driven by its own pilot, and the largest difference in its outputs is returned."""
    lite = "[picture.mean() / 255, 0.5 if kind == 'tflite_linear' else 9] if config.GAIN == 1 else []"
    first, second = bench.check("[picture.mean() / 255 + 0.0004, 0.5]", lite)
    assert (first.format, second.format) == ("h5", "tflite")
    assert first.largest_difference == pytest.approx(4e-4, abs=1e-7)
    assert second.largest_difference == pytest.approx(0, abs=1e-7)
    assert 0 < first.ms < 1000
    assert first.largest_throttle == second.largest_throttle == 0.5


def test_donkeycar_3_prepares_pictures_outside_its_pilot(bench: Bench) -> None:
    """The check does this like its manage.py."""
    shutil.rmtree(str(bench.path / "donkeycar" / "pipeline"))
    (bench.path / "donkeycar" / "utils.py").write_text(UTILS_3)
    (checked,) = bench.check(MEAN)
    assert checked.largest_difference == pytest.approx(0, abs=1e-7)


def test_without_samples_a_model_only_has_to_drive(bench: Bench) -> None:
    """An archive from a foreign image has no samples, so finite commands are enough."""
    bench.samples_path = None
    (checked,) = bench.check(MEAN)
    assert checked.largest_difference is None and checked.largest_throttle is None


@pytest.mark.parametrize(
    "expression, why",
    [
        (
            "[picture.mean() / 255 + 0.002, 0.5]",
            (
                "the h5 model returns (0.2020, 0.5000) on this car for a picture for which it returned"
                " (0.2000, 0.5000) in training"
            ),
        ),
        ("[float('nan'), 0.5]", "the h5 model returns [nan, 0.5] for a picture"),
        ("[0.2, 0.5, 0.1]", "the h5 model has 3 outputs on this car, but had 2 in training"),
        (
            "[][0]",
            "this car's donkeycar cannot load or drive the h5 model (IndexError: list index out of range)",
        ),
        (
            "[len(bytearray(2 ** 50)), 0]",
            "this car's donkeycar cannot load or drive the h5 model (MemoryError: )",
        ),
    ],
)
def test_a_model_with_other_outputs(bench: Bench, expression: str, why: str) -> None:
    """It is rejected with a message that shows the outputs or the error."""
    assert bench.rejection(expression) == why


def test_the_failing_format_is_named(bench: Bench) -> None:
    """If the first format passes but the second fails, nothing is installed."""
    reason = bench.rejection(MEAN, "[0.2, 0.5]")
    assert reason.startswith("the tflite model returns (0.2000, 0.5000) on this car")


def test_classes_that_were_nearly_equal_may_change(bench: Bench) -> None:
    """If the choice of a class was close, the commands may differ, but the outputs of the net may not."""
    path = str(bench.path / "samples.npz")
    values = dict(np.load(path))
    values["outputs"] = values["outputs"] + 0.1
    np.savez(path, **values)
    assert "(0.2000, 0.5000) on this car for a picture for which it returned (0.3000" in bench.rejection(MEAN)
    np.savez(path, **dict(values, decided=np.array([False, False])))
    assert len(bench.check(MEAN)) == 1


def test_pictures_of_another_size(bench: Bench) -> None:
    """The samples have the size that the net expects, so the car's pictures must have it too."""
    bench.write_samples(shape=(8, 6, 3))
    assert (
        bench.rejection(MEAN)
        == "the h5 model expects pictures of (8, 6, 3) (height, width, depth), but this car's IMAGE_H, "
        "IMAGE_W and IMAGE_DEPTH are (4, 6, 3)"
    )


def test_a_model_that_crashes_the_process(bench: Bench) -> None:
    """The last line that the process printed is shown."""
    why = bench.rejection("[print('no space for a tensor', flush=True), __import__('os')._exit(7)]")
    assert (
        why == "the check crashed on this car (exit code 7). The last line it printed: no space for a tensor"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_model_that_is_killed_by_the_kernel(bench: Bench) -> None:
    """This happens if memory runs out."""
    why = bench.rejection("[__import__('os').kill(__import__('os').getpid(), 9)]")
    assert why == (
        "the check crashed on this car (killed, probably because memory ran out). "
        "The last line it printed: none"
    )


def test_a_model_that_takes_forever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed after the time limit."""
    monkeypatch.setattr(driving_process, "TIME_LIMIT_S", 3)
    reason = bench.rejection("[__import__('time').sleep(60), 0]")
    assert reason == "the check took more than 0 minutes on this car"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_the_check_limits_its_resources(bench: Bench) -> None:
    """It has a low priority and a memory limit, and the kernel kills it before other processes."""
    bench.samples_path = None
    expression = (
        "[__import__('json').dump([__import__('os').nice(0), open('/proc/self/oom_score_adj').read(), "
        "__import__('resource').getrlimit(__import__('resource').RLIMIT_DATA)[0]], open('seen.json', 'w')) "
        "or 0, 0]"
    )
    bench.check(expression)
    with open(str(bench.path / "seen.json")) as file:
        nice, score, memory = json.load(file)
    assert nice >= 10 and score == "1000\n"
    assert memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


LIMITED = """
import os, resource
from donkey_sagemaker.child_process import limit_resources
resource.setrlimit(resource.RLIMIT_DATA, (2 ** 29, 2 ** 29))
if os.getuid() == 0:  # root may raise any limit
    os.setuid(65534)
limit_resources()
print(resource.getrlimit(resource.RLIMIT_DATA) == (2 ** 29, 2 ** 29), os.nice(0) >= 10)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_a_lower_limit_of_the_owner_is_kept() -> None:
    """The check also works with a lower limit, and without permission to change the kernel's choice."""
    output = subprocess.check_output([sys.executable, "-c", LIMITED], cwd="/")
    assert output == b"True True\n"


@pytest.mark.parametrize(
    "model_type, name, trained, now",
    [
        ("linear", "IMAGE_W", 160, 128),
        ("linear", "IMAGE_DEPTH", 3, 1),
        ("categorical", "MODEL_CATEGORICAL_MAX_THROTTLE_RANGE", 0.5, 0.8),
        ("behavior", "BEHAVIOR_LIST", ["left", "right"], ["left"]),
        ("memory", "SEQUENCE_LENGTH", 3, 4),
        ("rnn", "SEQUENCE_LENGTH", 3, 4),
        ("localizer", "NUM_LOCATIONS", 8, 10),
    ],
)
def test_a_setting_that_changed_since_the_training(
    model_type: str, name: str, trained: Any, now: Any
) -> None:
    """The car's pilot would be built in another way. This is detected without loading a model."""

    def compare(config: Dict[str, Any], model_type: str) -> None:
        check_settings({name: trained}, config, model_type=model_type, archive_path="model.tar.gz")

    with pytest.raises(ModelRejected) as caught:
        compare({name: now}, model_type)
    assert caught.value.what == (
        f"The new model was not installed: it was trained with {name} = {trained!r}, but this car's config"
        f" has {name} = {now!r}. Nothing in the car has changed."
    )
    compare({name: tuple(trained) if isinstance(trained, list) else trained}, model_type)
    compare({}, model_type)
    if not name.startswith("IMAGE"):
        compare({name: now}, "linear")


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"raw": [[np.nan, 0.5]] * 2}, "comes with samples whose outputs in training are not numbers"),
        ({"outputs": [[np.inf, 0.5]] * 2}, "comes with samples whose outputs in training are not numbers"),
        ({"raw": []}, "comes with samples whose outputs in training are not numbers"),
        ({"pictures": np.zeros((0, 4, 6, 3), np.uint8)}, "comes without sample pictures"),
    ],
)
def test_samples_that_prove_nothing(bench: Bench, changes: Dict[str, Any], why: str) -> None:
    """Any comparison with NaN is false, and nothing differs from nothing."""
    with np.load(bench.samples_path) as file:
        samples = dict(file)
    np.savez(bench.samples_path, **dict(samples, **changes))
    assert bench.rejection(MEAN) == f"the h5 model {why}"


def test_a_net_whose_outputs_are_not_numbers(bench: Bench) -> None:
    """Even where the pilot makes a finite command of them."""
    (bench.path / "donkeycar" / "utils.py").write_text(
        (bench.path / "donkeycar" / "utils.py")
        .read_text()
        .replace("return tuple(outputs)", "return (0.2, 0.5)")
    )
    assert "returns " in bench.rejection("[float('nan'), 0.5]")


def test_the_check_does_not_see_the_owners_keys(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file is not trusted."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_PROFILE", "racer")
    names = "[each for each in __import__('os').environ if each.startswith('AWS_')]"
    (checked,) = bench.check(f"[picture.mean() / 255, 0.5] if not {names} else []")
    assert checked.largest_difference == pytest.approx(0, abs=1e-7)
