"""The settings: one table, from which flags, checks, myconfig.py's section and documentation are made.

A flag wins over myconfig.py, that over config.py, that over the default.
"""

import difflib
import json
import math
import re
import reprlib
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .car.config import CarConfig
from .errors import BadInput

AUTO = "auto"
# Four CPUs for a quarter dollar an hour, of the family that new accounts are most often allowed.
DEFAULT_TYPE = "ml.m5.xlarge"

_VARIABLE_PREFIX = "SAGEMAKER_"


class BadSettings(BadInput):
    """One or more settings cannot be used; all of them are told at once."""

    def __init__(self, problems: List[str]) -> None:
        super().__init__(
            "\n  ".join(["These settings cannot be used:"] + problems),
            "Correct each where it is set, and start again.",
        )


class Kind(NamedTuple):
    """What a setting can be."""

    expected: str  # goes on from "must be"
    accepts: Callable[[Any], bool]
    parse: Callable[[str], Any] = str  # of a flag's text; raises ValueError


class Setting(NamedTuple):
    """A row of the table. A setting whose default is None may be left unset."""

    name: str
    kind: Kind
    default: Any
    help: str
    has_flag: bool = False

    @property
    def variable(self) -> str:
        """Its name in myconfig.py, e.g. SAGEMAKER_INSTANCE_TYPE."""
        return _VARIABLE_PREFIX + self.name

    @property
    def attribute(self) -> str:
        """Its name in `Settings` and in the parsed flags, e.g. instance_type."""
        return self.name.lower()

    @property
    def flag(self) -> str:
        """Its name on the command line where `has_flag`, e.g. --instance-type."""
        return "--" + self.attribute.replace("_", "-")


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


def _text(expected: str, pattern: str = ".+", *, longest: int = 1024) -> Kind:
    return Kind(expected, lambda value: _matches("(?a)" + pattern, value, longest=longest))


def _whole(number: str, *, low: int, high: int) -> Kind:
    return Kind(
        f"a whole {number} from {low} to {high}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
        int,
    )


# The limits are those of CreateTrainingJob and of S3; botocore itself lets most of them pass.
BOOLEAN = Kind("True or False", lambda value: isinstance(value, bool))
_BACKEND = Kind('"aws" or "local"', lambda value: value in ("aws", "local"))
_REGION = _text('an AWS region such as "eu-west-1"', r"[a-z]+(-[a-z]+)+-\d+")
_BUCKET = _text(
    "a bucket's name: 3 to 63 small letters, digits, dots and hyphens",
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
)
# No empty part, as SageMaker fails on "//"; none that begins with a dot, as the local bucket is a folder.
_PREFIX = _text(
    'a path such as "cars/blue" of letters, digits and _.=- with no slash at its ends',
    r"[A-Za-z0-9_][\w.=-]*(/[A-Za-z0-9_][\w.=-]*)*",
    longest=256,
)
_ROLE_ARN = _text(
    'an ARN such as "arn:aws:iam::123456789012:role/NAME"',
    r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
    longest=2048,
)
_PYTHON = _text("a path")
_CAR = _text('what the car runs, such as "donkeycar 5.3, tflite-runtime 2.14", or the path of a .json file')
_COUNT = _whole("number", low=1, high=20)
_VOLUME = _whole("number of GB", low=1, high=16384)
_RUNTIME = _whole("number of seconds", low=1, high=28 * 24 * 3600)
_KEEP_ALIVE = _whole("number of seconds", low=0, high=3600)
_SLIDE = _whole("number of frames", low=0, high=100)
_SEED = _whole("number", low=0, high=2**32 - 1)
_URL = _text('an address such as "http://127.0.0.1:5000"', r"https?://\S+")
_IMAGE = _text(
    '"auto" or one in ECR such as "123456789012.dkr.ecr.eu-west-1.amazonaws.com/NAME:TAG"',
    r"auto|\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.[a-z.]+/\S+",
    longest=255,
)
_INSTANCE_TYPE = Kind(
    'a type such as "ml.m5.xlarge", a list of types in the order to try, or "auto"',
    _is_instance_type,
    lambda text: text.split(","),
)
_PREFER = Kind('"cost" or "time"', lambda value: value in ("cost", "time"))
_MONEY = Kind("US dollars above 0", lambda value: _is_number(value) and value > 0)
_FRACTION = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_TAGS = Kind(
    "a dict of at most 40 texts of up to 256 characters, names of up to 128 without aws: in front", _are_tags
)
_HYPERPARAMETERS = Kind("a dict of at most 50 values of up to 256 characters of JSON", _are_hyperparameters)

GROUPS = (
    (
        "Where to train",
        (
            Setting("BACKEND", _BACKEND, "aws", "Train on AWS or on this machine"),
            Setting(
                "REGION", _REGION, None, "Region of the job and the bucket; None for that of the AWS profile"
            ),
            Setting(
                "PROFILE", _text("a profile's name"), None, "Profile of ~/.aws/config; None for the usual one"
            ),
            Setting("BUCKET", _BUCKET, None, "S3 bucket for tubs and models"),
            Setting("PREFIX", _PREFIX, "donkeycar", "Folder in the bucket for all that we put there"),
            Setting("ROLE_ARN", _ROLE_ARN, None, "IAM role that the job runs as"),
            Setting("ENDPOINT_URL", _URL, None, "Where to find something that stands in for AWS"),
            Setting(
                "PYTHON",
                _PYTHON,
                None,
                "Python with donkeycar and TensorFlow for local training; None for ours",
            ),
            Setting("CAR", _CAR, None, "The car to train for, where it is not this machine"),
        ),
    ),
    (
        "The job's machine, time and cost",
        (
            Setting("IMAGE", _IMAGE, "auto", "Training image; auto for one that fits this car"),
            Setting(
                "INSTANCE_TYPE",
                _INSTANCE_TYPE,
                DEFAULT_TYPE,
                "Type of machine; auto for the best that the account may use",
                has_flag=True,
            ),
            Setting("PREFER", _PREFER, "cost", "What auto looks for: the lowest cost or the shortest time"),
            Setting("INSTANCE_COUNT", _COUNT, 1, "How many machines", has_flag=True),
            Setting("VOLUME_GB", _VOLUME, 30, "Disk of each machine"),
            # AWS's own default is a day. A donkey trains in minutes: four hours end only a job that is stuck.
            Setting("MAX_RUNTIME_S", _RUNTIME, 4 * 3600, "When to stop a job that has not ended"),
            Setting("MAX_COST_USD", _MONEY, None, "Start no job that could cost more; None for no limit"),
            Setting(
                "SPOT", BOOLEAN, False, "Spare machines: cheaper, but AWS may interrupt them", has_flag=True
            ),
            Setting("KEEP_ALIVE_S", _KEEP_ALIVE, 0, "Keep and pay the machine for a next job; not with SPOT"),
            Setting("NETWORK_ISOLATION", BOOLEAN, False, "Keep the job from all networks"),
            Setting("TAGS", _TAGS, {}, "AWS tags of the job"),
        ),
    ),
    (
        "What is learned",
        (
            Setting("SLIDE", _SLIDE, 0, "How much later the command was given that belongs to a picture"),
            Setting(
                "MIN_THROTTLE", _FRACTION, None, "Leave out records with this throttle or less; None for none"
            ),
            Setting("FLOOR_THROTTLE", _FRACTION, None, "Raise lower throttle to this; None for as driven"),
            Setting("SEED", _SEED, 1, "Records are split in the same way for the same seed"),
            Setting("HYPERPARAMETERS", _HYPERPARAMETERS, {}, "More hyperparameters for an image of your own"),
        ),
    ),
)  # type: Tuple[Tuple[str, Tuple[Setting, ...]], ...]

SETTINGS = tuple(setting for _, settings in GROUPS for setting in settings)


class Settings(NamedTuple):
    """The settings of one run, all checked. `SETTINGS` tells what each one means."""

    backend: str
    region: Optional[str]
    profile: Optional[str]
    bucket: Optional[str]
    prefix: str
    role_arn: Optional[str]
    endpoint_url: Optional[str]
    python: Optional[str]
    car: Optional[str]
    image: str
    instance_type: List[str]  # in the order to try; [AUTO], or one where the owner set a single one
    prefer: str
    instance_count: int
    volume_gb: int
    max_runtime_s: int
    max_cost_usd: Optional[float]
    spot: bool
    keep_alive_s: int
    network_isolation: bool
    tags: Dict[str, str]
    slide: int  # frames
    min_throttle: Optional[float]
    floor_throttle: Optional[float]
    seed: int
    hyperparameters: Dict[str, Any]


def make_settings(flags: Dict[str, Any], config: CarConfig) -> Settings:
    """Every setting from where it counts most, checked.

    Args:
        flags: parsed command line: attribute -> text, bool, or None where not given. Other keys are not read.
        config: the car's configuration.

    Raises:
        BadSettings: with every mistake in it.
    """
    values = {}
    places = {}  # attribute -> the user's own words for it and where they stand
    problems = _find_unknown(config)
    for setting in SETTINGS:
        value, place = _choose(setting, flags, config)
        values[setting.attribute], places[setting.attribute] = value, place
        unset = value is None and setting.default is None
        if not unset and not setting.kind.accepts(value):
            problems.append(f"{place}: must be {setting.kind.expected}")
    if values["spot"] is True and values["keep_alive_s"]:
        problems.append("{keep_alive_s}: AWS keeps no machine of a spot job, {spot}".format(**places))
    if problems:
        raise BadSettings(problems)
    if isinstance(values["instance_type"], str):
        values["instance_type"] = [values["instance_type"]]
    return Settings(**values)


def _choose(setting: Setting, flags: Dict[str, Any], config: CarConfig) -> Tuple[Any, str]:
    value = flags.get(setting.attribute)
    if isinstance(value, bool):
        return value, setting.flag
    if value is not None:
        place = f"{setting.flag} {value}"
        try:
            return setting.kind.parse(value), place
        except ValueError:
            return value, place
    value = config.get(setting.variable, setting.default)
    origin = config.origin.get(setting.variable, "the default")
    return value, f"{setting.variable} = {reprlib.repr(value)} ({origin})"


def _find_unknown(config: CarConfig) -> List[str]:
    known = [setting.variable for setting in SETTINGS]
    problems = []
    for name in config.values:
        if name.startswith(_VARIABLE_PREFIX) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f", did you mean {nearest[0]}?" if nearest else ""
            problems.append(f"{name} ({config.origin[name]}): there is no such setting{hint}")
    if problems:
        problems.append("Those that exist: {}".format(", ".join(known)))
    return problems


def make_myconfig_section() -> str:
    """Every setting as a comment for the owner's myconfig.py, in the way of donkeycar's own."""
    lines = [
        "# AWS SageMaker: `python manage.py sagemaker-train`",
        '# To change a setting, take the "# " before its name away.',
    ]
    for title, settings in GROUPS:
        lines += ["#", f"# --- {title} ---"]
        for setting in settings:
            lines.append(f"# {setting.help} ({setting.kind.expected})")
            lines.append(f"# {setting.variable} = {setting.default!r}")
    return "\n".join(lines) + "\n"
