"""A new model compared with the previous one, which a donkeycar of a few lines drives in a child process."""

import os
import pathlib
from typing import Any, List, Optional, Sequence

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from donkey_sagemaker.car import compare_child  # noqa: E402
from donkey_sagemaker.car.archive import Artifact, ArtifactFile, ModelFile  # noqa: E402
from donkey_sagemaker.car.car import open_car  # noqa: E402
from donkey_sagemaker.car.comparison import NotCompared, compare_with  # noqa: E402
from donkey_sagemaker.car.driving_process import DrivingProcess  # noqa: E402
from donkey_sagemaker.car.trained_pictures import keep_trained  # noqa: E402
from donkey_sagemaker.quality import Comparison  # noqa: E402
from job_factory import artifact_of  # noqa: E402
from small_donkeycar import MEAN, install_small_donkeycar, write_samples  # noqa: E402
from validation_pictures import GREYS, SHAPE, make_arrays  # noqa: E402

DAMAGED = "^the validation pictures in the archive are damaged "
CONFIG = "IMAGE_H, IMAGE_W, IMAGE_DEPTH = 120, 160, 3\n"


class Bench:
    """A car with a previous model, and the unpacked archive of a new one."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        (path / "config.py").write_text(CONFIG)
        install_small_donkeycar(path)
        self.previous = ModelFile("h5", str(path / "previous.h5"))
        self.incoming = path / "incoming"
        self.incoming.mkdir()
        write_samples(str(self.incoming / "samples.npz"), shape=SHAPE)
        self.arrays = make_arrays()

    def artifact(self, **changes: Any) -> Artifact:
        files = [
            ArtifactFile(str(self.incoming / (role + ".npz")), role, None, "0" * 64, 1)
            for role in ("samples", "validation")
        ]
        artifact = artifact_of(files=files, validation={"pictures": len(GREYS)})
        return artifact._replace(**changes)

    def compare(
        self,
        expression: str,
        *,
        model_type: str = "linear",
        trained: Optional[Sequence[int]] = None,
        **changes: Any,
    ) -> Comparison:
        """
        Args:
            expression: of the previous model.
            trained: the checksums of the pictures that it was trained on; None where they are not known.
        """
        np.savez(str(self.incoming / "validation.npz"), **self.arrays)
        pathlib.Path(self.previous.path).write_text(expression)
        car = open_car(str(self.path), flags={})
        if trained is not None:
            checksums = self.path / "trained.bin"
            checksums.write_bytes(np.array(trained, "<u4").tobytes())
            keep_trained(car, [self.previous.path], str(checksums))
        with DrivingProcess(car.path) as driving:
            return compare_with(
                self.previous,
                car,
                self.artifact(**changes),
                model_type=model_type,
                archive_path=str(self.incoming / "model.tar.gz"),
                driving=driving,
            )

    def reason(self, *arguments: Any, **options: Any) -> str:
        with pytest.raises(NotCompared) as caught:
            self.compare(*arguments, **options)
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Bench:
    return Bench(tmp_path)


def test_the_previous_model_is_better(bench: Bench) -> None:
    """It steers as the driver did; the new one is off by 0.1 on every picture."""
    bench.arrays = make_arrays(off_by=-0.1)
    found = bench.compare(MEAN, trained=[1000])
    assert (found.pictures, found.is_fair, found.is_clearly_worse) == (100, True, True)
    assert found.error == pytest.approx(0.1)
    assert found.previous_error == pytest.approx(0, abs=1e-6)
    assert found.worse_by.difference == pytest.approx(0.1)
    assert sorted(os.listdir(str(bench.incoming))) == ["samples.npz", "validation.npz"]


def test_the_new_model_is_better(bench: Bench) -> None:
    """The previous one steers the same everywhere."""
    found = bench.compare("[0.5, 0.5]", trained=[1000])
    assert found.is_clearly_better and not found.is_clearly_worse
    assert found.previous_error == pytest.approx(np.mean([abs(0.5 - grey / 255) for grey in GREYS]))


def test_pictures_that_the_previous_model_was_trained_on_are_left_out(bench: Bench) -> None:
    """On these it steers exactly, on all others it is off by 0.2."""
    known = GREYS[:20]
    expression = f"[picture.mean() / 255 + 0.2 * (round(float(picture.mean())) not in {known}), 0.5]"
    found = bench.compare(expression, trained=range(20))
    assert (found.pictures, found.is_fair) == (80, True)
    assert found.previous_error == pytest.approx(0.2, abs=1e-3)
    assert bench.reason(expression, trained=range(26)) == (
        "too few validation pictures: it was not trained on 74 of them, and at least 75 are needed"
    )


def test_it_is_not_known_what_the_previous_model_was_trained_on(bench: Bench) -> None:
    """`donkey train` or an earlier version has made it."""
    found = bench.compare(MEAN)
    assert (found.pictures, found.is_fair) == (100, False)


def test_a_model_that_changed_since_is_another_one(bench: Bench) -> None:
    """What is known belongs to the content, not to the name."""
    assert bench.compare(MEAN, trained=[1000]).is_fair
    assert not bench.compare(MEAN + " ").is_fair


@pytest.mark.parametrize("model_type", ["rnn", "3d"])
def test_sequences(bench: Bench, model_type: str) -> None:
    """Each example is driven from its first picture to its last, whose commands count."""
    bench.arrays = make_arrays(sequence=3)
    found = bench.compare(MEAN, model_type=model_type, trained=[1000])
    assert found.previous_error == pytest.approx(0, abs=1e-6)


def test_further_inputs(bench: Bench) -> None:
    """An imu model gets those of each picture."""
    bench.arrays["other_0"] = np.array([[grey / 255, 0.0] for grey in GREYS])
    found = bench.compare("[others[0][0], 0.5]", model_type="imu", trained=[1000])
    assert found.previous_error == pytest.approx(0)


@pytest.mark.parametrize(
    "expression, reason",
    [
        ("[float('nan'), 0.5]", "its steering is not a number"),
        (
            "[0.1] * 15",
            "it is of another type: it has 15 outputs, the new model 2",
        ),
        (
            "[others[0][0], 0.5]",
            "this car's donkeycar cannot load or drive it (IndexError: tuple index out of range)",
        ),
        (
            "__import__('os')._exit(7)",
            "the check crashed on this car (exit code 7). The last line it printed: none",
        ),
    ],
)
def test_a_previous_model_that_says_nothing_about_the_new_one(
    bench: Bench, expression: str, reason: str
) -> None:
    """Of another type, broken, or one that ends the child process."""
    assert bench.reason(expression) == reason


def test_a_car_whose_camera_has_changed(bench: Bench) -> None:
    """The previous model takes pictures of the new size, or the check rejects the new model before this."""
    bench.arrays = make_arrays(shape=(60, 80, 3))
    assert bench.reason(MEAN) == "the validation pictures are not 160x120 with 3 channels"
    bench.arrays = make_arrays(shape=(120, 160, 1))
    assert bench.reason(MEAN) == "the validation pictures are not 160x120 with 3 channels"


@pytest.mark.parametrize(
    "name, change",
    [
        ("driven", lambda value: value[:-1]),
        ("driven", lambda value: value * np.nan),
        ("predicted", lambda value: value / 0),
        ("predicted", lambda value: value + 1e300),
        ("predicted", lambda value: value[:, :1]),
        ("checksums", lambda value: value.astype(float)),
        ("sizes", lambda value: value * 0),
        ("sizes", lambda value: -value),
        ("sizes", lambda value: value.ravel()),
        ("sizes", lambda value: value[:, :0]),
        ("sizes", lambda value: value.astype(float)),
        ("jpegs", lambda value: value[:-1]),
        ("jpegs", lambda value: value.astype(np.int64)),
        ("other_0", lambda value: np.zeros((99, 2))),
    ],
)
def test_arrays_that_do_not_belong_together(bench: Bench, name: str, change: Any, tmp_path: Any) -> None:
    """Anybody with a key to the bucket may have written them."""
    with np.errstate(all="ignore"):
        arrays = dict(bench.arrays, **{name: change(bench.arrays.get(name))})
    path = str(tmp_path / "v.npz")
    np.savez(path, **arrays)
    with pytest.raises(compare_child.NotComparable, match=DAMAGED):
        compare_child.read_validation_pictures(path)


def test_arrays_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    """None of them is code, and none fills the memory."""
    path = str(tmp_path / "v.npz")
    np.savez(path, **dict(make_arrays(), driven=np.array([[object(), 0.5]] * 100)))
    with pytest.raises(compare_child.NotComparable, match=DAMAGED + ".*allow_pickle=False"):
        compare_child.read_validation_pictures(path)
    np.savez_compressed(path, **dict(make_arrays(), jpegs=np.zeros(compare_child.MAX_BYTES, np.uint8)))
    with pytest.raises(compare_child.NotComparable, match=DAMAGED + ".*too large"):
        compare_child.read_validation_pictures(path)
    for content in (b"", b"PK\x03\x04", (tmp_path / "v.npz").read_bytes()[:1000]):
        (tmp_path / "v.npz").write_bytes(content)
        with pytest.raises(compare_child.NotComparable, match=DAMAGED):
            compare_child.read_validation_pictures(path)


def test_a_picture_that_cannot_be_decoded(bench: Bench) -> None:
    """It says nothing about the previous model."""
    bench.arrays["jpegs"] = np.zeros(len(bench.arrays["jpegs"]), np.uint8)
    assert bench.reason(MEAN).startswith(
        "the validation pictures in the archive are damaged (UnidentifiedImageError"
    )


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"name": None}, "the image that trained the new one leaves no validation pictures"),
        ({"validation": {}}, "the image that trained the new one leaves no validation pictures"),
        ({"files": []}, "the archive contains no validation pictures"),
    ],
)
def test_an_archive_without_validation_pictures(bench: Bench, changes: Any, reason: str) -> None:
    """Of an earlier trainer, or of another author's image."""
    assert bench.reason(MEAN, **changes) == reason


def test_a_memory_model(bench: Bench) -> None:
    """Its trainer leaves no validation pictures."""
    assert bench.reason(MEAN, model_type="memory", files=[]) == (
        "a memory model also sees its own last commands, which no validation picture has"
    )


class SlowPilot:
    """A pilot that steers as the driver did, a picture a second by the clock of the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.model = self
        self.seen: List[int] = []

    def monotonic(self) -> float:
        return self.now

    def load(self, path: str) -> None:
        pass

    def predict(self, picture: Any) -> Any:
        return [picture.mean() / 255, 0.5]

    def run(self, picture: Any) -> Any:
        self.now += 1
        self.seen.append(round(float(picture.mean())))
        return self.model.predict(picture)


def test_a_slow_car_drives_some_of_the_pictures(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread over the whole drive; too few of them are not compared."""
    pilot = SlowPilot()
    monkeypatch.setattr(compare_child, "make_pilot", lambda form, task: (pilot, SHAPE, lambda each: each))
    monkeypatch.setattr(compare_child, "time", pilot)
    task = {
        "validation": str(bench.incoming / "validation.npz"),
        "samples": str(bench.incoming / "samples.npz"),
        "trained": None,
        "most_differences": 0,
        "format": "h5",
        "path": "",
    }
    np.savez(task["validation"], **bench.arrays)
    monkeypatch.setattr(compare_child, "DRIVE_LIMIT_S", 79)
    assert compare_child.compare(task)["pictures"] == 80
    assert len(set(pilot.seen) & set(GREYS[:20])) > 12 and len(set(pilot.seen) & set(GREYS[-20:])) > 12
    monkeypatch.setattr(compare_child, "DRIVE_LIMIT_S", 29)
    with pytest.raises(compare_child.NotComparable, match=r"^it drives only 30 pictures in 29 s$"):
        compare_child.compare(task)
