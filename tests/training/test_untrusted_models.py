"""Model files that contain code, with a real car: none of it runs, unless the owner trusts the bucket."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest

from donkey_sagemaker.car.archive import ModelFile
from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.check import ModelRejected
from donkey_sagemaker.car.model_scan import UntrustedModel
from donkey_sagemaker.training.check import check_models
from donkey_sagemaker.ui import PlainUi
from job_factory import artifact_of, make_job

pytest.importorskip("tensorflow", reason="a car with TensorFlow")
pytestmark = pytest.mark.minutes


@pytest.fixture(scope="module")
def evil(make_once: Any, repo_path: str) -> Tuple[Path, Path]:
    """(the folder of the models, the file that each of them writes)."""

    def fill(folder: Path) -> None:
        (folder / "models").mkdir()
        script = os.path.join(repo_path, "tests", "evil_models.py")
        mark = str(folder.parent / "evil_mark")  # this folder gets another name once it is filled
        subprocess.check_call(
            [sys.executable, script, str(folder / "models"), mark],
            env=dict(os.environ, CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    folder = make_once("evil_models", fill)
    return folder / "models", folder.parent / "evil_mark"


@pytest.fixture
def car(create_car: Callable[[Path], Path], tmp_path: Path) -> Car:
    return open_car(str(create_car(tmp_path / "mycar")), flags={})


def check(car: Car, path: Path, form: str) -> List[Any]:
    artifact = artifact_of(name=None, type=None, files=[], models=[ModelFile(form, str(path))])
    return check_models(car, PlainUi(), make_job().plan, artifact, archive_path="model.tar.gz")


@pytest.mark.parametrize(
    "name, what",
    [
        ("lambda.h5", "the class 'Lambda'"),
        ("lambda.keras", "the class 'Lambda'"),
        ("lambda.savedmodel", "the class 'Lambda'"),
        ("writes.savedmodel", "the operation 'WriteFile'"),
        ("writes.tflite", "an operation that is not built into TensorFlow Lite"),
    ],
)
def test_code_in_a_model_does_not_run(evil: Tuple[Path, Path], car: Car, name: str, what: str) -> None:
    """The model is refused before anything loads it, so the file that it would write does not appear."""
    models, mark = evil
    if not (models / name).exists():
        pytest.skip("Keras 3 does not write a SavedModel")
    form = name.split(".")[1]
    with pytest.raises(ModelRejected) as caught:
        check(car, models / name, form)
    assert not mark.exists()
    assert isinstance(caught.value, UntrustedModel)
    assert caught.value.what == (
        f"The new model was not installed: its {form} contains {what}, which no model of donkeycar's own"
        " types contains and which may run code on this car. Nothing in the car has changed."
    )
    assert caught.value.fix == (
        "If you made it and trust everybody who can write to its bucket, set SAGEMAKER_TRUST_MODEL = True in"
        " myconfig.py and run `python manage.py sagemaker-train --attach`. The archive: model.tar.gz"
    )


def test_the_owner_may_trust_the_bucket(evil: Tuple[Path, Path], car: Car) -> None:
    """Then the model is only driven, as any other is: this one runs, and so does its code."""
    models, mark = evil
    if not (models / "writes.savedmodel").exists():
        pytest.skip("Keras 3 does not write a SavedModel")
    car.settings = car.settings._replace(trust_model=True)
    try:
        assert [each.format for each in check(car, models / "writes.savedmodel", "savedmodel")] == [
            "savedmodel"
        ]
        assert mark.exists()
    finally:
        if mark.exists():
            mark.unlink()


def test_a_file_that_cannot_be_read(car: Car, tmp_path: Path) -> None:
    """What is not the format that it claims to be is refused as well."""
    path = tmp_path / "pilot.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and nothing more")
    with pytest.raises(ModelRejected) as caught:
        check(car, path, "h5")
    assert "its h5 contains something that cannot be read (OSError: " in caught.value.what


def test_what_the_trainer_makes(trained_model: Path, car: Car) -> None:
    """Is accepted in every format that it has."""
    artifact = json.loads((trained_model / "artifact.json").read_text())
    found = {
        each["format"]: trained_model / each["path"].split("/")[0]
        for each in artifact["files"]
        if each["role"] == "model"
    }
    assert len(found) == 2
    for form, path in found.items():
        assert [each.format for each in check(car, path, form)] == [form]
