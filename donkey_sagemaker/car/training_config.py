"""What the trainer reads of the car's own config, checked before anything is sent or billed.

The names and what they need are those of donkeycar 5's image_transformations and augmentations. donkeycar 2
and 3 know neither.
"""

import difflib
import math
import os
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import BadInput

_GRAY, _COLOUR = 1, 3  # channels of a picture


class Transformation(NamedTuple):
    """
    Attributes:
        needs: names of the config without which donkeycar cannot make it.
        channels: of the pictures that it gives; None for those that it is given.
    """

    needs: Sequence[str] = ()
    channels: Optional[int] = None


_TRAPEZE = Transformation([f"ROI_TRAPEZE_{name}" for name in ("UL", "UR", "LL", "LR", "MIN_Y", "MAX_Y")])
TRANSFORMATIONS: Dict[str, Transformation] = {
    "TRAPEZE": _TRAPEZE,
    "TRAPEZE_EDGE": _TRAPEZE,
    "CROP": Transformation([f"ROI_CROP_{name}" for name in ("LEFT", "TOP", "RIGHT", "BOTTOM")]),
    "CANNY": Transformation(["CANNY_LOW_THRESHOLD", "CANNY_HIGH_THRESHOLD", "CANNY_APERTURE"], _GRAY),
    "BLUR": Transformation(["BLUR_GAUSSIAN", "BLUR_KERNEL", "BLUR_KERNEL_Y"]),
    "RESIZE": Transformation(["RESIZE_WIDTH", "RESIZE_HEIGHT"]),
    "SCALE": Transformation(["SCALE_WIDTH", "SCALE_HEIGHT"]),
}
TRANSFORMATIONS.update(
    {
        f"{one}2{other}": Transformation()
        for one in ("RGB", "BGR", "HSV")
        for other in ("RGB", "BGR", "HSV")
        if one != other
    }
)
TRANSFORMATIONS.update({f"{name}2GRAY": Transformation(channels=_GRAY) for name in ("RGB", "BGR", "HSV")})
TRANSFORMATIONS.update({f"GRAY2{name}": Transformation(channels=_COLOUR) for name in ("RGB", "BGR")})
# The settings that say how a picture is changed before the net sees it, in training and when the car drives
NAMES_OF_TRANSFORMATIONS = frozenset(["TRANSFORMATIONS", "POST_TRANSFORMATIONS"]).union(
    *(transformation.needs for transformation in TRANSFORMATIONS.values())
)
AUGMENTATIONS = ("BRIGHTNESS", "BLUR")
_OF_DONKEYCAR_4 = {"MULTIPLY": "it is named BRIGHTNESS now", "CROP": "it is one of TRANSFORMATIONS now"}
_OF_DONKEYCAR_4["TRAPEZE"] = _OF_DONKEYCAR_4["CROP"]


class BadTrainingConfig(BadInput):
    """The job would fail over these settings; all of them are listed."""

    def __init__(self, problems: List[str]) -> None:
        super().__init__(
            "\n  ".join(["The training cannot use these settings of the car's config:", *problems]),
            "Correct each one in myconfig.py, and run the command again.",
        )


def check_training_config(values: Mapping[str, Any], *, donkeycar: Tuple[int, int]) -> None:
    """
    Args:
        values: the car's config.
        donkeycar: the car's version.
    Raises:
        BadTrainingConfig
    """
    problems = list(_number_problems(values))
    if donkeycar >= (4, 0):
        problems += _augmentation_problems(values)
        problems += _transformation_problems(values)
    if problems:
        raise BadTrainingConfig(problems)


def _number_problems(values: Mapping[str, Any]) -> Iterator[str]:
    for name, expected, accepts in (
        ("MAX_EPOCHS", "a whole number of at least 1", lambda value: _is_whole(value) and value >= 1),
        ("BATCH_SIZE", "a whole number of at least 1", lambda value: _is_whole(value) and value >= 1),
        (
            "EARLY_STOP_PATIENCE",
            "a whole number of at least 0",
            lambda value: _is_whole(value) and value >= 0,
        ),
        ("TRAIN_TEST_SPLIT", "a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1),
        ("MIN_DELTA", "a number of at least 0", lambda value: _is_number(value) and value >= 0),
        ("LEARNING_RATE", "a number above 0", lambda value: _is_number(value) and value > 0),
    ):
        if values.get(name) is not None and not accepts(values[name]):
            yield f"{name} = {values[name]!r:.60}: must be {expected}"


def _augmentation_problems(values: Mapping[str, Any]) -> Iterator[str]:
    names = values.get("AUGMENTATIONS") or []
    if not _is_list_of_names(names):
        yield f"AUGMENTATIONS = {names!r:.60}: must be a list of names"
        return
    for name in names:
        if name in AUGMENTATIONS:
            continue
        if name in _OF_DONKEYCAR_4:
            yield f"AUGMENTATIONS: {name} is one of donkeycar 4; {_OF_DONKEYCAR_4[name]}"
        else:
            yield f"AUGMENTATIONS: {_describe_unknown(name, AUGMENTATIONS)}"


def _transformation_problems(values: Mapping[str, Any]) -> Iterator[str]:
    chain: List[str] = []
    for setting in ("TRANSFORMATIONS", "POST_TRANSFORMATIONS"):
        names = values.get(setting) or []
        if not _is_list_of_names(names):
            yield f"{setting} = {names!r:.60}: must be a list of names"
            continue
        for name in names:
            yield from (f"{setting}: {problem}" for problem in _name_problems(name, values))
        chain += names
    if all(name in TRANSFORMATIONS for name in chain):  # nobody knows what the owner's own code gives
        yield from _shape_problems(chain, values)


def _name_problems(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    if name.startswith("CUSTOM"):
        needs: Sequence[str] = (f"{name}_MODULE", f"{name}_CLASS")
        path = values.get(needs[0])
        if isinstance(path, str) and not os.path.isfile(path):
            yield f"{needs[0]} = {path!r:.100}: there is no such file"
    elif name in TRANSFORMATIONS:
        needs = TRANSFORMATIONS[name].needs
    else:
        yield _describe_unknown(name, TRANSFORMATIONS)
        return
    missing = [need for need in needs if need not in values]
    if missing:
        yield f"{name} needs {', '.join(missing)}, which the config does not set"


def _shape_problems(chain: Sequence[str], values: Mapping[str, Any]) -> Iterator[str]:
    """The net takes pictures as the camera's settings describe them: the chain must give such pictures."""
    wanted = [values.get(name) for name in ("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH")]
    if not all(_is_whole(size) for size in wanted):
        return
    width, height, depth = (int(size or 0) for size in wanted)
    for name in chain:
        depth = TRANSFORMATIONS[name].channels or depth
        if name == "RESIZE":
            width, height = values.get("RESIZE_WIDTH", width), values.get("RESIZE_HEIGHT", height)
        if (
            name == "SCALE"
            and _is_number(values.get("SCALE_WIDTH"))
            and _is_number(values.get("SCALE_HEIGHT"))
        ):
            width, height = int(width * values["SCALE_WIDTH"]), int(height * values["SCALE_HEIGHT"])
    if depth != wanted[2]:
        culprit = next(name for name in reversed(chain) if TRANSFORMATIONS[name].channels)
        remedy = "add GRAY2RGB after it" if depth == _GRAY else "leave it out"
        yield (
            f"TRANSFORMATIONS: {culprit} gives pictures of {depth} channels, but IMAGE_DEPTH is {wanted[2]};"
            f" {remedy}"
        )
    if [width, height] != wanted[:2]:
        culprit = next(name for name in reversed(chain) if name in ("RESIZE", "SCALE"))
        yield (
            f"TRANSFORMATIONS: {culprit} gives pictures of {width}x{height}, but the net takes IMAGE_W x"
            f" IMAGE_H, {wanted[0]}x{wanted[1]}; leave it out, and set IMAGE_W and IMAGE_H instead"
        )


def _describe_unknown(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    suggestion = f", did you mean {nearest[0]}?" if nearest else ""
    return f"there is no {name!r:.60}{suggestion}; those that exist: {', '.join(known)}"


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
