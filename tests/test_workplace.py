"""Whether a folder takes a model: seen before the job that makes it."""

import os
import pathlib
import sys

import pytest

from donkey_sagemaker.car.car import CannotWrite, check_writable, open_car
from donkey_sagemaker.car.runtime import Runtime
from donkey_sagemaker.local.backend import LocalCloud
from donkey_sagemaker.training.plan import Wish, plan_launch


def test_a_folder_that_takes_a_model(tmp_path: pathlib.Path) -> None:
    """It may have to be made."""
    check_writable(str(tmp_path))
    check_writable(str(tmp_path / "new" / "models"))
    assert os.listdir(str(tmp_path)) == []


def test_a_file_where_the_folder_should_be(tmp_path: pathlib.Path) -> None:
    """No training is planned for it."""
    (tmp_path / "config.py").write_text("")
    (tmp_path / "models").write_text("")
    car = open_car(str(tmp_path), flags={}, myconfig="myconfig.py")
    wish = Wish(None, "models/pilot", None, None, None, False, False)
    runtime = Runtime("3.11.2", "x86_64", {"donkeycar": "5.3.0", "tensorflow": "2.15.1"})
    with pytest.raises(CannotWrite) as refusal:
        plan_launch(car, LocalCloud(car.scratch("local"), python=sys.executable), runtime, wish)
    path = str(tmp_path / "models")
    assert refusal.value.what == path + " is not a folder that you may write to."
    assert refusal.value.fix == (f"Give it to the user who drives the car: `sudo chown -R $USER {path}`.")
