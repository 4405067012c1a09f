"""The settings: one table that defines the flags, the checks, the section in myconfig.py and the reference.

A flag overrides myconfig.py, which overrides config.py, which overrides the default.
"""

import difflib
import reprlib
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from . import contract
from . import setting_kinds as kinds
from .errors import BadInput
from .setting_kinds import Kind

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


GROUPS = (
    (
        "Where to train",
        (
            Setting(
                "BACKEND",
                kinds.BACKEND,
                "aws",
                "Whether to train on AWS, on this machine, or on the machine HOST over ssh",
            ),
            Setting("HOST", kinds.HOST, None, "The machine that trains if BACKEND is ssh"),
            Setting(
                "REGION",
                kinds.REGION,
                None,
                "AWS region of the job and the bucket; None uses the region of the AWS profile",
            ),
            Setting(
                "PROFILE",
                kinds.PROFILE,
                None,
                "Profile in ~/.aws/config to use; None uses the default profile",
            ),
            Setting("BUCKET", kinds.BUCKET, None, "S3 bucket that stores tubs and models"),
            Setting(
                "PREFIX", kinds.PREFIX, "donkeycar", "Folder in the bucket for everything that is uploaded"
            ),
            Setting(
                "FOLDER",
                kinds.FOLDER,
                None,
                "Folder of the car in PREFIX/cars, closed to others; `sagemaker-setup --user=NAME` sets it",
            ),
            Setting("ROLE_ARN", kinds.ROLE_ARN, None, "IAM role that the training job runs as"),
            Setting(
                "ENDPOINT_URL", kinds.URL, None, "Address of a service to use in place of AWS, for tests"
            ),
            Setting(
                "PYTHON",
                kinds.PYTHON,
                None,
                "Python with donkeycar and TensorFlow, on this machine or on HOST; None finds one",
            ),
            Setting("CAR", kinds.CAR, None, "The car to train for, if it is not this machine"),
            Setting(
                "TRUST_MODEL",
                kinds.BOOLEAN,
                False,
                "Install models with other layers than donkeycar's own, which may run code on the car",
            ),
        ),
    ),
    (
        "Machine, time and cost",
        (
            Setting(
                "IMAGE", kinds.IMAGE, "auto", "Docker image to train in; auto selects one that fits this car"
            ),
            Setting(
                "INSTANCE_TYPE",
                kinds.INSTANCE_TYPE,
                DEFAULT_TYPE,
                "Type of machine to train on; auto selects the best one that your account may use",
                has_flag=True,
            ),
            Setting(
                "PREFER", kinds.PREFER, "cost", "What auto aims for: the lowest cost or the shortest time"
            ),
            Setting(
                "INSTANCE_COUNT",
                kinds.COUNT,
                1,
                "Number of machines that share the training, on AWS",
                has_flag=True,
            ),
            Setting("VOLUME_GB", kinds.VOLUME, 30, "Disk size of each machine"),
            # AWS's own default is a day. A donkey trains in minutes: four hours end only a job that is stuck.
            Setting(
                "MAX_RUNTIME_S", kinds.RUNTIME, 4 * 3600, "Time limit after which a running job is stopped"
            ),
            Setting(
                "MAX_COST_USD",
                kinds.MONEY,
                None,
                "Do not start a job that could cost more than this; None means no limit",
            ),
            Setting(
                "SPOT",
                kinds.BOOLEAN,
                False,
                "Train on spot machines, which are cheaper but can be interrupted by AWS",
                has_flag=True,
            ),
            Setting(
                "KEEP_ALIVE_S",
                kinds.KEEP_ALIVE,
                0,
                "How long to keep the machine running, and pay for it, for your next job; not with SPOT",
            ),
            Setting("NETWORK_ISOLATION", kinds.BOOLEAN, False, "Run the job without access to any network"),
            Setting(
                "SUBNETS", kinds.SUBNETS, [], "Subnets of your VPC to run the job in, with SECURITY_GROUPS"
            ),
            Setting(
                "SECURITY_GROUPS", kinds.SECURITY_GROUPS, [], "Security groups of the job in these subnets"
            ),
            Setting(
                "KMS_KEY",
                kinds.KMS_KEY,
                None,
                "Key of your own that encrypts the job's objects and its disk",
            ),
            Setting("TEAM", kinds.TEAM, None, "Team that the car belongs to, as a tag of its jobs"),
            Setting(
                "TEAM_MINUTES",
                kinds.MINUTES,
                None,
                "Do not start a job with which the team's jobs could be billed for more minutes in a month",
            ),
            Setting(
                "TEAM_USD",
                kinds.MONEY,
                None,
                "Do not start a job with which the team's jobs could cost more in a month",
            ),
            Setting(
                "QUOTA_WAIT_S",
                kinds.WAIT,
                3600,
                "How long to wait for other jobs to end if they use all of the account's quota",
            ),
            Setting(
                "JOB_QUEUE",
                kinds.JOB_QUEUE,
                None,
                "Queue of AWS Batch in which jobs wait for a free instance; without one the command waits",
            ),
            Setting("TAGS", kinds.TAGS, {}, "AWS tags to add to the job"),
        ),
    ),
    (
        "What the model learns",
        (
            Setting(
                "SLIDE",
                kinds.SLIDE,
                0,
                "Train each picture with the command of this many frames later; auto measures it",
            ),
            Setting(
                "MIN_THROTTLE",
                kinds.FRACTION,
                None,
                "Skip records with this throttle or less; None keeps all records",
            ),
            Setting(
                "FLOOR_THROTTLE",
                kinds.FRACTION,
                None,
                "Raise a lower throttle to this value; None keeps the throttle as driven",
            ),
            Setting(
                "AUTOPILOT",
                kinds.AUTOPILOT,
                "skip",
                "Records that the autopilot drove: skip them, learn its own commands, or the idle stick's",
            ),
            Setting(
                "TAKEOVER_WEIGHT",
                kinds.WEIGHT,
                3,
                "How many times the driver's records count in the 2 s after taking over from the autopilot",
            ),
            Setting(
                "VALIDATION",
                kinds.VALIDATION,
                contract.FRAMES,
                "Validate with single frames, as donkeycar does, or with whole stretches of the drive",
            ),
            Setting(
                "RECIPE",
                kinds.RECIPE,
                contract.DONKEYCAR,
                "Train as donkeycar does, or robust: also on views from beside the line, steering back to it",
            ),
            Setting(
                "CAMERA",
                kinds.CAMERA,
                contract.CAMERA,
                "The camera, for those views: height above the floor, pitch down from level, field of view",
            ),
            Setting(
                "TURNING_RADIUS_M",
                kinds.RADIUS,
                None,
                "The radius of the circle that the car drives at full steering; None finds it in the tub",
            ),
            Setting(
                "DRIVING_PROOF",
                kinds.BOOLEAN,
                True,
                "Let the new model drive along the tub, from beside its line, and count when it gets lost",
            ),
            Setting(
                "LANE_M",
                kinds.LANE,
                contract.LANE_M,
                "The width of the lane around the driven line, for that drive",
            ),
            Setting(
                "TUNE",
                kinds.SPACE,
                None,
                "What sagemaker-tune tries; None means learning rate, batch size, type, slide and recipe",
            ),
            Setting("SEED", kinds.SEED, 1, "Random seed; the same seed splits the records in the same way"),
            Setting(
                "HYPERPARAMETERS", kinds.HYPERPARAMETERS, {}, "Additional hyperparameters for your own image"
            ),
        ),
    ),
    (
        "The new model",
        (
            Setting(
                "INSTALL",
                kinds.INSTALL,
                "better",
                "Install a new model only if it steers and is not clearly worse than the old one, or always",
                has_flag=True,
            ),
            Setting(
                "KEEP_MODELS",
                kinds.VERSIONS,
                5,
                "Number of earlier versions of each model to keep for sagemaker-rollback",
            ),
            Setting(
                "ON_END",
                kinds.COMMAND,
                None,
                "Command to run when a training has ended, with DONKEY_JOB, DONKEY_STATE, DONKEY_MODEL and "
                "DONKEY_COST_USD in its environment",
            ),
        ),
    ),
)  # type: Tuple[Tuple[str, Tuple[Setting, ...]], ...]

SETTINGS = tuple(setting for _, settings in GROUPS for setting in settings)


class Settings(NamedTuple):
    """The settings of one run, all of them checked. `SETTINGS` explains each one."""

    backend: str
    host: Optional[str]
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
    team: Optional[str]
    team_minutes: Optional[float]
    team_usd: Optional[float]
    quota_wait_s: int
    job_queue: Optional[str]
    tags: Dict[str, str]
    slide: Union[int, str]  # frames; AUTO until the tubs were read
    min_throttle: Optional[float]
    floor_throttle: Optional[float]
    autopilot: str
    takeover_weight: int
    validation: str
    recipe: str
    camera: Dict[str, float]
    turning_radius_m: Optional[float]
    driving_proof: bool
    lane_m: float
    tune: Optional[Dict[str, Any]]
    seed: int
    hyperparameters: Dict[str, Any]
    install: str
    keep_models: int
    on_end: Optional[str]


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
    problems, lacks_hint = [], False
    for name in values:
        if name.startswith(_VARIABLE_PREFIX) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            lacks_hint = lacks_hint or not nearest
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            problems.append(f"{name} ({origins[name]}): this setting does not exist{hint}")
    if lacks_hint:
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
