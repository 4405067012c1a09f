"""The files of one job: the owner's modules, and the model to start from."""

import os

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.training.job_files import name_modules
from donkey_sagemaker.training.plan import (
    LiteTransferModel,
    NotATransferModel,
    NoTransferModel,
    find_transfer_model,
)

HDF5 = b"\x89HDF\r\n\x1a\n"


@pytest.fixture
def car(tmp_path):
    (tmp_path / "config.py").write_text("")
    (tmp_path / "models").mkdir()
    return open_car(str(tmp_path), flags={})


def test_modules_of_one_name_do_not_overwrite_each_other():
    """Nor does one that is named like a file of the job."""
    modules = {
        "CUSTOM_A_MODULE": "/car/a/change.py",
        "CUSTOM_B_MODULE": "/car/b/change.py",
        "CUSTOM_C_MODULE": "/car/c/config.py",
        "CUSTOM_D_MODULE": "/car/a/change.py",
    }
    assert name_modules(modules, taken={"config.py": "/car/config.py"}) == {
        "CUSTOM_A_MODULE": "change.py",
        "CUSTOM_B_MODULE": "custom_b_module_change.py",
        "CUSTOM_C_MODULE": "custom_c_module_config.py",
        "CUSTOM_D_MODULE": "change.py",
    }


@pytest.mark.parametrize(
    "name", ["models/a.h5", "models/mypilot", "models/a.savedmodel/", "models/a.savedmodel"]
)
def test_a_model_to_start_from(car, name):
    """HDF5 under any name, or a SavedModel, with the slash that Tab adds."""
    path = car.resolve(name)
    if "savedmodel" in name:
        os.mkdir(path)
        path = os.path.join(path, "saved_model.pb")
    with open(path, "wb") as file:
        file.write(HDF5)
    assert find_transfer_model(car, name) == car.resolve(name)
    assert not find_transfer_model(car, name).endswith("/")


@pytest.mark.parametrize("name", ["models", "models/", ".", "models/notes.txt", "models/linked.savedmodel"])
def test_what_is_no_model_is_not_uploaded(car, name):
    """Not any folder, and nothing that a folder links to."""
    with open(os.path.join(car.path, "models", "notes.txt"), "w") as file:
        file.write("secret")
    linked = os.path.join(car.path, "models", "linked.savedmodel")
    os.mkdir(linked)
    with open(os.path.join(linked, "saved_model.pb"), "w"):
        pass
    os.symlink("/etc/passwd", os.path.join(linked, "x"))
    with pytest.raises(NotATransferModel) as error:
        find_transfer_model(car, name)
    assert "is not a model that Keras wrote" in error.value.what


def test_a_missing_and_a_light_model(car):
    """Each has its own message."""
    with pytest.raises(NoTransferModel):
        find_transfer_model(car, "models/none.h5")
    with pytest.raises(LiteTransferModel):
        find_transfer_model(car, "models/a.tflite")
