"""What a car of each generation can load, what a training leaves for it, and how its owner names it."""

import json

import pytest

from donkey_sagemaker.car.runtime import (
    BadCar,
    FormatUnknown,
    NeedsTensorflow,
    NoLiteModel,
    NoModelName,
    Runtime,
    UnknownType,
    bare_type,
    named_runtime,
    plan_models,
    why_not_driven,
)


def make_runtime(donkeycar, *, tensorflow="2.15.1", **others):
    versions = {"donkeycar": donkeycar}
    if tensorflow:
        versions["tensorflow"] = tensorflow
    versions.update({name.replace("_", "-"): version for name, version in others.items()})
    return Runtime("3.11.2", "aarch64", versions)


def plan(asked, *, donkeycar, model_type="linear", tensorflow="2.15.1", **config):
    runtime = make_runtime(donkeycar, tensorflow=tensorflow, tflite_runtime="2.14.0")
    return plan_models(asked, model_type=model_type, runtime=runtime, config=config)


@pytest.mark.parametrize(
    "asked, donkeycar, config, base, models",
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
def test_a_training_leaves_what_that_generation_leaves(asked, donkeycar, config, base, models):
    """The ending that was asked for, else the one that `donkey train` of that version would give."""
    assert plan(asked, donkeycar=donkeycar, **config) == (base, models)


@pytest.mark.parametrize("asked", ["models/a", "models/a.tflite"])
def test_a_car_without_tensorflow_gets_the_tflite_first(asked):
    """That file must be had, or the job fails; the .h5 beside it is what a later training starts from."""
    planned = plan(asked, donkeycar="5.3.0", tensorflow=None)
    assert planned.models == [(".tflite", "tflite"), (".h5", "h5")]


def test_a_tflite_type_makes_the_tflite_first():
    """--type tflite_linear is written as `drive` writes it: that file must be had, or the job fails."""
    planned = plan("models/a", donkeycar="5.3.0", model_type="tflite_linear", CREATE_TF_LITE=False)
    assert planned.models == [(".tflite", "tflite"), (".savedmodel", "savedmodel")]


@pytest.mark.parametrize(
    "asked, model_type, tensorflow",
    [("a", "tflite_3d", "2.15.1"), ("a.tflite", "3d", "2.15.1"), ("a", "3d", None)],
)
def test_a_type_that_cannot_be_a_tflite_is_refused(asked, model_type, tensorflow):
    """Where a .tflite is what is to be driven; beside another format it is only left out."""
    with pytest.raises(NoLiteModel) as refusal:
        plan(asked, donkeycar="5.3.0", model_type=model_type, tensorflow=tensorflow)
    assert refusal.value.what == "A 3d model cannot be a .tflite: light runtimes lack what it needs."
    assert refusal.value.fix == "Choose another --type, or end --model with .h5 where the car has TensorFlow."
    assert plan("a.h5", donkeycar="5.3.0", model_type="3d").models == [(".h5", "h5"), (".tflite", "tflite")]


def test_a_pilot_that_calls_tensorflow():
    """donkeycar's own memory pilot, up to 5.3, whatever runs its net."""
    with pytest.raises(NeedsTensorflow) as refusal:
        plan("a", donkeycar="5.3.0", model_type="tflite_memory", tensorflow=None)
    assert refusal.value.what == (
        "donkeycar 5.3.0 drives no memory model without TensorFlow, which its pilot calls."
    )
    assert refusal.value.fix == "Choose another --type, or install TensorFlow on the car."
    assert plan("a", donkeycar="5.4.0", model_type="memory", tensorflow=None).models[0][1] == "tflite"


@pytest.mark.parametrize(
    "asked, what",
    [
        ("models/a.keras", "No job makes a.keras: donkeycar 5.3.0 would not drive it."),
        (
            "models/a.trt",
            "No job makes a.trt: TensorRT makes such a file, on the machine that drives it.",
        ),
        ("models/a.pth", "No job makes a.pth: that is PyTorch's, and jobs train with TensorFlow."),
    ],
)
def test_an_ending_that_is_not_to_be_had_is_refused(asked, what):
    """A .keras on a 5.3 car would load nowhere; others are made elsewhere."""
    with pytest.raises(FormatUnknown) as refusal:
        plan(asked, donkeycar="5.3.0")
    assert refusal.value.what == what
    assert refusal.value.fix == "End --model with one of .savedmodel, .h5, .tflite, or leave the ending out."


@pytest.mark.parametrize("asked", ["models/", "models/.h5", "models/" + "a" * 201, "models/a\nb"])
def test_a_path_that_names_no_model(asked):
    """The archive that comes back would be refused."""
    with pytest.raises(NoModelName) as refusal:
        plan(asked, donkeycar="5.3.0")
    assert refusal.value.what == f"--model {asked} names no model."
    assert refusal.value.fix == "Give it a name, such as models/pilot."


@pytest.mark.parametrize(
    "donkeycar, asked, is_refused",
    [("2.2.4", "models", True), ("5.3.0", "models", False), ("5.3.0", "a.h5", True), ("5.3.0", "b", False)],
)
def test_a_folder_is_no_model(donkeycar, asked, is_refused, tmp_path):
    """It would be put away for the new file; a SavedModel is one, and is replaced."""
    for name in ("models", "a.h5", "b.savedmodel"):
        (tmp_path / name).mkdir()
    try:
        plan(str(tmp_path / asked), donkeycar=donkeycar)
    except NoModelName:
        assert is_refused
    else:
        assert not is_refused


@pytest.mark.parametrize(
    "donkeycar, model_type, known",
    [
        ("2.2.4", "tflite_linear", "linear, categorical"),
        ("2.5.8", "categorical", "linear"),
        (
            "5.3.0",
            "fastai_linear",
            "linear, categorical, inferred, memory, behavior, localizer, rnn, 3d, imu",
        ),
    ],
)
def test_a_type_that_this_generation_does_not_know_is_refused(donkeycar, model_type, known):
    """Before anything is packed or paid for."""
    with pytest.raises(UnknownType) as refusal:
        plan("models/a", donkeycar=donkeycar, model_type=model_type)
    assert refusal.value.what == f"donkeycar {donkeycar} trains no models of type {model_type!r}."
    assert refusal.value.fix == f"Choose one of {known} with --type or DEFAULT_MODEL_TYPE."


@pytest.mark.parametrize(
    "runtime, loads",
    [
        (make_runtime("2.2.4", tensorflow="1.4.1"), ["h5", "hdf5"]),
        (make_runtime("3.1.0", tensorflow="1.15.5"), ["h5", "hdf5"]),
        (make_runtime("4.5.1", tensorflow="2.4.4"), ["h5", "hdf5", "tflite"]),
        (make_runtime("5.3.0"), ["h5", "hdf5", "savedmodel", "tflite"]),
        (make_runtime("5.3.0", tensorflow=None, tflite_runtime="2.14.0"), ["tflite"]),
        (make_runtime("5.4.0", tensorflow="2.19.1"), ["h5", "hdf5", "keras", "tflite"]),
        (make_runtime("5.4.0", tensorflow=None, ai_edge_litert="2.1.4"), ["tflite"]),
        (make_runtime("5.4.0", tensorflow=None), []),
    ],
)
def test_what_a_runtime_loads(runtime, loads):
    """A Pi with a light runtime .tflite alone, a 2018 car HDF5 alone, 5.4 no SavedModel."""
    assert [form for form in ("h5", "hdf5", "keras", "savedmodel", "tflite") if runtime.loads(form)] == loads


@pytest.mark.parametrize(
    "donkeycar, generation",
    [("2.2.4", "dk22"), ("2.5.8", "dk22"), ("3.1.0", "dk50"), ("5.0.0", "dk50"), ("5.1.0", "dk53")]
    + [("5.3.0", "dk53"), ("5.4.0", "dk54"), ("6.0", "dk54")],
)
def test_the_generation(donkeycar, generation):
    """The training image that is made for this donkeycar."""
    assert make_runtime(donkeycar).generation == generation


def test_the_bare_type():
    """What is trained, whatever drives it."""
    assert [bare_type(t) for t in ("linear", "tflite_linear", "tensorrt_rnn")] == ["linear", "linear", "rnn"]


# -- a car that is elsewhere ------------------------------------------------------------------------------


def test_a_car_in_words(tmp_path):
    """Names and versions in any order, what is not named is not known."""
    named = "tflite-runtime 2.14, donkeycar 5.3,python 3.11, machine aarch64"
    assert named_runtime(named, car_path=str(tmp_path)) == Runtime(
        "3.11", "aarch64", {"donkeycar": "5.3", "tflite-runtime": "2.14"}
    )
    runtime = named_runtime("donkeycar 2.2.4, tensorflow 1.4.1", car_path=str(tmp_path))
    assert (runtime.python, runtime.machine, runtime.donkeycar) == ("", "", (2, 2))
    as_pip_says = named_runtime("Donkeycar==5.4.0, AI_Edge_LiteRT  2.1.4", car_path=str(tmp_path))
    assert as_pip_says.versions == {"donkeycar": "5.4.0", "ai-edge-litert": "2.1.4"}


def test_a_car_in_a_file(tmp_path):
    """What the car's own Python wrote comes back the same; the path counts from the car's folder."""
    runtime = make_runtime("5.4.0", tensorflow=None, ai_edge_litert="2.1.4")
    (tmp_path / "pi.json").write_text(json.dumps(runtime.describe()))
    assert named_runtime("pi.json", car_path=str(tmp_path)) == runtime


KNOWN = (
    "python, machine, tensorflow, tensorflow-cpu, tensorflow-gpu, tensorflow-macos, tensorflow-aarch64, "
    "ai-edge-litert, tflite-runtime, donkeycar, keras, tf-keras, h5py, numpy"
)


@pytest.mark.parametrize(
    "named, why",
    [
        ("my Pi", f"'my Pi' is not one of {KNOWN} and its version"),
        ("donkeycar", f"'donkeycar' is not one of {KNOWN} and its version"),
        ("donkeycar 5.4 lite", f"'donkeycar 5.4 lite' is not one of {KNOWN} and its version"),
        ("donkeycar 5, tensorflow 2.15", "it names no version of donkeycar, such as donkeycar 5.3"),
        ("donkeycar 5.3, tensorflow 2.x", "tensorflow 2.x is no version"),
        ("tensorflow 2.15", "it names no version of donkeycar, such as donkeycar 5.3"),
        ("donkeycar 5.3", "it names nothing that loads a model, such as tflite-runtime 2.14"),
        ("missing.json", "the file cannot be read: No such file or directory"),
        ("list.json", "the file does not describe a car"),
        ("numbers.json", "the file does not describe a car"),
        ("broken.json", "the file does not describe a car"),
    ],
)
def test_a_car_that_is_named_badly(named, why, tmp_path):
    """The message shows what was set and how to set it right."""
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "numbers.json").write_text('{"python": "3", "machine": "", "versions": {"donkeycar": 5.3}}')
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BadCar) as refusal:
        named_runtime(named, car_path=str(tmp_path))
    assert refusal.value.what == f"SAGEMAKER_CAR = {named!r}: {why}."
    assert refusal.value.fix == (
        'Set it to words such as "donkeycar 5.3, tflite-runtime 2.14", or to the path of the file that '
        "`donkey-sagemaker doctor --car` writes on the car."
    )


@pytest.mark.parametrize(
    "here, reason",
    [
        (make_runtime("5.1.0"), None),
        (make_runtime("5.4.0"), "this machine has donkeycar 5.4.0, the car 5.3"),
        (make_runtime("5.3.0", tensorflow=None), "this Python has nothing that loads it"),
        (None, "this Python has no donkeycar"),
    ],
)
def test_what_another_machine_cannot_check(here, reason):
    """Another generation's donkeycar proves nothing of the car's."""
    car = make_runtime("5.3", tensorflow=None, tflite_runtime="2.14")
    assert why_not_driven("tflite", car=car, here=here) == reason
