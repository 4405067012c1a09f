"""What is printed about a new model after the check, and which models the car is better off without."""

import pathlib
from importlib.util import find_spec
from typing import Any, Sequence

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from donkey_sagemaker.car.archive import ArtifactFile, ModelFile  # noqa: E402
from donkey_sagemaker.car.car import Car, open_car  # noqa: E402
from donkey_sagemaker.car.check import Checked  # noqa: E402
from donkey_sagemaker.car.driving_process import DrivingProcess  # noqa: E402
from donkey_sagemaker.car.trained_pictures import keep_trained  # noqa: E402
from donkey_sagemaker.training.install import existing_models  # noqa: E402
from donkey_sagemaker.training.judge import Judgement, judge, report_verdict  # noqa: E402
from donkey_sagemaker.ui import PlainUi  # noqa: E402
from donkey_sagemaker.verdict import Verdict  # noqa: E402
from job_factory import artifact_of, make_job  # noqa: E402
from small_donkeycar import MEAN, install_small_donkeycar, write_samples  # noqa: E402
from validation_pictures import DEAD, SHAPE, SUMMARY, make_arrays  # noqa: E402

with_donkeycar = pytest.mark.skipif(find_spec("donkeycar") is None, reason="this Python's donkeycar drives")
ALONE = "off by 0.010 on average on 100 validation pictures; the best constant is off by 0.250"


@pytest.fixture
def car(tmp_path: pathlib.Path) -> Car:
    (tmp_path / "config.py").write_text("IMAGE_H, IMAGE_W, IMAGE_DEPTH = 120, 160, 3\n")
    install_small_donkeycar(tmp_path)
    return open_car(str(tmp_path), flags={})


def judge_model(
    car: Car, *, off_by: float = 0.01, checked: Sequence[Checked] = (), **changes: Any
) -> Judgement:
    """Judges a model that is to be installed as models/pilot.h5."""
    write_samples(car.path + "/samples.npz", shape=SHAPE)
    np.savez(car.path + "/validation.npz", **make_arrays(off_by=off_by))
    files = [
        ArtifactFile(f"{car.path}/{role}.npz", role, None, "0" * 64, 1) for role in ("samples", "validation")
    ]
    artifact = artifact_of(
        models=[ModelFile("h5", car.path + "/pilot.h5")],
        files=files,
        validation={"pictures": 100, "angle": SUMMARY},
    )
    with DrivingProcess(car.path) as driving:
        return judge(
            car,
            PlainUi(),
            make_job(base=car.models_path + "/pilot", models=[(".h5", "h5")]).plan,
            artifact._replace(**changes),
            archive_path=car.path + "/model.tar.gz",
            driving=driving,
            checked=checked,
        )


def write_previous(car: Car, expression: str, *, is_known: bool) -> None:
    """
    Args:
        is_known: what it was trained on; none of the validation pictures.
    """
    folder = pathlib.Path(car.models_path)
    folder.mkdir()
    (folder / "pilot.h5").write_text(expression)
    if is_known:
        (folder / "trained.bin").write_bytes(np.array([1000], "<u4").tobytes())
        keep_trained(car, [str(folder / "pilot.h5")], str(folder / "trained.bin"))


def test_a_first_model_that_steers(car: Car, capsys: pytest.CaptureFixture) -> None:
    """There is nothing to compare it with."""
    judged = judge_model(car)
    assert (judged.flaw, judged.rows, judged.steering_error) == (None, [("steering", ALONE)], 0.01)
    assert judged.verdict.level == "good"
    assert capsys.readouterr().out == f"Steering: {ALONE}\n"


def test_a_first_model_that_is_dead(car: Car, capsys: pytest.CaptureFixture) -> None:
    """Its flaw completes the sentence in which the terminal and the report explain it."""
    verdict = judge_model(car, validation={"pictures": 100, "angle": DEAD})
    assert verdict.flaw == (
        "its steering hardly varies (by 0.001 on 100 validation pictures, the driver's by 0.280)"
    )
    assert verdict.rows_for_report(True) == [*verdict.rows, ("kept aside", f"because {verdict.flaw}")]
    assert verdict.rows_for_report(False) == verdict.rows
    assert "the best constant is off by 0.250\n" in capsys.readouterr().out


def test_a_car_that_is_too_slow(car: Car) -> None:
    """What was tried on another machine than the car says nothing about it."""
    checked = [Checked("h5", 0.0, 90.0), Checked("tflite", 0.0, 60.0)]
    judged = judge_model(car, checked=checked)
    assert judged.verdict.sentence.endswith("; this car needs 60 ms a picture, but has 50.")
    car.settings = car.settings._replace(car="donkeycar 5.3")
    assert judge_model(car, checked=checked).verdict.level == "good"


def test_the_verdict_is_printed_with_what_to_do(capsys: pytest.CaptureFixture) -> None:
    """The last lines of a training."""
    report_verdict(PlainUi(), Verdict("good", "It steers.", "Drive it."))
    assert capsys.readouterr().out == "Verdict: good. It steers.\nNext: Drive it.\n"


@pytest.mark.parametrize(
    "validation, why",
    [
        ({}, "the image that trained the model leaves no validation results"),
        (
            {"pictures": 74, "angle": DEAD},
            "74 validation pictures are too few: at least 75 are needed",
        ),
    ],
)
def test_a_model_that_cannot_be_judged(
    car: Car, capsys: pytest.CaptureFixture, validation: Any, why: str
) -> None:
    """Of an earlier trainer, or after a short drive: that is said, and it is installed."""
    assert judge_model(car, validation=validation).flaw is None
    assert capsys.readouterr().out == f"Steering: not judged: {why}\n"


@with_donkeycar
@pytest.mark.parametrize(
    "expression, off_by, is_known, errors, result, is_worse",
    [
        (MEAN, 0.1, True, ("0.100", "0.000"), "the previous model is better", True),
        (MEAN, 0.0, True, ("0.000", "0.000"), "they steer about equally well", False),
        ("[0.5, 0.5]", 0.1, True, ("0.100", "0.246"), "the new model is better", False),
        ("[0.5, 0.5]", 0.1, False, ("0.100", "0.246"), "the new model is better", False),
        ("[picture.mean() / 255 + 0.09, 0.5]", 0.1, True, ("0.100", "0.090"), "the previous model", True),
        (
            "[picture.mean() / 255 + 0.09, 0.5]",
            0.1,
            False,
            ("0.100", "0.090"),
            "the previous model may have been trained on these pictures, so this decides nothing",
            False,
        ),
    ],
)
def test_a_model_that_replaces_another(
    car: Car,
    capsys: pytest.CaptureFixture,
    expression: str,
    off_by: float,
    is_known: bool,
    errors: Any,
    result: str,
    is_worse: bool,
) -> None:
    """Which one is better is printed, and only one that is clearly worse has a flaw."""
    write_previous(car, expression, is_known=is_known)
    verdict = judge_model(car, off_by=off_by)
    both = (
        f"on 100 validation pictures the new model's steering is off by {errors[0]} on average, the previous"
        f" one's by {errors[1]}"
    )
    assert (
        capsys.readouterr().out.splitlines()[1].startswith(f"Compared with models/pilot.h5: {both}: {result}")
    )
    assert verdict.flaw == (f"it steers clearly worse than models/pilot.h5 ({both})" if is_worse else None)
    assert verdict.verdict.level == ("bad" if is_worse else "good")
    assert verdict.rows[1][0] == "compared with models/pilot.h5"


@with_donkeycar
def test_a_previous_model_that_cannot_be_driven(car: Car, capsys: pytest.CaptureFixture) -> None:
    """It says nothing about the new one, which is installed."""
    write_previous(car, "not an expression", is_known=True)
    assert judge_model(car).flaw is None
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith(
        "Compared with models/pilot.h5: not compared: this car's donkeycar cannot load or drive it (SyntaxErr"
    )


def test_which_files_are_replaced(tmp_path: pathlib.Path) -> None:
    """Those of the planned formats first; also a format that the new model does not have."""
    for name in ("pilot.tflite", "pilot.h5", "pilot.png", "pilot.keras", "other.h5"):
        (tmp_path / name).write_text("")
    (tmp_path / "pilot.savedmodel").mkdir()
    plan = make_job(base=str(tmp_path / "pilot"), models=[(".keras", "keras"), (".tflite", "tflite")]).plan
    assert [(model.format, pathlib.Path(model.path).name) for model in existing_models(plan)] == [
        ("keras", "pilot.keras"),
        ("tflite", "pilot.tflite"),
        ("h5", "pilot.h5"),
        ("savedmodel", "pilot.savedmodel"),
    ]
    classic = make_job(base=str(tmp_path / "pilot.h5"), models=[("", "hdf5")]).plan
    assert existing_models(classic)[0] == ModelFile("hdf5", str(tmp_path / "pilot.h5"))
