"""What a car of each generation can load, and what a training leaves for it."""

import pytest

from donkey_sagemaker.car.runtime import FormatUnknown, Runtime, UnknownType, bare_type, plan_models


def plan(asked, *, donkeycar, model_type="linear", **config):
    return plan_models(
        asked,
        model_type=model_type,
        donkeycar=donkeycar,
        config=config,
        version=".".join(map(str, donkeycar)),
    )


@pytest.mark.parametrize(
    "asked, donkeycar, config, base, models",
    [
        ("models/a", (2, 2), {}, "models/a", [("", "hdf5")]),
        ("models/a.h5", (2, 5), {}, "models/a.h5", [("", "hdf5")]),
        ("models/a", (4, 5), {}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a", (5, 0), {}, "models/a", [(".savedmodel", "savedmodel"), (".tflite", "tflite")]),
        ("models/a", (5, 3), {}, "models/a", [(".savedmodel", "savedmodel"), (".tflite", "tflite")]),
        ("models/a", (5, 3), {"SAVE_MODEL_AS_H5": True}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a", (5, 3), {"CREATE_TF_LITE": False}, "models/a", [(".savedmodel", "savedmodel")]),
        ("models/a.h5", (5, 3), {}, "models/a", [(".h5", "h5"), (".tflite", "tflite")]),
        ("models/a.tflite", (5, 3), {}, "models/a", [(".tflite", "tflite"), (".savedmodel", "savedmodel")]),
        ("models/a", (5, 4), {}, "models/a", [(".keras", "keras"), (".tflite", "tflite")]),
        ("models/a.v2", (5, 4), {}, "models/a.v2", [(".keras", "keras"), (".tflite", "tflite")]),
        ("my.models/a", (5, 4), {}, "my.models/a", [(".keras", "keras"), (".tflite", "tflite")]),
    ],
)
def test_a_training_leaves_what_that_generation_leaves(asked, donkeycar, config, base, models):
    """The ending that was asked for, else the one that `donkey train` of that version would give."""
    assert plan(asked, donkeycar=donkeycar, **config) == (base, models)


def test_a_tflite_type_makes_the_tflite_first():
    """--type tflite_linear is written as `drive` writes it: that file must be had, or the job fails."""
    planned = plan("models/a", donkeycar=(5, 3), model_type="tflite_linear", CREATE_TF_LITE=False)
    assert planned.models == [(".tflite", "tflite"), (".savedmodel", "savedmodel")]


def test_an_ending_that_this_generation_does_not_drive_is_refused():
    """A .keras on a 5.3 car would load nowhere."""
    with pytest.raises(FormatUnknown) as refusal:
        plan("models/a.keras", donkeycar=(5, 3))
    assert refusal.value.what == "donkeycar 5.3 does not drive a model named models/a.keras."
    assert refusal.value.fix == "End --model with one of .savedmodel, .h5, .tflite, or leave the ending out."


@pytest.mark.parametrize(
    "donkeycar, model_type, known",
    [
        ((2, 2), "tflite_linear", "linear, categorical"),
        ((2, 5), "categorical", "linear"),
        ((5, 3), "fastai_linear", "linear, categorical, inferred, memory, behavior, localizer, rnn, 3d, imu"),
    ],
)
def test_a_type_that_this_generation_does_not_know_is_refused(donkeycar, model_type, known):
    """Before anything is packed or paid for."""
    with pytest.raises(UnknownType) as refusal:
        plan("models/a", donkeycar=donkeycar, model_type=model_type)
    version = ".".join(map(str, donkeycar))
    assert refusal.value.what == "donkeycar {} trains no models of type {!r}.".format(version, model_type)
    assert refusal.value.fix == "Choose one of {} with --type or DEFAULT_MODEL_TYPE.".format(known)


@pytest.mark.parametrize(
    "versions, loads",
    [
        ({"tensorflow": "1.4.1"}, {"hdf5": True, "tflite": False}),
        ({"tensorflow": "2.15.1"}, {"h5": True, "tflite": True}),
        ({"tflite-runtime": "2.14.0"}, {"savedmodel": False, "tflite": True}),
        ({"ai-edge-litert": "2.1.4"}, {"keras": False, "tflite": True}),
        ({}, {"h5": False, "tflite": False}),
    ],
)
def test_what_a_runtime_loads(versions, loads):
    """A Pi with a light runtime loads .tflite alone, a 2018 car everything but that."""
    runtime = Runtime("3.11.2", "aarch64", versions)
    assert {form: runtime.loads(form) for form in loads} == loads


def test_the_bare_type():
    """What is trained, whatever drives it."""
    assert [bare_type(t) for t in ("linear", "tflite_linear", "tensorrt_rnn")] == ["linear", "linear", "rnn"]
