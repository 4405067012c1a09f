"""SAGEMAKER_TUNE as the trainer's hyperparameters, and back."""

import math

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import Plan
from donkey_sagemaker.contract import encode_hyperparameters
from donkey_sagemaker.training.tune_space import draw_trials
from donkey_sagemaker.training.tuning_space import (
    CannotTune,
    make_tuning_space,
    plan_of_trial,
    read_values,
    trained_plan,
)

SPACE = {
    "LEARNING_RATE": (0.0003, 0.01),
    "DEFAULT_MODEL_TYPE": ["linear", "categorical"],
    "SAGEMAKER_SLIDE": [0, 2],
    "SAGEMAKER_RECIPE": ["robust"],
    "SAGEMAKER_MIN_THROTTLE": (0.1, 0.3),
}


@pytest.fixture
def car(tmp_path):
    (tmp_path / "config.py").write_text("MAX_EPOCHS = 6\nBATCH_SIZE = 64\nOPTIMIZER = None\nIMAGE_W = 160\n")
    (tmp_path / "myconfig.py").write_text('SAGEMAKER_CAR = "donkeycar 5.3, tensorflow 2.15"\n')
    return open_car(str(tmp_path), flags={})


@pytest.fixture
def plan(car):
    return Plan(
        model_type="linear",
        base=car.models_path + "/pilot",
        models=[(".tflite", "tflite"), (".savedmodel", "savedmodel")],
        tubs=[],
        transfer=None,
        comment=None,
    )


def test_the_names_of_the_trainer(car, plan):
    """A list of one value is the same in all trials, and LEARNING_RATE needs an optimizer."""
    space = make_tuning_space(car, SPACE, plan)
    assert space.parameters == {
        "LEARNING_RATE": {"low": 0.0003, "high": 0.01},
        "DEFAULT_MODEL_TYPE": {"values": ["linear", "categorical"]},
        "with_slide": {"values": [0, 2]},
        "min_throttle": {"low": 0.1, "high": 0.3},
    }
    assert space.fixed == {"recipe": "robust", "OPTIMIZER": "adam"}
    assert not space.stops_early  # the losses of several types cannot be compared
    described = space.describe(plan)
    assert described["parameters"] == space.parameters
    files = [("pilot.tflite", "tflite"), ("pilot.savedmodel", "savedmodel")]
    assert described["models"] == {"linear": files, "categorical": files}
    assert make_tuning_space(car, {"BATCH_SIZE": [32, 64]}, plan).stops_early


def test_the_values_of_a_trial():
    """By the names of SAGEMAKER_TUNE again."""
    tuned = {
        "LEARNING_RATE": 0.002,
        "DEFAULT_MODEL_TYPE": "linear",
        "with_slide": 2,
        "AUGMENTATIONS": ["BLUR"],
    }
    assert read_values(encode_hyperparameters(tuned)) == {
        "LEARNING_RATE": 0.002,
        "DEFAULT_MODEL_TYPE": "linear",
        "SAGEMAKER_SLIDE": 2,
        "AUGMENTATIONS": ["BLUR"],
    }


def test_the_files_of_a_trial(car, plan):
    """Those that a training of its type would make, the one to drive first."""
    other = plan_of_trial(car, plan, "categorical")
    assert other == plan._replace(model_type="categorical")
    assert plan_of_trial(car, plan, None) == plan_of_trial(car, plan, "linear") == plan


@pytest.mark.parametrize(
    "space, words",
    [
        ({"SAGEMAKER_DRIVING_PROOF": [True, False]}, "all trials of a tuning have the same one"),
        ({"SAGEMAKER_SLIDE": ["auto", 1]}, "'auto' is not"),
        ({"SAGEMAKER_MIN_THROTTLE": (-1, 0.5)}, "-1 is not"),
        ({"DEFAULT_MODEL_TYPE": ["tflite_linear", "linear"]}, "is not a type without a prefix"),
        ({"AUGMENTATIONS": [[], [float("nan")]]}, "cannot be sent"),
        ({"AUGMENTATIONS": [[], ["B" * 300]]}, "longer than 256 characters"),
        ({"BATCH_SIZE": [64]}, "there is only one value of each"),
    ],
)
def test_what_cannot_be_tried(car, plan, space, words):
    """The setting is named, and why."""
    with pytest.raises(CannotTune) as error:
        make_tuning_space(car, space, plan)
    assert f"A tuning cannot try values of {next(iter(space))}: " in error.value.what
    assert words in error.value.what


def test_trials_cover_the_space_evenly():
    """Each value of a list comes equally often, each part of a range once, and the same seed is the same."""
    space = {"LEARNING_RATE": (0.0001, 0.1), "BATCH_SIZE": [32, 64], "EPOCHS": (1, 4), "DROPOUT": (0.1, 0.5)}
    first, *others = trials = draw_trials(space, 13, seed=3)
    assert first == {} and len(others) == 12 and draw_trials(space, 13, seed=3) == trials
    assert trials != draw_trials(space, 13, seed=4)
    magnitudes = sorted(math.log10(each["LEARNING_RATE"]) for each in others)
    assert [int((magnitude + 4) * 4) for magnitude in magnitudes] == list(range(12))
    assert sorted(each["BATCH_SIZE"] for each in others) == [32] * 6 + [64] * 6
    assert sorted(each["EPOCHS"] for each in others) == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert all(0.1 <= each["DROPOUT"] < 0.5 for each in others)
    assert [each["BATCH_SIZE"] for each in others] != sorted(each["BATCH_SIZE"] for each in others)
    assert draw_trials(space, 1, seed=3) == [{}]
    assert len(draw_trials({"BATCH_SIZE": [32, 64], "SLIDE": [0, 1]}, 40, seed=3)) == 1 + 4


def test_the_type_that_the_archive_has(car, plan):
    """Only one that the car has asked for; otherwise the plan stays, and the check rejects the model."""
    asked = plan._replace(trial_types=["categorical", "linear"])
    assert trained_plan(car, asked, "categorical").model_type == "categorical"
    for model_type in ("linear", "rnn", None):
        assert trained_plan(car, asked, model_type) == asked
    assert trained_plan(car, plan, "categorical") == plan
