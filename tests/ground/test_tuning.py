"""What car and container agree on about the trials of a tuning."""

import math
import random
import re
import struct

import pytest

from donkey_sagemaker.tuning import (
    METRIC_REGEX,
    WrongParameters,
    choose_tuned,
    format_objective,
    is_wide,
    make_parameter,
    objective,
)

PARAMETERS = {
    "LEARNING_RATE": make_parameter((0.0003, 0.01)),
    "LAYERS": make_parameter((1, 5)),
    "AUGMENTATIONS": make_parameter([[], ["BLUR"]]),
    "recipe": make_parameter(["donkeycar", "robust"]),
    "with_slide": make_parameter([0, 1]),
}
VALUES = {"LEARNING_RATE": 0.002, "LAYERS": 3, "AUGMENTATIONS": ["BLUR"], "recipe": "robust", "with_slide": 1}


def test_the_values_of_a_trial():
    """Those of the space, and no other hyperparameter."""
    assert choose_tuned(PARAMETERS, dict(VALUES, seed=1, _tuning_objective_metric="objective")) == VALUES
    rounded = dict(VALUES, LEARNING_RATE=0.010000000001)  # as AWS may write the end of a range
    assert choose_tuned(PARAMETERS, rounded) == rounded
    assert choose_tuned({}, VALUES) == {}


@pytest.mark.parametrize(
    "name, value",
    [
        ("LEARNING_RATE", 0.02),
        ("LEARNING_RATE", 0.0),
        ("LEARNING_RATE", math.nan),
        ("LEARNING_RATE", True),
        ("LEARNING_RATE", "0.002"),
        ("LAYERS", 2.5),
        ("LAYERS", 6),
        ("AUGMENTATIONS", ["CROP"]),
        ("recipe", "../robust"),
        ("with_slide", True),
        ("with_slide", "1"),
    ],
)
def test_values_that_are_not_of_the_space(name, value):
    """They are refused by name, whatever their type."""
    with pytest.raises(WrongParameters, match=f"^{name} cannot be {re.escape(repr(value))}$"):
        choose_tuned(PARAMETERS, dict(VALUES, **{name: value}))


def test_a_value_that_is_missing():
    """A trial without one is none of this tuning."""
    with pytest.raises(WrongParameters, match="^recipe is missing$"):
        choose_tuned(PARAMETERS, {name: value for name, value in VALUES.items() if name != "recipe"})


def test_the_objective_orders_models_as_the_car_does():
    """Any that drove comes before all others; also in the 32 bits that SageMaker keeps."""
    chosen = random.Random(1)
    drove = sorted(chosen.uniform(0, 1000) for _ in range(200))
    losses = sorted(chosen.uniform(0, 100) for _ in range(200))
    numbers = [objective(val_loss=0.001, driving_loss=each) for each in drove]
    numbers += [objective(val_loss=each, driving_loss=None) for each in losses]
    kept = [struct.unpack("f", struct.pack("f", number))[0] for number in numbers]
    assert kept == sorted(kept) and len(set(kept)) == len(kept)
    assert objective(val_loss=math.nan, driving_loss=None) == math.inf
    assert objective(val_loss=None, driving_loss=math.inf) == math.inf


def test_the_line_that_sagemaker_reads():
    """Its regular expression finds the number, as in the log of a trial."""
    number = objective(val_loss=0.1927, driving_loss=38.5)
    found = re.search(METRIC_REGEX, "a prefix " + format_objective(number))
    assert found and math.isclose(float(found.group(1)), number, rel_tol=1e-8)
    assert not re.search(METRIC_REGEX, '--_tuning_objective_metric objective "objective"')


def test_ranges_that_are_spread_by_magnitude():
    """From ten times the lower end on; never with 0 or below."""
    assert is_wide(0.001, 0.01) and not is_wide(0.002, 0.01)
    assert not is_wide(0, 1) and not is_wide(-1, 100)
