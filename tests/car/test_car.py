"""The car: whether a model can be written into its folders is checked before the job that makes one."""

import os
import pathlib

import pytest

from donkey_sagemaker.car.car import CannotWrite, check_writable, open_car
from donkey_sagemaker.training.plan import TrainOptions, make_plan


def test_a_writable_folder(tmp_path: pathlib.Path) -> None:
    """One that can be created counts as well."""
    check_writable(str(tmp_path))
    check_writable(str(tmp_path / "new" / "models"))
    assert os.listdir(str(tmp_path)) == []


def test_a_file_where_the_folder_should_be(tmp_path: pathlib.Path) -> None:
    """No training is planned that would have to write there."""
    (tmp_path / "config.py").write_text("")
    (tmp_path / "myconfig.py").write_text("SAGEMAKER_CAR = 'donkeycar 5.3, tensorflow 2.15'\n")
    (tmp_path / "models").write_text("")
    car = open_car(str(tmp_path), flags={})
    with pytest.raises(CannotWrite) as error:
        make_plan(car, {}, TrainOptions(model="models/pilot"))
    path = str(tmp_path / "models")
    assert error.value.what == f"You cannot write to {path}, or it is not a folder."
    assert error.value.fix == f"Make it yours: `sudo chown -R $USER {path}`."
