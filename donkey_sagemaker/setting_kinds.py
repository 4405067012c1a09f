"""What values a setting accepts: the kinds of the table in settings.py."""

import json
import math
import re
from typing import Any, Callable, NamedTuple

from . import contract

AUTO = "auto"


class Kind(NamedTuple):
    """The values that a setting accepts."""

    expected: str  # completes the sentence "It must be ..."
    accepts: Callable[[Any], bool]
    parse: Callable[[str], Any] = str  # converts the text of a flag; raises ValueError


def _matches(pattern: str, value: Any, *, longest: int = 1024) -> bool:
    return isinstance(value, str) and len(value) <= longest and re.fullmatch(pattern, value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_instance_type(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return names == [AUTO] or (
        isinstance(names, list) and bool(names) and all(_matches(r"ml\.[a-z0-9.-]+", name) for name in names)
    )


def _are_tags(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 40
        and all(_matches(r"(?!aws:)[\w\s.:/=+@-]+", name, longest=128) for name in value)
        and all(_matches(r"[\w\s.:/=+@-]*", text, longest=256) for text in value.values())
    )


def _are_hyperparameters(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > 50:
        return False
    try:
        texts = [json.dumps(item, allow_nan=False) for item in value.values()]
    except (TypeError, ValueError):
        return False
    return max(map(len, texts), default=0) <= 256 and all(
        _matches(r"\S+", name, longest=256) for name in value
    )


# The smallest and the largest value of each
_CAMERA_LIMITS = {"height_m": (0.02, 2.0), "pitch_deg": (-20.0, 80.0), "fov_deg": (20.0, 170.0)}


def _is_camera(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in _CAMERA_LIMITS
        and _is_number(each)
        and _CAMERA_LIMITS[name][0] <= each <= _CAMERA_LIMITS[name][1]
        for name, each in value.items()
    )


def _is_space(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and name.isidentifier() and name.isupper() and _are_choices(choices)
        for name, choices in value.items()
    )


def _are_choices(choices: Any) -> bool:
    """A list of values, or the ends of a range."""
    if isinstance(choices, list):
        return len(choices) > 0
    is_pair = isinstance(choices, tuple) and len(choices) == 2
    return is_pair and all(map(_is_number, choices)) and choices[0] < choices[1]


def _text(expected: str, pattern: str = ".+", *, longest: int = 1024) -> Kind:
    return Kind(expected, lambda value: _matches("(?a)" + pattern, value, longest=longest))


def _ids(start: str, *, most: int) -> Kind:
    """Names that AWS makes, as subnet-0123456789abcdef0."""
    return Kind(
        f'a list of at most {most} names such as ["{start}-0123456789abcdef0"]',
        lambda value: (
            isinstance(value, list)
            and len(value) <= most
            and all(_matches(start + "-[0-9a-f]{8,17}", each) for each in value)
        ),
    )


def _whole(number: str, *, low: int, high: int) -> Kind:
    return Kind(
        f"a whole {number} from {low} to {high}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
        int,
    )


# These are the limits of CreateTrainingJob and of S3; botocore does not check most of them.
BOOLEAN = Kind("True or False", lambda value: isinstance(value, bool))
BACKENDS = ("aws", "local", "ssh")
BACKEND = Kind('"aws", "local" or "ssh"', lambda value: value in BACKENDS)
# No part may start with a hyphen: ssh would take it for an option.
HOST_PATTERN = r"(?a)(?:ssh://)?(?P<address>(?:\w[\w.-]*@)?\w[\w.-]*)(?::(?P<port>[1-9]\d{0,4}))?"
HOST = Kind(
    'as for ssh, such as "me@pc.local", "me@pc.local:2222" or a name in ~/.ssh/config',
    lambda value: _matches(HOST_PATTERN, value, longest=256),
)
PROFILE = _text("the name of a profile")
REGION = _text('an AWS region such as "eu-west-1"', r"[a-z]+(-[a-z]+)+-\d+")
BUCKET = _text(
    "a bucket name: 3 to 63 lowercase letters, digits, dots and hyphens",
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
)
# SageMaker fails on "//", so no part may be empty. None may start with a dot: the local bucket is a folder.
PREFIX = _text(
    'a path such as "cars/blue" made of letters, digits and _.=- with no slash at either end',
    r"[A-Za-z0-9_][\w.=-]*(/[A-Za-z0-9_][\w.=-]*)*",
    longest=256,
)
ROLE_ARN = _text(
    'an ARN such as "arn:aws:iam::123456789012:role/NAME"',
    r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
    longest=2048,
)
FOLDER = _text(
    "a name of up to 64 letters, digits and _.=- such as that of the car's IAM user",
    r"[A-Za-z0-9_][\w.=-]*",
    longest=64,
)
TEAM = _text(
    'a name of up to 64 letters, digits and _.=-, such as "red"', r"[A-Za-z0-9_][\w.=-]*", longest=64
)
JOB_QUEUE = _text(
    "the name of a queue: up to 128 letters, digits, hyphens and underscores",
    r"[A-Za-z0-9][\w-]*",
    longest=128,
)
KMS_KEY = _text(
    'the ARN of a key such as "arn:aws:kms:eu-west-1:123456789012:key/ID"',
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+",
)
SUBNETS = _ids("subnet", most=16)
SECURITY_GROUPS = _ids("sg", most=5)
PYTHON = _text("a path")
CAR = _text('names and versions such as "donkeycar 5.3, tflite-runtime 2.14", or the path of a .json file')
COUNT = _whole("number", low=1, high=20)
VERSIONS = _whole("number", low=1, high=100)
VOLUME = _whole("number of GB", low=1, high=16384)
RUNTIME = _whole("number of seconds", low=1, high=28 * 24 * 3600)
KEEP_ALIVE = _whole("number of seconds", low=0, high=3600)
WAIT = _whole("number of seconds", low=0, high=24 * 3600)
FRAMES = _whole("number of frames", low=0, high=100)
SLIDE = Kind(f'"auto" or {FRAMES.expected}', lambda value: value == AUTO or FRAMES.accepts(value))
AUTOPILOT = Kind('"skip", "pilot" or "user"', lambda value: value in ("skip", "pilot", "user"))
VALIDATION = Kind('"frames" or "stretches"', lambda value: value in contract.VALIDATIONS)
RECIPE = Kind('"donkeycar" or "robust"', lambda value: value in contract.RECIPES)
CAMERA = Kind(
    "a dict of height_m from 0.02 to 2, pitch_deg from -20 to 80 and fov_deg from 20 to 170, or some of them",
    _is_camera,
)
RADIUS = Kind("a number of metres from 0.1 to 10", lambda value: _is_number(value) and 0.1 <= value <= 10)
LANE = Kind("a number of metres from 0.1 to 20", lambda value: _is_number(value) and 0.1 <= value <= 20)
WEIGHT = _whole("number", low=1, high=20)
SEED = _whole("number", low=0, high=2**32 - 1)
URL = _text('an address such as "http://127.0.0.1:5000"', r"https?://\S+")
IMAGE = _text(
    '"auto" or an image in ECR such as "123456789012.dkr.ecr.eu-west-1.amazonaws.com/NAME:TAG"',
    r"auto|\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.[a-z.]+/\S+",
    longest=255,
)
INSTANCE_TYPE = Kind(
    'a type such as "ml.m5.xlarge", a list of types in the order to try them, or "auto"',
    _is_instance_type,
    lambda text: text.split(","),
)
SPACE = Kind(
    "a dict of settings, each with a list of values or a range such as (0.0003, 0.01)",
    _is_space,
)
PREFER = Kind('"cost" or "time"', lambda value: value in ("cost", "time"))
INSTALL = Kind('"better" or "always"', lambda value: value in ("better", "always"))
COMMAND = _text("a command such as 'notify-send \"$DONKEY_MODEL: $DONKEY_STATE\"'", r"[^\0]+")
MONEY = Kind("an amount in US dollars above 0", lambda value: _is_number(value) and value > 0)
MINUTES = Kind("a number of minutes above 0", lambda value: _is_number(value) and value > 0)
FRACTION = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
TAGS = Kind(
    "a dict of at most 40 tags: names of up to 128 characters that do not start with aws:, "
    "and values of up to 256 characters",
    _are_tags,
)
HYPERPARAMETERS = Kind(
    "a dict of at most 50 values, each at most 256 characters of JSON", _are_hyperparameters
)
