"""The names of models, and the files that a training creates for a car of each generation."""

import datetime
import os
from typing import List

import pytest

from donkey_sagemaker.car.model_files import (
    BadModelPath,
    UnsupportedType,
    default_model_path,
    model_name,
    plan_models,
)
from donkey_sagemaker.car.runtime import Runtime


def plan(path, *, donkeycar, model_type="linear", tensorflow="2.15.1", **config):
    versions = {"donkeycar": donkeycar, "tflite-runtime": "2.14.0"}
    if tensorflow:
        versions["tensorflow"] = tensorflow
    runtime = Runtime("3.11.2", "aarch64", versions)
    return plan_models(path, model_type=model_type, runtime=runtime, config=config)


@pytest.mark.parametrize(
    "path, name",
    [
        ("models/pilot_21-01-01_3.h5", "pilot_21-01-01_3"),
        ("models/pilot.savedmodel", "pilot"),
        ("models/pilot.history.json", "pilot"),
        ("models/mypilot", "mypilot"),
        ("models/my.pilot", "my.pilot"),
        ("pilot.v2.TFLITE", "pilot.v2"),
    ],
)
def test_model_name(path: str, name: str) -> None:
    """Only extensions that donkeycar recognizes as those of a model are removed."""
    assert model_name(path) == name


@pytest.mark.parametrize(
    "numbers, existing, expected",
    [
        ([], [], "pilot_21-02-03_0.h5"),
        ([0, 7, 3], [], "pilot_21-02-03_8.h5"),
        ([0], ["pilot_21-02-03_1.tflite", "pilot_21-02-03_2"], "pilot_21-02-03_3.h5"),
        ([0], ["pilot_21-02-03_10.h5"], "pilot_21-02-03_1.h5"),
    ],
)
def test_default_model_path(numbers: List[int], existing: List[str], expected: str) -> None:
    """The next number in the database, and never a name that is already used with any extension."""
    path = default_model_path(
        "models",
        today=datetime.date(2021, 2, 3),
        extension=".h5",
        database_numbers=numbers,
        existing_names=existing,
    )
    assert path == os.path.join("models", expected)


@pytest.mark.parametrize(
    "path, donkeycar, config, base, models",
    [
        ("models/a", "2.2.4", {}, "models/a", [("", "hdf5")]),
        ("models/a.h5", "2.5.8", {}, "models/a.h5", [("", "hdf5")]),
        ("models/a", "3.1.0", {}, "models/a", [(".h5", "h5")]),
        ("models/a", "4.5.1", {}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a", "5.0.0", {}, "models/a", [(".savedmodel", "savedmodel"), (".tflite", "tflite")]),
        ("models/a", "5.3.0", {}, "models/a", [(".savedmodel", "savedmodel"), (".tflite", "tflite")]),
        ("models/a", "5.3.0", {"SAVE_MODEL_AS_H5": True}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a", "5.3.0", {"CREATE_TF_LITE": False}, "models/a", [(".savedmodel", "savedmodel")]),
        ("models/a.h5", "5.3.0", {}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a.tflite", "5.3.0", {}, "models/a", [(".tflite", "tflite"), (".savedmodel", "savedmodel")]),
        ("models/a", "5.4.0", {}, "models/a", [(".keras", "keras"), (".tflite", "tflite")]),
        ("models/a.v2", "5.4.0", {}, "models/a.v2", [(".keras", "keras"), (".tflite", "tflite")]),
        ("my.models/a", "5.4.0", {}, "my.models/a", [(".keras", "keras"), (".tflite", "tflite")]),
        ("models/trt", "5.4.0", {}, "models/trt", [(".keras", "keras"), (".tflite", "tflite")]),
    ],
)
def test_a_training_creates_the_files_of_its_generation(path, donkeycar, config, base, models):
    """The requested extension, or the default one of `donkey train` in that version."""
    assert plan(path, donkeycar=donkeycar, **config) == (base, models)


@pytest.mark.parametrize("path", ["models/a", "models/a.tflite"])
def test_a_car_without_tensorflow_gets_the_tflite_first(path):
    """The job fails without the first file; a later training can start from the .h5."""
    planned = plan(path, donkeycar="5.3.0", tensorflow=None)
    assert planned.models == [(".tflite", "tflite"), (".h5", "h5")]


def test_a_tflite_type_creates_the_tflite_first():
    """--type tflite_linear is the same as for `drive`, and the job fails without this file."""
    planned = plan("models/a", donkeycar="5.3.0", model_type="tflite_linear", CREATE_TF_LITE=False)
    assert planned.models == [(".tflite", "tflite"), (".savedmodel", "savedmodel")]


@pytest.mark.parametrize(
    "path, model_type, tensorflow",
    [("a", "tflite_3d", "2.15.1"), ("a.tflite", "3d", "2.15.1"), ("a", "3d", None)],
)
def test_a_type_that_cannot_be_converted_to_tflite(path, model_type, tensorflow):
    """This is an error if the car is to drive the .tflite; next to another format it is only left out."""
    with pytest.raises(UnsupportedType) as caught:
        plan(path, donkeycar="5.3.0", model_type=model_type, tensorflow=tensorflow)
    assert caught.value.what == (
        "A 3d model cannot be converted to .tflite: TFLite lacks an operation that it needs."
    )
    assert caught.value.fix == "Choose another --type, or end --model with .h5 if the car has TensorFlow."
    assert plan("a.h5", donkeycar="5.3.0", model_type="3d").models == [(".h5", "h5"), (".tflite", "tflite")]


def test_a_pilot_that_calls_tensorflow():
    """donkeycar's memory pilot does, up to 5.3, even if TFLite runs its net."""
    with pytest.raises(UnsupportedType) as caught:
        plan("a", donkeycar="5.3.0", model_type="tflite_memory", tensorflow=None)
    assert caught.value.what == "donkeycar 5.3.0 cannot drive a memory model without TensorFlow."
    assert caught.value.fix == "Choose another --type, or install TensorFlow on the car."
    assert plan("a", donkeycar="5.4.0", model_type="memory", tensorflow=None).models[0][1] == "tflite"


@pytest.mark.parametrize(
    "path, what",
    [
        ("models/a.keras", "A job cannot create a.keras: donkeycar 5.3.0 could not drive it."),
        (
            "models/a.trt",
            "A job cannot create a.trt: TensorRT creates such a file on the machine that drives it.",
        ),
        (
            "models/a.pth",
            "A job cannot create a.pth: it is a PyTorch model, and jobs train with TensorFlow.",
        ),
    ],
)
def test_an_extension_that_a_job_cannot_create(path, what):
    """No runtime of a 5.3 car could load a .keras; other files are not created by jobs at all."""
    with pytest.raises(BadModelPath) as caught:
        plan(path, donkeycar="5.3.0")
    assert caught.value.what == what
    assert (
        caught.value.fix == "End --model with one of .savedmodel, .h5, .tflite, or leave out the extension."
    )


@pytest.mark.parametrize("path", ["models/", "models/.h5", "models/" + "a" * 201, "models/a\nb"])
def test_a_path_that_is_not_the_name_of_a_model(path):
    """The archive with such a model would be rejected after the training."""
    with pytest.raises(BadModelPath) as caught:
        plan(path, donkeycar="5.3.0")
    assert caught.value.what == f"--model {path} is not the name of a model."
    assert caught.value.fix == "Pass a name such as models/pilot to --model."


@pytest.mark.parametrize(
    "donkeycar, path, is_error",
    [("2.2.4", "models", True), ("5.3.0", "models", False), ("5.3.0", "a.h5", True), ("5.3.0", "b", False)],
)
def test_a_folder_is_not_a_model(donkeycar, path, is_error, tmp_path):
    """A folder would be replaced by the new file. Only a SavedModel is a folder that may be replaced."""
    for name in ("models", "a.h5", "b.savedmodel"):
        (tmp_path / name).mkdir()
    try:
        plan(str(tmp_path / path), donkeycar=donkeycar)
    except BadModelPath:
        assert is_error
    else:
        assert not is_error


@pytest.mark.parametrize(
    "donkeycar, model_type, suggestion, known",
    [
        ("2.2.4", "tflite_linear", " Did you mean linear?", "linear, categorical"),
        ("2.5.8", "categorical", "", "linear"),
        (
            "5.3.0",
            "fastai_linear",
            " Did you mean linear?",
            "linear, categorical, inferred, memory, behavior, localizer, rnn, 3d, imu",
        ),
    ],
)
def test_a_type_that_does_not_exist_in_this_generation(donkeycar, model_type, suggestion, known):
    """This is an error before anything is uploaded or billed."""
    with pytest.raises(UnsupportedType) as caught:
        plan("models/a", donkeycar=donkeycar, model_type=model_type)
    what = f"donkeycar {donkeycar} cannot train models of type {model_type!r}.{suggestion}"
    assert caught.value.what == what
    assert caught.value.fix == f"Choose one of {known} with --type or DEFAULT_MODEL_TYPE."
