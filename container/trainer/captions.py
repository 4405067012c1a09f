"""The report's figures in words: what each shows, for whoever cannot see it."""

from typing import Any, Dict, List, Sequence

import numpy as np

from donkey_sagemaker.page import format_steering

from .review import ANGLE, Compared

BEND = 0.15  # steering from which on the driver is in a bend


def describe_losses(history: Dict[str, List[float]], *, best_epoch: int) -> str:
    train, validation = history["loss"], history["val_loss"]
    return (
        f"Loss by epoch, {len(train)} in all: training from {train[0]:.4f} to {train[-1]:.4f}, validation "
        f"from {validation[0]:.4f} to {validation[-1]:.4f}; best {min(validation):.4f} in epoch {best_epoch}."
    )


def describe_steering(driven: float, predicted: float) -> str:
    """One picture: Bend to the left: the driver steers 0.42 left, the model 0.10 left."""
    place = "Straight"
    if abs(driven) >= BEND:
        place = f"Bend to the {'left' if driven < 0 else 'right'}"
    return f"{place}: the driver steers {format_steering(driven)}, the model {format_steering(predicted)}."


def describe_spread(compared: Compared) -> str:
    """How much both vary: a net that has not learned to steer always does the same."""
    driven, predicted = compared.driven[:, ANGLE].std(), compared.predicted[:, ANGLE].std()
    return f"The driver's steering varies by {driven:.3f}, the model's by {predicted:.3f}"


def describe_dots(compared: Compared) -> str:
    return (
        f"The model's commands against the driver's for {len(compared.examples)} pictures. "
        f"{describe_spread(compared)}; they differ by {compared.angle_errors.mean():.3f} on average."
    )


def describe_stretch(stretch: Compared) -> str:
    driven, predicted = stretch.driven[:, ANGLE], stretch.predicted[:, ANGLE]
    return (
        f"Over {len(stretch.examples)} records the driver steers between {_range(driven)}, the model between "
        f"{_range(predicted)}; they differ by {stretch.angle_errors.mean():.3f} on average."
    )


def describe_commands(examples: Sequence[Any]) -> str:
    angles = np.array([example.records[-1].angle for example in examples])
    throttles = np.array([example.records[-1].throttle for example in examples])
    left, right = np.mean(angles <= -BEND), np.mean(angles >= BEND)
    return (
        f"The driver steers left in {left:.0%} of the records, right in {right:.0%}, and about straight in "
        f"{1 - left - right:.0%}. The throttle is {throttles.mean():.2f} on average."
    )


def constant_error(compared: Compared) -> float:
    """The mean steering error of whoever always steers the same: no constant has less than the median."""
    angles = compared.driven[:, ANGLE]
    return float(np.abs(np.median(angles) - angles).mean())


def _range(angles: np.ndarray) -> str:
    return f"{format_steering(angles.min())} and {format_steering(angles.max())}"
