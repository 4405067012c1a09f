"""What a car of each generation can load, and how its owner describes it on another machine."""

import json

import pytest

from donkey_sagemaker.car.runtime import (
    BadCarSetting,
    Runtime,
    bare_type,
    parse_runtime,
    why_not_checked,
)


def make_runtime(donkeycar, *, tensorflow="2.15.1", **others):
    versions = {"donkeycar": donkeycar}
    if tensorflow:
        versions["tensorflow"] = tensorflow
    versions.update({name.replace("_", "-"): version for name, version in others.items()})
    return Runtime("3.11.2", "aarch64", versions)


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
    """A Pi with a TFLite runtime loads .tflite only, a 2018 car HDF5 only, and 5.4 no SavedModel."""
    formats = ("h5", "hdf5", "keras", "savedmodel", "tflite")
    assert [model_format for model_format in formats if runtime.loads(model_format)] == loads


@pytest.mark.parametrize(
    "donkeycar, generation",
    [("2.2.4", "dk22"), ("2.5.8", "dk22"), ("3.1.0", "dk50"), ("5.0.0", "dk50"), ("5.1.0", "dk53")]
    + [("5.3.0", "dk53"), ("5.4.0", "dk54"), ("6.0", "dk54")],
)
def test_the_generation(donkeycar, generation):
    """The training image for each version of donkeycar."""
    assert make_runtime(donkeycar).generation == generation


def test_the_bare_type():
    """The type that is trained does not depend on what drives it."""
    assert [bare_type(t) for t in ("linear", "tflite_linear", "tensorrt_rnn")] == ["linear", "linear", "rnn"]


# -- a car that is not this machine -----------------------------------------------------------------------


def test_a_car_as_names_and_versions(tmp_path):
    """They may be in any order; Python and machine are optional."""
    description = "tflite-runtime 2.14, donkeycar 5.3,python 3.11, machine aarch64"
    assert parse_runtime(description, car_path=str(tmp_path)) == Runtime(
        "3.11", "aarch64", {"donkeycar": "5.3", "tflite-runtime": "2.14"}
    )
    runtime = parse_runtime("donkeycar 2.2.4, tensorflow 1.4.1", car_path=str(tmp_path))
    assert (runtime.python, runtime.machine, runtime.donkeycar) == ("", "", (2, 2))
    as_for_pip = parse_runtime("Donkeycar==5.4.0, AI_Edge_LiteRT  2.1.4", car_path=str(tmp_path))
    assert as_for_pip.versions == {"donkeycar": "5.4.0", "ai-edge-litert": "2.1.4"}


def test_a_car_in_a_file(tmp_path):
    """The file that the car's own Python wrote gives the same runtime; its path is relative to the car."""
    runtime = make_runtime("5.4.0", tensorflow=None, ai_edge_litert="2.1.4")
    (tmp_path / "pi.json").write_text(json.dumps(runtime.describe()))
    assert parse_runtime("pi.json", car_path=str(tmp_path)) == runtime


KNOWN = (
    "python, machine, tensorflow, tensorflow-cpu, tensorflow-gpu, tensorflow-macos, tensorflow-aarch64, "
    "ai-edge-litert, tflite-runtime, donkeycar, keras, tf-keras, h5py, numpy"
)


@pytest.mark.parametrize(
    "description, why",
    [
        ("my Pi", f"'my Pi' is not one of these names followed by a version: {KNOWN}"),
        ("donkeycar", f"'donkeycar' is not one of these names followed by a version: {KNOWN}"),
        (
            "donkeycar 5.4 lite",
            f"'donkeycar 5.4 lite' is not one of these names followed by a version: {KNOWN}",
        ),
        ("donkeycar 5, tensorflow 2.15", "the version of donkeycar is missing, such as donkeycar 5.3"),
        ("donkeycar 5.3, tensorflow 2.x", "'2.x' is not a version of tensorflow"),
        ("tensorflow 2.15", "the version of donkeycar is missing, such as donkeycar 5.3"),
        ("donkeycar 5.3", "a package that loads models is missing, such as tensorflow 2.15"),
        ("missing.json", "the file cannot be read: No such file or directory"),
        ("list.json", "the file does not describe a car"),
        ("numbers.json", "the file does not describe a car"),
        ("broken.json", "the file does not describe a car"),
        ("donkeycar 5.3, tensorflow " + "9" * 60, f"'{'9' * 60}' is not a version of tensorflow"),
    ],
)
def test_an_invalid_description_of_a_car(description, why, tmp_path):
    """The message shows the setting and how to correct it."""
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "numbers.json").write_text('{"python": "3", "machine": "", "versions": {"donkeycar": 5.3}}')
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BadCarSetting) as caught:
        parse_runtime(description, car_path=str(tmp_path))
    assert caught.value.what == f"SAGEMAKER_CAR = {description!r} is invalid: {why}."
    assert caught.value.fix == (
        'Set it to names and versions such as "donkeycar 5.3, tflite-runtime 2.14", or to the path of the '
        "file that `donkey-sagemaker doctor --car` writes on the car."
    )


@pytest.mark.parametrize(
    "here, reason",
    [
        (make_runtime("5.1.0"), None),
        (make_runtime("5.4.0"), "this machine has donkeycar 5.4.0, the car 5.3"),
        (make_runtime("5.3.0", tensorflow=None), "this Python has no package that loads it"),
        (None, "donkeycar is not installed in this Python"),
    ],
)
def test_what_another_machine_cannot_check(here, reason):
    """The donkeycar of another generation proves nothing about the car's."""
    car = make_runtime("5.3", tensorflow=None, tflite_runtime="2.14")
    assert why_not_checked("tflite", car=car, here=here) == reason
