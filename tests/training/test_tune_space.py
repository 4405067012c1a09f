"""What sagemaker-tune tries, and which result is better."""

import math

import pytest

pytest.importorskip("optuna", reason="pip install optuna")

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import Bill
from donkey_sagemaker.training.tune_space import (
    Chooser,
    Result,
    complete,
    describe_space,
    describe_values,
    rank,
)
from job_factory import make_job

SPACE = {
    "LEARNING_RATE": (0.0001, 0.1),
    "BATCH_SIZE": [32, 64],
    "LAYERS": (1, 5),
    "AUGMENTATIONS": [[], ["BLUR"]],
}


def make_result(number, **values):
    return Result(number, {}, make_job(), Bill(), has_model=True)._replace(**values)


def test_values_are_of_the_space():
    """A list's own values, and numbers of a range: whole ones where its ends are."""
    chooser = Chooser(SPACE, seed=1)
    assert chooser.choose(1) == {}  # the car's own
    rates = []
    for number in range(2, 30):
        values = chooser.choose(number)
        assert list(values) == list(SPACE)
        assert 0.0001 <= values["LEARNING_RATE"] <= 0.1 and values["BATCH_SIZE"] in (32, 64)
        assert values["LAYERS"] in range(1, 6) and values["AUGMENTATIONS"] in ([], ["BLUR"])
        rates.append(values["LEARNING_RATE"])
        chooser.learn(number, values["LEARNING_RATE"], was_stopped=False)
    assert sum(rate < 0.01 for rate in rates) > 14  # spread by magnitude, and learnt from


def test_a_trial_that_lags_behind_is_stopped():
    """After some epochs, and only once there are others to compare it with."""
    chooser = Chooser(SPACE, seed=1)
    for number in range(2, 8):
        chooser.choose(number)
        assert not any(chooser.is_hopeless(number, epoch, 0.1 / epoch) for epoch in range(1, 6))
        chooser.learn(number, 0.02, was_stopped=False)
    chooser.choose(8)
    assert not chooser.is_hopeless(8, 1, 0.9)
    assert chooser.is_hopeless(8, 4, 0.9)
    assert not chooser.is_hopeless(8, 5, math.nan) and not chooser.is_hopeless(1, 5, 0.9)
    chooser.learn(8, math.inf, was_stopped=True)
    chooser.learn(9, math.inf, was_stopped=False)


def test_losses_of_different_types_are_not_compared():
    """That of a categorical model is ten times that of a linear one which drives no better."""
    chooser = Chooser({"DEFAULT_MODEL_TYPE": ["linear", "categorical"]}, seed=1)
    for number in range(2, 8):
        chooser.choose(number)
        assert not any(chooser.is_hopeless(number, epoch, 0.1 / epoch) for epoch in range(1, 6))
        chooser.learn(number, 0.02, was_stopped=False)
    chooser.choose(8)
    assert not chooser.is_hopeless(8, 4, 2.4)


def test_the_best_first():
    """How a model drives comes before its validation loss; one without a model is last."""
    drove = make_result(1, times_off_per_100_m=2.0, mean_distance_m=0.1, val_loss=0.9)
    straight = make_result(2, times_off_per_100_m=2.0, mean_distance_m=0.05, val_loss=0.9)
    undriven = make_result(3, val_loss=0.01)
    blind = make_result(4, val_loss=math.nan)
    failed = make_result(5, has_model=False, val_loss=0.001)
    assert rank([failed, blind, undriven, drove, straight]) == [straight, drove, undriven, blind, failed]


def test_a_learning_rate_needs_an_optimizer(tmp_path):
    """Without one, donkeycar ignores it."""
    (tmp_path / "config.py").write_text("OPTIMIZER = None\n")
    car = open_car(str(tmp_path), flags={})
    assert complete({"LEARNING_RATE": 0.1}, car) == {"LEARNING_RATE": 0.1, "OPTIMIZER": "adam"}
    assert complete({"LEARNING_RATE": 0.1, "OPTIMIZER": "sgd"}, car)["OPTIMIZER"] == "sgd"
    assert complete({"BATCH_SIZE": 32}, car) == {"BATCH_SIZE": 32}
    (tmp_path / "config.py").write_text("OPTIMIZER = 'rmsprop'\n")
    assert "OPTIMIZER" not in complete({"LEARNING_RATE": 0.1}, open_car(str(tmp_path), flags={}))


def test_words():
    """As they are printed before and during the trials."""
    assert describe_space(SPACE) == (
        "LEARNING_RATE: 0.0001 to 0.1; BATCH_SIZE: 32, 64; LAYERS: 1 to 5; AUGMENTATIONS: [], ['BLUR']"
    )
    assert describe_values({}) == "the car's own settings"
    assert (
        describe_values({"LEARNING_RATE": 0.00123456, "BATCH_SIZE": 32})
        == "LEARNING_RATE=0.00123, BATCH_SIZE=32"
    )
