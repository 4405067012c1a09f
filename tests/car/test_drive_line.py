"""The command that drives a model, in the fastest format."""

import pathlib

import pytest

from donkey_sagemaker.car.car import Car, open_car
from donkey_sagemaker.car.check import Checked
from donkey_sagemaker.car.drive_line import choose_format, drive_command, ms_of
from job_factory import make_job

CHECKED = [Checked("keras", 0.0, 90.0), Checked("tflite", 0.0, 8.0)]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "config.py").write_text("")
    return tmp_path


def car_of(folder: pathlib.Path, runs: str) -> Car:
    car = open_car(str(folder), flags={})
    car.settings = car.settings._replace(car=runs)
    return car


def test_the_fastest_format_that_was_tried_here(folder: pathlib.Path) -> None:
    """Whatever the machine is."""
    car = open_car(str(folder), flags={})
    assert choose_format(car, ["keras", "tflite"], CHECKED) == "tflite"
    assert choose_format(car, ["keras", "tflite"], [Checked("keras", 0.0, 2.0), CHECKED[1]]) == "keras"


@pytest.mark.parametrize(
    "runs, form",
    [
        ("donkeycar 5.4, tensorflow 2.19, machine x86_64", "keras"),
        ("donkeycar 5.4, tensorflow 2.19, machine aarch64", "tflite"),
        ("donkeycar 5.3, tflite-runtime 2.14", "tflite"),
    ],
)
def test_another_car(folder: pathlib.Path, runs: str, form: str) -> None:
    """What was tried on this machine says nothing about it: on a Pi the .tflite is faster."""
    slow_here = [Checked("keras", 0.0, 8.0), Checked("tflite", 0.0, 90.0)]
    for checked in (CHECKED, slow_here, []):
        assert choose_format(car_of(folder, runs), ["keras", "tflite"], checked) == form
    assert choose_format(car_of(folder, runs), ["h5"], []) == "h5"


def test_the_command(folder: pathlib.Path) -> None:
    """As it is typed in the car's folder; donkeycar 2 has no --type."""
    plan = make_job(base=str(folder / "models" / "my pilot"), model_type="tflite_linear").plan
    car = car_of(folder, "donkeycar 5.4, tensorflow 2.19")
    command = "python manage.py drive --model 'models/my pilot.{}' --type {}"
    assert drive_command(car, plan, "tflite") == command.format("tflite", "tflite_linear")
    assert drive_command(car, plan, "keras") == command.format("keras", "linear")
    old_plan = make_job(base=str(folder / "models" / "pilot"), models=[("", "hdf5")]).plan
    old = car_of(folder, "donkeycar 2.2, tensorflow 1.4, python 3.6")
    assert drive_command(old, old_plan, "hdf5") == "python manage.py drive --model models/pilot"


def test_how_long_a_picture_takes() -> None:
    """In the format to drive; not known where that was not tried."""
    assert ms_of("tflite", CHECKED) == 8.0
    assert ms_of("h5", CHECKED) is None and ms_of(None, CHECKED) is None
