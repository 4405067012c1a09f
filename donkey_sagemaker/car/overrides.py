"""--set NAME=VALUE and --epochs: values of the car's config for one training."""

import ast
import difflib
from typing import Any, Dict, List, Mapping, Sequence

from ..errors import BadInput
from .check import NAMES_OF_PILOTS
from .config import CarConfig

OPTION = "--set"
_OURS = "SAGEMAKER_"
# What the trainer reads even where the config of an old donkeycar lacks it
_OF_THE_TRAINER = (
    "AUGMENTATIONS",
    "BATCH_SIZE",
    "EARLY_STOP_PATIENCE",
    "LEARNING_RATE",
    "LEARNING_RATE_DECAY",
    "MAX_EPOCHS",
    "MIN_DELTA",
    "OPTIMIZER",
    "TRAIN_TEST_SPLIT",
    "USE_EARLY_STOP",
)


class BadOverride(BadInput):
    def __init__(self, text: str, why: str, *, fix: str) -> None:
        super().__init__(f"{OPTION} {text}: {why}.", fix)


def read_overrides(texts: Sequence[str]) -> Dict[str, Any]:
    """
    Args:
        texts: as typed, "NAME=VALUE". A value that is not a literal of Python is a text.
    Raises:
        BadOverride
    """
    values: Dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier() and name.isupper()):
            example = f"Write it like {OPTION} BATCH_SIZE=64."
            raise BadOverride(text, "this is not NAME=VALUE with a NAME in capital letters", fix=example)
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[name] = value
    return values


def override(config: CarConfig, values: Mapping[str, Any]) -> CarConfig:
    """The config with other values for one training.

    Raises:
        BadOverride: the car has no such setting, or must have it when it drives.
    """
    known: List[str] = [*config.values, *_OF_THE_TRAINER]
    for name, value in values.items():
        text = f"{name}={value}"
        if name in NAMES_OF_PILOTS:
            why = "the car builds its pilot from it, so the training and the car must have the same value"
            raise BadOverride(text, why, fix=f"Set {name} in myconfig.py.")
        if name not in known and not name.startswith(_OURS):
            nearest = difflib.get_close_matches(name, known, n=1)
            why = f"the car's config has no {name}"
            fix = f"Did you mean {nearest[0]}?" if nearest else f"Set {name} in myconfig.py if you need it."
            raise BadOverride(text, why, fix=fix)
    return CarConfig(
        values={**config.values, **values}, origins={**config.origins, **dict.fromkeys(values, OPTION)}
    )


def hyperparameters(values: Mapping[str, Any]) -> Dict[str, Any]:
    """What travels with the job: the trainer applies these to the config that it reads."""
    return {name: value for name, value in values.items() if not name.startswith(_OURS)}
