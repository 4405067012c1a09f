"""The settings: one table that defines the flags, the checks, the section in myconfig.py and the reference.

A flag overrides myconfig.py, which overrides config.py, which overrides the default.
"""

import difflib
import json
import math
import re
import reprlib
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from . import contract
from .errors import BadInput

AUTO = "auto"
# Four CPUs for a quarter dollar an hour. New accounts are most likely to have a quota for this family.
DEFAULT_TYPE = "ml.m5.xlarge"

_VARIABLE_PREFIX = "SAGEMAKER_"


class BadSettings(BadInput):
    """One or more settings are invalid; all of them are reported at once."""

    def __init__(self, problems: List[str]) -> None:
        super().__init__(
            "\n  ".join(["Some settings are invalid:"] + problems),
            "Correct them where they are set, and run the command again.",
        )


class Kind(NamedTuple):
    """The values that a setting accepts."""

    expected: str  # completes the sentence "It must be ..."
    accepts: Callable[[Any], bool]
    parse: Callable[[str], Any] = str  # converts the text of a flag; raises ValueError


class Setting(NamedTuple):
    """A row of the table. A setting whose default is None is optional."""

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


# The smallest and the largest value of each
_CAMERA_LIMITS = {"height_m": (0.02, 2.0), "pitch_deg": (-20.0, 80.0), "fov_deg": (20.0, 170.0)}


def _is_camera(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in _CAMERA_LIMITS
        and _is_number(each)
        and _CAMERA_LIMITS[name][0] <= each <= _CAMERA_LIMITS[name][1]
        for name, each in value.items()
    )


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
BACKENDS = ("aws", "local")
_BACKEND = Kind('"aws" or "local"', lambda value: value in BACKENDS)
_REGION = _text('an AWS region such as "eu-west-1"', r"[a-z]+(-[a-z]+)+-\d+")
_BUCKET = _text(
    "a bucket name: 3 to 63 lowercase letters, digits, dots and hyphens",
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
)
# SageMaker fails on "//", so no part may be empty. None may start with a dot: the local bucket is a folder.
_PREFIX = _text(
    'a path such as "cars/blue" made of letters, digits and _.=- with no slash at either end',
    r"[A-Za-z0-9_][\w.=-]*(/[A-Za-z0-9_][\w.=-]*)*",
    longest=256,
)
_ROLE_ARN = _text(
    'an ARN such as "arn:aws:iam::123456789012:role/NAME"',
    r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
    longest=2048,
)
FOLDER = _text(
    "a name of up to 64 letters, digits and _.=- such as that of the car's IAM user",
    r"[A-Za-z0-9_][\w.=-]*",
    longest=64,
)
_KMS_KEY = _text(
    'the ARN of a key such as "arn:aws:kms:eu-west-1:123456789012:key/ID"',
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+",
)
_SUBNETS = _ids("subnet", most=16)
_SECURITY_GROUPS = _ids("sg", most=5)
_PYTHON = _text("a path")
_CAR = _text('names and versions such as "donkeycar 5.3, tflite-runtime 2.14", or the path of a .json file')
_COUNT = _whole("number", low=1, high=20)
_VOLUME = _whole("number of GB", low=1, high=16384)
_RUNTIME = _whole("number of seconds", low=1, high=28 * 24 * 3600)
_KEEP_ALIVE = _whole("number of seconds", low=0, high=3600)
_FRAMES = _whole("number of frames", low=0, high=100)
_SLIDE = Kind(f'"auto" or {_FRAMES.expected}', lambda value: value == AUTO or _FRAMES.accepts(value))
_AUTOPILOT = Kind('"skip", "pilot" or "user"', lambda value: value in ("skip", "pilot", "user"))
_RECIPE = Kind('"donkeycar" or "robust"', lambda value: value in contract.RECIPES)
_CAMERA = Kind(
    "a dict of height_m from 0.02 to 2, pitch_deg from -20 to 80 and fov_deg from 20 to 170, or some of them",
    _is_camera,
)
_RADIUS = Kind("a number of metres from 0.1 to 10", lambda value: _is_number(value) and 0.1 <= value <= 10)
_SEED = _whole("number", low=0, high=2**32 - 1)
_URL = _text('an address such as "http://127.0.0.1:5000"', r"https?://\S+")
_IMAGE = _text(
    '"auto" or an image in ECR such as "123456789012.dkr.ecr.eu-west-1.amazonaws.com/NAME:TAG"',
    r"auto|\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.[a-z.]+/\S+",
    longest=255,
)
_INSTANCE_TYPE = Kind(
    'a type such as "ml.m5.xlarge", a list of types in the order to try them, or "auto"',
    _is_instance_type,
    lambda text: text.split(","),
)
_PREFER = Kind('"cost" or "time"', lambda value: value in ("cost", "time"))
_INSTALL = Kind('"better" or "always"', lambda value: value in ("better", "always"))
_MONEY = Kind("an amount in US dollars above 0", lambda value: _is_number(value) and value > 0)
_FRACTION = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_TAGS = Kind(
    "a dict of at most 40 tags: names of up to 128 characters that do not start with aws:, "
    "and values of up to 256 characters",
    _are_tags,
)
_HYPERPARAMETERS = Kind(
    "a dict of at most 50 values, each at most 256 characters of JSON", _are_hyperparameters
)

GROUPS = (
    (
        "Where to train",
        (
            Setting("BACKEND", _BACKEND, "aws", "Whether to train on AWS or on this machine"),
            Setting(
                "REGION",
                _REGION,
                None,
                "AWS region of the job and the bucket; None uses the region of the AWS profile",
            ),
            Setting(
                "PROFILE",
                _text("the name of a profile"),
                None,
                "Profile in ~/.aws/config to use; None uses the default profile",
            ),
            Setting("BUCKET", _BUCKET, None, "S3 bucket that stores tubs and models"),
            Setting("PREFIX", _PREFIX, "donkeycar", "Folder in the bucket for everything that is uploaded"),
            Setting(
                "FOLDER",
                FOLDER,
                None,
                "Folder of the car in PREFIX/cars, closed to others; `sagemaker-setup --user=NAME` sets it",
            ),
            Setting("ROLE_ARN", _ROLE_ARN, None, "IAM role that the training job runs as"),
            Setting("ENDPOINT_URL", _URL, None, "Address of a service to use in place of AWS, for tests"),
            Setting(
                "PYTHON",
                _PYTHON,
                None,
                "Python with donkeycar and TensorFlow for local training; None uses the current one",
            ),
            Setting("CAR", _CAR, None, "The car to train for, if it is not this machine"),
            Setting(
                "TRUST_MODEL",
                BOOLEAN,
                False,
                "Install models with other layers than donkeycar's own, which may run code on the car",
            ),
        ),
    ),
    (
        "Machine, time and cost",
        (
            Setting("IMAGE", _IMAGE, "auto", "Docker image to train in; auto selects one that fits this car"),
            Setting(
                "INSTANCE_TYPE",
                _INSTANCE_TYPE,
                DEFAULT_TYPE,
                "Type of machine to train on; auto selects the best one that your account may use",
                has_flag=True,
            ),
            Setting("PREFER", _PREFER, "cost", "What auto aims for: the lowest cost or the shortest time"),
            Setting("INSTANCE_COUNT", _COUNT, 1, "Number of machines to train on", has_flag=True),
            Setting("VOLUME_GB", _VOLUME, 30, "Disk size of each machine"),
            # AWS's own default is a day. A donkey trains in minutes: four hours end only a job that is stuck.
            Setting("MAX_RUNTIME_S", _RUNTIME, 4 * 3600, "Time limit after which a running job is stopped"),
            Setting(
                "MAX_COST_USD",
                _MONEY,
                None,
                "Do not start a job that could cost more than this; None means no limit",
            ),
            Setting(
                "SPOT",
                BOOLEAN,
                False,
                "Train on spot machines, which are cheaper but can be interrupted by AWS",
                has_flag=True,
            ),
            Setting(
                "KEEP_ALIVE_S",
                _KEEP_ALIVE,
                0,
                "How long to keep the machine running, and pay for it, for your next job; not with SPOT",
            ),
            Setting("NETWORK_ISOLATION", BOOLEAN, False, "Run the job without access to any network"),
            Setting("SUBNETS", _SUBNETS, [], "Subnets of your VPC to run the job in, with SECURITY_GROUPS"),
            Setting("SECURITY_GROUPS", _SECURITY_GROUPS, [], "Security groups of the job in these subnets"),
            Setting(
                "KMS_KEY",
                _KMS_KEY,
                None,
                "Key of your own that encrypts the job's objects and its disk",
            ),
            Setting("TAGS", _TAGS, {}, "AWS tags to add to the job"),
        ),
    ),
    (
        "What the model learns",
        (
            Setting(
                "SLIDE",
                _SLIDE,
                0,
                "Train each picture with the command of this many frames later; auto measures it",
            ),
            Setting(
                "MIN_THROTTLE",
                _FRACTION,
                None,
                "Skip records with this throttle or less; None keeps all records",
            ),
            Setting(
                "FLOOR_THROTTLE",
                _FRACTION,
                None,
                "Raise a lower throttle to this value; None keeps the throttle as driven",
            ),
            Setting(
                "AUTOPILOT",
                _AUTOPILOT,
                "skip",
                "Records that the autopilot drove: skip them, learn its own commands, or the idle stick's",
            ),
            Setting(
                "RECIPE",
                _RECIPE,
                contract.DONKEYCAR,
                "Train as donkeycar does, or robust: also on views from beside the line, steering back to it",
            ),
            Setting(
                "CAMERA",
                _CAMERA,
                contract.CAMERA,
                "The camera, for those views: height above the floor, pitch down from level, field of view",
            ),
            Setting(
                "TURNING_RADIUS_M",
                _RADIUS,
                None,
                "The radius of the circle that the car drives at full steering; None finds it in the tub",
            ),
            Setting("SEED", _SEED, 1, "Random seed; the same seed splits the records in the same way"),
            Setting("HYPERPARAMETERS", _HYPERPARAMETERS, {}, "Additional hyperparameters for your own image"),
        ),
    ),
    (
        "The new model",
        (
            Setting(
                "INSTALL",
                _INSTALL,
                "better",
                "Install a new model only if it steers and is not clearly worse than the old one, or always",
                has_flag=True,
            ),
        ),
    ),
)  # type: Tuple[Tuple[str, Tuple[Setting, ...]], ...]

SETTINGS = tuple(setting for _, settings in GROUPS for setting in settings)


class Settings(NamedTuple):
    """The settings of one run, all of them checked. `SETTINGS` explains each one."""

    backend: str
    region: Optional[str]
    profile: Optional[str]
    bucket: Optional[str]
    prefix: str
    folder: Optional[str]
    role_arn: Optional[str]
    endpoint_url: Optional[str]
    python: Optional[str]
    car: Optional[str]
    trust_model: bool
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
    subnets: List[str]
    security_groups: List[str]
    kms_key: Optional[str]
    tags: Dict[str, str]
    slide: Union[int, str]  # frames; AUTO until the tubs were read
    min_throttle: Optional[float]
    floor_throttle: Optional[float]
    autopilot: str
    recipe: str
    camera: Dict[str, float]
    turning_radius_m: Optional[float]
    seed: int
    hyperparameters: Dict[str, Any]
    install: str


def make_settings(
    flags: Mapping[str, Any], values: Mapping[str, Any], origins: Mapping[str, str]
) -> Settings:
    """Checks every setting, each taken from the source that takes precedence.

    Args:
        flags: attribute of a setting -> text or bool, or None if the flag was not given.
        values: every name in the car's configuration -> its value. Names of other programs are ignored.
        origins: the same names -> the file that each one comes from, e.g. "myconfig.py".

    Raises:
        BadSettings: lists every mistake in the configuration.
        ValueError: a flag is not one of the settings, which is a mistake in the calling code.
    """
    unknown = set(flags) - {setting.attribute for setting in SETTINGS}
    if unknown:
        raise ValueError(f"not a setting: {', '.join(sorted(unknown))}")
    chosen = {}
    sources = {}  # attribute -> the setting as the user wrote it, and where
    problems = _unknown_names(values, origins)
    for setting in SETTINGS:
        value, source = _choose(setting, flags, values, origins)
        chosen[setting.attribute], sources[setting.attribute] = value, source
        is_unset = value is None and setting.default is None
        if not is_unset and not setting.kind.accepts(value):
            problems.append(f"{source}: must be {setting.kind.expected}")
    if chosen["spot"] is True and chosen["keep_alive_s"]:
        problems.append(
            f"{sources['keep_alive_s']}: cannot be combined with {sources['spot']}, "
            "because AWS does not keep the machine of a spot job"
        )
    if bool(chosen["subnets"]) != bool(chosen["security_groups"]):
        given, missing = ("subnets", "security_groups")[:: 1 if chosen["subnets"] else -1]
        problems.append(
            f"{sources[given]}: needs {_VARIABLE_PREFIX}{missing.upper()} too, "
            "because AWS connects a job to both or to neither"
        )
    if problems:
        raise BadSettings(problems)
    if isinstance(chosen["instance_type"], str):
        chosen["instance_type"] = [chosen["instance_type"]]
    return Settings(**chosen)


def _choose(
    setting: Setting, flags: Mapping[str, Any], values: Mapping[str, Any], origins: Mapping[str, str]
) -> Tuple[Any, str]:
    value = flags.get(setting.attribute)
    if isinstance(value, bool):
        return value, setting.flag
    if value is not None:
        source = f"{setting.flag} {value}"
        try:
            return setting.kind.parse(value), source
        except ValueError:
            return value, source
    value = values.get(setting.variable, setting.default)
    origin = origins.get(setting.variable, "the default")
    return value, f"{setting.variable} = {reprlib.repr(value)} ({origin})"


def _unknown_names(values: Mapping[str, Any], origins: Mapping[str, str]) -> List[str]:
    known = [setting.variable for setting in SETTINGS]
    problems = []
    for name in values:
        if name.startswith(_VARIABLE_PREFIX) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            problems.append(f"{name} ({origins[name]}): this setting does not exist{hint}")
    if problems:
        problems.append(f"The existing settings are {', '.join(known)}")
    return problems


def make_myconfig_section() -> str:
    """Every setting as a comment for the owner's myconfig.py, formatted like donkeycar's own settings."""
    lines = [
        "# AWS SageMaker: `python manage.py sagemaker-train`",
        '# To change a setting, remove the "# " in front of its name.',
    ]
    for title, settings in GROUPS:
        lines += ["#", f"# --- {title} ---"]
        for setting in settings:
            lines.append(f"# {setting.help} ({setting.kind.expected})")
            lines.append(f"# {setting.variable} = {setting.default!r}")
    return "\n".join(lines) + "\n"
