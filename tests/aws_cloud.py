"""What the tests of AWS share: an AwsCloud on the AWS stand-in, a request that it accepts, and errors."""

import json
import socket

import pytest

from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.connection import Connection
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.request import JobKeys, make_request
from donkey_sagemaker.settings import make_settings

BODY = bytes(range(256)) * 1024
KEY = "donkeycar/shards/0.zip"
JOB = "donkey-pilot-1"
USER = "arn:aws:iam::123456789012:user/donkey"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
STOCK_IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21-cpu"
OTHER_IMAGE = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/other:1"
QUOTAS_PAGE = "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
TRUST = """{
  "Effect": "Allow",
  "Principal": {
    "Service": "sagemaker.amazonaws.com"
  },
  "Action": "sts:AssumeRole"
}"""
ROLE_FIX = "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n" + TRUST
LOGIN_FIX = (
    "Log in again (`aws sso login`, or enter new keys) and repeat the command. To return to a job: "
    "`python manage.py sagemaker-train --attach`."
)


class Pauses(list):
    """A sleep that only records its seconds."""

    def __call__(self, seconds):
        self.append(seconds)


def bare_settings(**values):
    """Settings with these values only."""
    config = {"SAGEMAKER_" + name.upper(): value for name, value in values.items()}
    return make_settings({}, config, dict.fromkeys(config, "myconfig.py"))


@pytest.fixture
def settings(aws, monkeypatch):
    """A function that returns the settings of a car that trains on the stand-in."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    usual = {
        "region": aws.region,
        "bucket": aws.bucket,
        "role_arn": aws.role_arn,
        "endpoint_url": aws.endpoint_url,
    }
    return lambda **values: bare_settings(**dict(usual, **values))


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def connection(settings, pauses):
    return Connection(settings(), sleep=pauses)


@pytest.fixture
def cloud(settings, connection):
    """An AwsCloud over `connection`."""
    return AwsCloud(settings(), connection)


@pytest.fixture
def open_cloud(settings, pauses):
    """A function that returns another AwsCloud, with a connection of its own."""

    def open_it(timing=None, **values):
        chosen = settings(**values)
        return AwsCloud(chosen, Connection(chosen, timing=timing, sleep=pauses))

    return open_it


@pytest.fixture
def boto3_with_preferences(tmp_path, monkeypatch):
    """From now on boto3 knows InstancePreferences, as botocore does since 1.44."""
    folder = tmp_path / "models" / "sagemaker" / "2017-07-24"
    folder.mkdir(parents=True)
    members = {
        "InstancePreferences": {"shape": "InstancePreferencesOfTests"},
        "SelectedInstanceType": {"shape": "TrainingInstanceType"},
        "SelectedInstanceCount": {"shape": "TrainingInstanceCount"},
    }
    preference = {
        "type": "structure",
        "members": {
            "InstanceType": {"shape": "TrainingInstanceType"},
            "InstanceCount": {"shape": "TrainingInstanceCount"},
        },
    }
    shapes = {
        "ResourceConfig": {"members": members},
        "InstancePreferencesOfTests": {"type": "list", "member": {"shape": "InstancePreferenceOfTests"}},
        "InstancePreferenceOfTests": preference,
    }
    (folder / "service-2.sdk-extras.json").write_text(
        json.dumps({"version": 1.0, "merge": {"shapes": shapes}})
    )
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "models"))


@pytest.fixture
def unreachable_url():
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def own_image(aws):
    """An image in the account's own registry, whose container prints one line and ends."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    aws.image(uri, command=["echo", "hello from"])
    return uri


@pytest.fixture
def request_for(cloud, settings, own_image):
    """A function that uploads a job's input and makes the request."""

    def make(name=JOB, *, image=None, instance_type="ml.m5.xlarge", **values):
        keys = JobKeys(cloud.bucket, "donkeycar", name)
        cloud.put(keys.manifest, b'[{"prefix": "s3://donkey-stand-in/"}]')
        cloud.put(keys.car("job.json"), b"{}")
        cloud.put("donkeycar/code/0/trainer.pyz", b"")
        return make_request(
            keys,
            settings(**values),
            instance_type=instance_type,
            image=image or Image(own_image, stock=False),
            role_arn=cloud.role_arn,
            code_prefix="donkeycar/code/0/",
            tags={},
        )

    return make


def message(error):
    """An error as the user reads it."""
    return f"{error.what}\n{error.fix}"


def error_message(kind, step):
    """The error that a step raises, as the user reads it."""
    with pytest.raises(kind) as caught:
        step()
    assert type(caught.value) is kind
    return message(caught.value)
