"""The settings: which source takes precedence, which values are invalid, and how they are reported."""

import ast
from typing import Any, Dict, Optional

import pytest

from donkey_sagemaker.settings import SETTINGS, BadSettings, Settings, make_myconfig_section, make_settings

NAMES = ", ".join("SAGEMAKER_" + setting.name for setting in SETTINGS)


def make(flags: Optional[Dict[str, Any]] = None, **values: Any) -> Settings:
    """The settings of a car whose myconfig.py contains these values."""
    return make_settings(flags or {}, values, dict.fromkeys(values, "myconfig.py"))


def make_one(name: str, value: Any) -> Any:
    """The value of a setting that is set in myconfig.py."""
    return getattr(make(**{"SAGEMAKER_" + name: value}), name.lower())


def mistake(name: str, value: Any) -> str:
    """The line of the error for a single invalid value in myconfig.py."""
    with pytest.raises(BadSettings) as caught:
        make_one(name, value)
    first, line = caught.value.what.split("\n  ")
    assert first == "Some settings are invalid:"
    return line


def test_defaults() -> None:
    """A car that sets nothing gets the defaults, with the machine type as a list."""
    settings = make()
    assert settings.instance_type == ["ml.m5.xlarge"]
    assert settings._replace(instance_type=[]) == Settings(
        backend="aws",
        host=None,
        region=None,
        profile=None,
        bucket=None,
        prefix="donkeycar",
        folder=None,
        role_arn=None,
        endpoint_url=None,
        python=None,
        car=None,
        trust_model=False,
        image="auto",
        instance_type=[],
        prefer="cost",
        instance_count=1,
        volume_gb=30,
        max_runtime_s=14400,
        max_cost_usd=None,
        spot=False,
        keep_alive_s=0,
        network_isolation=False,
        subnets=[],
        security_groups=[],
        kms_key=None,
        team=None,
        team_minutes=None,
        team_usd=None,
        quota_wait_s=3600,
        job_queue=None,
        tags={},
        slide=0,
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        takeover_weight=3,
        validation="frames",
        recipe="donkeycar",
        camera={"height_m": 0.15, "pitch_deg": 20.0, "fov_deg": 100.0},
        turning_radius_m=None,
        driving_proof=True,
        lane_m=0.7,
        tune=None,
        seed=1,
        hyperparameters={},
        install="better",
        keep_models=5,
        on_end=None,
    )


def test_names_agree() -> None:
    """The table and the class have the same settings in the same order."""
    assert tuple(setting.attribute for setting in SETTINGS) == Settings._fields


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_default_is_valid(setting: Any) -> None:
    """A default passes its own check, or is None."""
    assert setting.default is None or setting.kind.accepts(setting.default)


def test_a_flag_overrides_the_config() -> None:
    """A flag overrides myconfig.py, and its text is converted to the type of the setting."""
    flags = {"instance_type": "ml.c5.xlarge,ml.m5.xlarge", "instance_count": "2", "spot": True}
    settings = make(flags, SAGEMAKER_INSTANCE_TYPE="ml.m5.large", SAGEMAKER_INSTANCE_COUNT=3)
    assert settings.instance_type == ["ml.c5.xlarge", "ml.m5.xlarge"]
    assert settings.instance_count == 2
    assert settings.spot is True


def test_a_missing_flag_does_not_override_the_config() -> None:
    """None, which argparse returns for a flag that was not given, leaves the value in myconfig.py."""
    assert make({"spot": None}, SAGEMAKER_SPOT=True).spot is True


def test_a_flag_that_is_not_a_setting() -> None:
    """Only flags in the table may be passed: anything else is a mistake in the calling code."""
    with pytest.raises(ValueError, match="^not a setting: debug, tub$"):
        make({"tub": "data", "spot": True, "debug": None})


def test_other_values_of_the_config_are_ignored() -> None:
    """Settings of donkeycar and names that only look similar have no effect."""
    assert make(IMAGE_W=160, SPOT="yes").spot is False


@pytest.mark.parametrize(
    "name, value",
    [
        ("BACKEND", "local"),
        ("BACKEND", "ssh"),
        ("HOST", "me@pc.local:2222"),
        ("REGION", "us-gov-west-1"),
        ("BUCKET", "my.cars-2"),
        ("PREFIX", "cars/blue_1"),
        ("ROLE_ARN", "arn:aws-cn:iam::123456789012:role/service-role/Donkey"),
        ("FOLDER", "donkey-car_1.2"),
        ("KMS_KEY", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1234abcd-12ab-34cd"),
        ("IMAGE", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/donkey:5.3"),
        ("INSTANCE_TYPE", ["ml.g4dn.xlarge", "ml.m5.xlarge"]),
        ("MAX_RUNTIME_S", 28 * 24 * 3600),
        ("MAX_COST_USD", 0.5),
        ("MAX_COST_USD", None),
        ("KEEP_ALIVE_S", 3600),
        ("TAGS", {"team": "red", "Größe": ""}),
        ("MIN_THROTTLE", 0),
        ("RECIPE", "robust"),
        ("CAMERA", {}),
        ("TURNING_RADIUS_M", None),
        ("TURNING_RADIUS_M", 1),
        ("DRIVING_PROOF", False),
        ("LANE_M", 0.4),
        ("CAMERA", {"pitch_deg": -20, "fov_deg": 62.2}),
        ("HYPERPARAMETERS", {"depth": 3, "layers": [24, 32]}),
        ("INSTALL", "always"),
    ],
)
def test_valid_values(name: str, value: Any) -> None:
    """Values at the limits are accepted unchanged."""
    assert make_one(name, value) == value


WHOLE = "must be a whole number"
BUCKET = "must be a bucket name: 3 to 63 lowercase letters, digits, dots and hyphens"
PREFIX = 'must be a path such as "cars/blue" made of letters, digits and _.=- with no slash at either end'
FOLDER = "must be a name of up to 64 letters, digits and _.=- such as that of the car's IAM user"
KEY = 'must be the ARN of a key such as "arn:aws:kms:eu-west-1:123456789012:key/ID"'
ARN = 'must be an ARN such as "arn:aws:iam::123456789012:role/NAME"'
TYPE = 'must be a type such as "ml.m5.xlarge", a list of types in the order to try them, or "auto"'
TAGS = (
    "must be a dict of at most 40 tags: names of up to 128 characters that do not start with aws:, "
    "and values of up to 256 characters"
)
CAMERA = (
    "must be a dict of height_m from 0.02 to 2, pitch_deg from -20 to 80 and fov_deg from 20 to 170, "
    "or some of them"
)
MORE = "must be a dict of at most 50 values, each at most 256 characters of JSON"


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("BACKEND", "gcp", 'SAGEMAKER_BACKEND = \'gcp\' (myconfig.py): must be "aws", "local" or "ssh"'),
        ("BACKEND", ["aws"], 'SAGEMAKER_BACKEND = [\'aws\'] (myconfig.py): must be "aws", "local" or "ssh"'),
        (
            "HOST",
            "-oProxyCommand=x",
            "SAGEMAKER_HOST = '-oProxyCommand=x' (myconfig.py): must be as for ssh, such as "
            '"me@pc.local", "me@pc.local:2222" or a name in ~/.ssh/config',
        ),
        ("BACKEND", None, 'SAGEMAKER_BACKEND = None (myconfig.py): must be "aws", "local" or "ssh"'),
        ("BUCKET", "My_Cars", "SAGEMAKER_BUCKET = 'My_Cars' (myconfig.py): " + BUCKET),
        ("BUCKET", "my..cars", "SAGEMAKER_BUCKET = 'my..cars' (myconfig.py): " + BUCKET),
        ("BUCKET", "cars\n", "SAGEMAKER_BUCKET = 'cars\\n' (myconfig.py): " + BUCKET),
        ("PREFIX", "/cars", "SAGEMAKER_PREFIX = '/cars' (myconfig.py): " + PREFIX),
        ("PREFIX", "a//b", "SAGEMAKER_PREFIX = 'a//b' (myconfig.py): " + PREFIX),
        ("PREFIX", "a/../b", "SAGEMAKER_PREFIX = 'a/../b' (myconfig.py): " + PREFIX),
        ("PREFIX", "carsü", "SAGEMAKER_PREFIX = 'carsü' (myconfig.py): " + PREFIX),
        ("ROLE_ARN", "Donkey", "SAGEMAKER_ROLE_ARN = 'Donkey' (myconfig.py): " + ARN),
        ("FOLDER", "a/b", "SAGEMAKER_FOLDER = 'a/b' (myconfig.py): " + FOLDER),
        ("FOLDER", "..", "SAGEMAKER_FOLDER = '..' (myconfig.py): " + FOLDER),
        ("KMS_KEY", "alias/mine", "SAGEMAKER_KMS_KEY = 'alias/mine' (myconfig.py): " + KEY),
        ("INSTANCE_TYPE", "m5.xlarge", "SAGEMAKER_INSTANCE_TYPE = 'm5.xlarge' (myconfig.py): " + TYPE),
        ("INSTANCE_TYPE", [], "SAGEMAKER_INSTANCE_TYPE = [] (myconfig.py): " + TYPE),
        ("VOLUME_GB", 0, "SAGEMAKER_VOLUME_GB = 0 (myconfig.py): " + WHOLE + " of GB from 1 to 16384"),
        ("VOLUME_GB", "30", "SAGEMAKER_VOLUME_GB = '30' (myconfig.py): " + WHOLE + " of GB from 1 to 16384"),
        ("VOLUME_GB", True, "SAGEMAKER_VOLUME_GB = True (myconfig.py): " + WHOLE + " of GB from 1 to 16384"),
        (
            "MAX_RUNTIME_S",
            28 * 24 * 3600 + 1,
            "SAGEMAKER_MAX_RUNTIME_S = 2419201 (myconfig.py): " + WHOLE + " of seconds from 1 to 2419200",
        ),
        (
            "KEEP_ALIVE_S",
            3601,
            "SAGEMAKER_KEEP_ALIVE_S = 3601 (myconfig.py): " + WHOLE + " of seconds from 0 to 3600",
        ),
        ("INSTALL", True, 'SAGEMAKER_INSTALL = True (myconfig.py): must be "better" or "always"'),
        (
            "SLIDE",
            -1,
            'SAGEMAKER_SLIDE = -1 (myconfig.py): must be "auto" or a whole number of frames from 0 to 100',
        ),
        ("RECIPE", "fast", 'SAGEMAKER_RECIPE = \'fast\' (myconfig.py): must be "donkeycar" or "robust"'),
        ("CAMERA", {"fov": 90}, "SAGEMAKER_CAMERA = {'fov': 90} (myconfig.py): " + CAMERA),
        ("CAMERA", {"fov_deg": 19}, "SAGEMAKER_CAMERA = {'fov_deg': 19} (myconfig.py): " + CAMERA),
        ("CAMERA", {"height_m": True}, "SAGEMAKER_CAMERA = {'height_m': True} (myconfig.py): " + CAMERA),
        (
            "TURNING_RADIUS_M",
            0,
            "SAGEMAKER_TURNING_RADIUS_M = 0 (myconfig.py): must be a number of metres from 0.1 to 10",
        ),
        ("DRIVING_PROOF", "no", "SAGEMAKER_DRIVING_PROOF = 'no' (myconfig.py): must be True or False"),
        ("LANE_M", 35, "SAGEMAKER_LANE_M = 35 (myconfig.py): must be a number of metres from 0.1 to 20"),
        ("CAMERA", [0.15], "SAGEMAKER_CAMERA = [0.15] (myconfig.py): " + CAMERA),
        ("SEED", 1.0, "SAGEMAKER_SEED = 1.0 (myconfig.py): " + WHOLE + " from 0 to 4294967295"),
        ("SPOT", 1, "SAGEMAKER_SPOT = 1 (myconfig.py): must be True or False"),
        (
            "MAX_COST_USD",
            0,
            "SAGEMAKER_MAX_COST_USD = 0 (myconfig.py): must be an amount in US dollars above 0",
        ),
        (
            "MAX_COST_USD",
            float("inf"),
            "SAGEMAKER_MAX_COST_USD = inf (myconfig.py): must be an amount in US dollars above 0",
        ),
        (
            "MIN_THROTTLE",
            float("nan"),
            "SAGEMAKER_MIN_THROTTLE = nan (myconfig.py): must be a number from 0 to 1",
        ),
        ("MIN_THROTTLE", 1.1, "SAGEMAKER_MIN_THROTTLE = 1.1 (myconfig.py): must be a number from 0 to 1"),
        ("TAGS", {"aws:x": "y"}, "SAGEMAKER_TAGS = {'aws:x': 'y'} (myconfig.py): " + TAGS),
        ("TAGS", {"x": 1}, "SAGEMAKER_TAGS = {'x': 1} (myconfig.py): " + TAGS),
        ("HYPERPARAMETERS", {"x": {1}}, "SAGEMAKER_HYPERPARAMETERS = {'x': {1}} (myconfig.py): " + MORE),
        ("HYPERPARAMETERS", {1: 2}, "SAGEMAKER_HYPERPARAMETERS = {1: 2} (myconfig.py): " + MORE),
    ],
)
def test_invalid_values(name: str, value: Any, message: str) -> None:
    """A value of a wrong type or out of range is reported with its file and what it must be."""
    assert mistake(name, value) == message


@pytest.mark.parametrize(
    "name, value",
    [
        ("TAGS", {str(number): "" for number in range(41)}),
        ("TAGS", {"x" * 129: ""}),
        ("TAGS", {"x": "y" * 257}),
        ("HYPERPARAMETERS", {str(number): 1 for number in range(51)}),
        ("HYPERPARAMETERS", {"x": "y" * 255}),
        ("HYPERPARAMETERS", {"x y": 1}),
        ("IMAGE", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/" + "x" * 255),
        ("IMAGE", "tensorflow/tensorflow:2.15"),
        ("ENDPOINT_URL", "localhost:5000"),
    ],
)
def test_invalid_values_that_are_too_long_to_print(name: str, value: Any) -> None:
    """A value that is too long is shortened, but the message still says what it must be."""
    kind = next(setting.kind for setting in SETTINGS if setting.name == name)
    assert mistake(name, value).endswith("(myconfig.py): must be " + kind.expected)


def test_all_mistakes_at_once() -> None:
    """One error lists every mistake with its source: a flag, myconfig.py, config.py, or an unknown name."""
    flags = {"instance_count": "two", "instance_type": "fast"}
    values = {"SAGEMAKER_VOLUME_GB": "big", "SAGEMAKER_SEED": -1, "SAGEMAKER_SPOTS": True}
    origins = {
        "SAGEMAKER_VOLUME_GB": "config.py",
        "SAGEMAKER_SEED": "myconfig.py",
        "SAGEMAKER_SPOTS": "myconfig.py",
    }
    with pytest.raises(BadSettings) as caught:
        make_settings(flags, values, origins)
    assert caught.value.exit_code == 2
    assert caught.value.what.split("\n") == [
        "Some settings are invalid:",
        "  SAGEMAKER_SPOTS (myconfig.py): this setting does not exist; did you mean SAGEMAKER_SPOT?",
        "  --instance-type fast: " + TYPE,
        "  --instance-count two: must be a whole number from 1 to 20",
        "  SAGEMAKER_VOLUME_GB = 'big' (config.py): must be a whole number of GB from 1 to 16384",
        "  SAGEMAKER_SEED = -1 (myconfig.py): must be a whole number from 0 to 4294967295",
    ]
    assert caught.value.fix == "Correct them where they are set, and run the command again."


def test_unknown_name_without_a_similar_one() -> None:
    """If no name is similar, all names are listed without a suggestion."""
    with pytest.raises(BadSettings) as caught:
        make(SAGEMAKER_QQQQQQQQQQQQ=1)
    assert caught.value.what == (
        "Some settings are invalid:\n"
        "  SAGEMAKER_QQQQQQQQQQQQ (myconfig.py): this setting does not exist\n"
        "  The existing settings are " + NAMES
    )


@pytest.mark.parametrize("flag, source", [(True, "--spot"), (None, "SAGEMAKER_SPOT = True (myconfig.py)")])
def test_keep_alive_and_spot(flag: Optional[bool], source: str) -> None:
    """The machine of a spot job cannot be kept. The message shows where both settings come from."""
    with pytest.raises(BadSettings) as caught:
        make({"spot": flag}, SAGEMAKER_KEEP_ALIVE_S=60, SAGEMAKER_SPOT=True)
    assert caught.value.what == (
        "Some settings are invalid:\n"
        f"  SAGEMAKER_KEEP_ALIVE_S = 60 (myconfig.py): cannot be combined with {source}, because AWS does "
        "not keep the machine of a spot job"
    )


SUBNETS, GROUPS = ["subnet-0123456789abcdef0", "subnet-01234567"], ["sg-0123456789abcdef0"]


def test_subnets_and_security_groups() -> None:
    """They come together: AWS connects a job to both or to neither."""
    settings = make(SAGEMAKER_SUBNETS=SUBNETS, SAGEMAKER_SECURITY_GROUPS=GROUPS)
    assert (settings.subnets, settings.security_groups) == (SUBNETS, GROUPS)
    for given, missing, value in (
        ("SUBNETS", "SECURITY_GROUPS", SUBNETS[1:]),
        ("SECURITY_GROUPS", "SUBNETS", GROUPS),
    ):
        assert mistake(given, value) == (
            f"SAGEMAKER_{given} = {value!r} (myconfig.py): needs SAGEMAKER_{missing} too, because AWS "
            "connects a job to both or to neither"
        )


@pytest.mark.parametrize("value", ["subnet-01234567", ["sg-01234567"], ["subnet-01234567"] * 17, [1]])
def test_invalid_subnets(value: Any) -> None:
    """A single name is not a list, and a security group is not a subnet."""
    with pytest.raises(BadSettings) as caught:
        make(SAGEMAKER_SUBNETS=value, SAGEMAKER_SECURITY_GROUPS=GROUPS)
    assert caught.value.what.endswith(
        'must be a list of at most 16 names such as ["subnet-0123456789abcdef0"]'
    )


def test_long_values_are_shortened() -> None:
    """A very long value does not fill the screen."""
    assert len(mistake("REGION", "x" * 100000)) < 120


def test_myconfig_section_consists_of_comments() -> None:
    """The section changes nothing by itself. It is ASCII, so it fits into a file of any encoding."""
    make_myconfig_section().encode("ascii")
    assert ast.parse(make_myconfig_section()).body == []


def test_myconfig_section_uncommented_sets_the_defaults() -> None:
    """Without the "# " in front of each name, the section sets every setting to its default."""
    lines = make_myconfig_section().splitlines()
    namespace: Dict[str, Any] = {}
    exec("\n".join(line[2:] for line in lines if line.startswith("# SAGEMAKER_")), {}, namespace)
    assert namespace == {"SAGEMAKER_" + setting.name: setting.default for setting in SETTINGS}


def test_myconfig_section_explains_every_setting() -> None:
    """The line above each setting explains its meaning and its values."""
    lines = make_myconfig_section().splitlines()
    for setting in SETTINGS:
        number = lines.index(f"# {setting.variable} = {setting.default!r}")
        assert lines[number - 1] == f"# {setting.help} ({setting.kind.expected})"
