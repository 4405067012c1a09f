"""The numbers that a new model is judged by: how it steers alone, and beside the model that it replaces.

Both are judged by the steering on validation pictures, which the model was not trained on. The throttle
depends on the driver's mood: two laps have two throttles at one place, and a model with their mean drives
well. docs/judging.md has the measurements behind the numbers here.
"""

import math
from typing import Any, Dict, NamedTuple, Optional

from .paired_errors import Paired

LARGEST = 1e6  # of anything that is measured
MIN_PICTURES = 75  # with fewer, chance decides
STRAIGHT_STD = 0.05  # a driver whose steering varies by less has shown nothing to learn
DEAD_STD = 0.2  # of the driver's own variation
SURE = 2.0  # standard errors
WORSE_FACTOR = 1.05  # less is not felt on the track, however certain it is
UNFAIR_FACTOR = (
    2.0  # of a previous model that may know these pictures: on those, it looks up to 1.4 times better
)


class Steering(NamedTuple):
    """Where the steering is wrong, on the same pictures."""

    bias: float  # its mean minus the driver's: positive if it is too far to the right
    bends: float  # the share of pictures on which the driver steers to one side
    left_bends: float  # the share of bends to the left
    bend_error: float  # the mean difference from the driver's steering there
    straight_error: float  # and elsewhere
    late_frames: float  # how much later the driver steers like the model
    late_error: float  # the mean difference from what the driver steers then
    late_error_without: float  # and from what the driver steers on the same pictures


class Validation(NamedTuple):
    """How a model steers on validation pictures, as its trainer measured it."""

    pictures: int
    driven_std: float  # how much the driver's steering varies
    predicted_std: float  # and the model's
    error: float  # the mean difference from the driver's
    constant_error: float  # that of the best constant
    gain: Paired  # of the constant's errors over the model's
    squared_gain: Paired  # the same of squared errors
    steering: Optional[Steering] = None  # None where an earlier trainer measured it

    @property
    def share(self) -> float:
        """The error relative to how far the driver's steering is from its middle on average."""
        return self.error / self.constant_error if self.constant_error else math.inf

    def why_not_judged(self) -> Optional[str]:
        """None if there is enough to judge the model by."""
        if self.pictures < MIN_PICTURES:
            return f"{self.pictures} validation pictures are too few: at least {MIN_PICTURES} are needed"
        if self.driven_std < STRAIGHT_STD:
            return "the driver steers almost straight on all validation pictures"
        return None

    def why_dead(self) -> Optional[str]:
        """What shows that the model has not learned to steer; None if it has.

        A constant is beaten in one sense at least by any model that is of use: the mean error is what counts
        on the track, and the squared error is what a linear model minimizes.
        """
        where = f"on {self.pictures} validation pictures"
        if self.predicted_std < DEAD_STD * self.driven_std:
            return (
                f"its steering hardly varies (by {self.predicted_std:.3f} {where}, the driver's by"
                f" {self.driven_std:.3f})"
            )
        if not (self.gain.is_above(SURE) or self.squared_gain.is_above(SURE)):
            return (
                f"it steers no better than a constant would (it is off by {self.error:.3f} {where}, the best"
                f" constant by {self.constant_error:.3f})"
            )
        return None


class Comparison(NamedTuple):
    """How a new model and the previous one steer on the same validation pictures."""

    pictures: int
    error: float  # the mean difference from the driver's steering
    previous_error: float
    worse_by: Paired  # the new model's errors over those of the previous one
    is_fair: bool  # the previous model is known not to have been trained on these pictures

    @property
    def is_clearly_worse(self) -> bool:
        """Whether the new model is worse by more than chance, and by more than one training by the next."""
        factor = WORSE_FACTOR if self.is_fair else UNFAIR_FACTOR
        return self.worse_by.is_above(SURE) and self.error > factor * self.previous_error

    @property
    def is_clearly_better(self) -> bool:
        better_by = Paired(-self.worse_by.difference, self.worse_by.standard_error)
        return better_by.is_above(SURE) and self.previous_error > WORSE_FACTOR * self.error


def read_validation(values: Dict[str, Any]) -> Optional[Validation]:
    """From artifact.json, which anybody may have written; None without numbers that make sense."""
    try:
        angle, pictures = values["angle"], values["pictures"]
        numbers = {name: read_number(angle[name]) for name in angle}
        return Validation(
            pictures=int(read_number(pictures)),
            driven_std=numbers["driven_std"],
            predicted_std=numbers["predicted_std"],
            error=numbers["error"],
            constant_error=numbers["constant_error"],
            gain=Paired(numbers["gain"], numbers["gain_standard_error"]),
            squared_gain=Paired(numbers["squared_gain"], numbers["squared_gain_standard_error"]),
            steering=_read_steering(numbers),
        )
    except (KeyError, TypeError, ValueError):
        return None


def read_comparison(values: Dict[str, Any], *, is_fair: bool) -> Comparison:
    """From the result of compare_child."""
    return Comparison(
        pictures=values["pictures"],
        error=values["error"],
        previous_error=values["previous_error"],
        worse_by=Paired(values["difference"], values["standard_error"]),
        is_fair=is_fair,
    )


def _read_steering(numbers: Dict[str, float]) -> Optional[Steering]:
    has_all = all(name in numbers for name in Steering._fields)
    return Steering(*(numbers[name] for name in Steering._fields)) if has_all else None


def read_number(value: Any) -> float:
    """
    Raises:
        ValueError: it is not a number, or one that no command comes near.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        raise ValueError(f"not a number: {value!r:.50}")
    return float(value)
