"""The connection to AWS: temporary failures, settings that are missing, and errors that nobody expects."""

import os
import subprocess
import sys

import pytest

from aws_cloud import BODY, JOB, KEY, Pauses, bare_settings, error_message
from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.connection import Connection, Timing
from donkey_sagemaker.aws.errors import AwsError, NoBucket, NoRegion, NoRole
from donkey_sagemaker.cloud.errors import NotAllowed, Unreachable
from donkey_sagemaker.errors import BadInput


@pytest.mark.parametrize("operation", ["ListObjectsV2", "DescribeTrainingJob", "GetCallerIdentity"])
@pytest.mark.parametrize("kind", ["refuse", "hang", "lose_response", "cut_response", "error"])
def test_requests_survive(kind, operation, aws, cloud, open_cloud, pauses, request_for):
    """Each request, in XML or JSON, is sent again after a failure; a truncated response is a failure."""
    request = request_for()
    cloud.start_job(request)
    fresh = open_cloud(Timing(read_timeout_s=1))
    aws.fault(kind, operation=operation, times=2)
    assert KEY not in fresh.list_objects("donkeycar/")
    assert fresh.describe_job(JOB).name == JOB
    assert len(pauses) == 2


def test_no_network(open_cloud, unreachable_url, pauses):
    """Without any network there are a few tries, and then Unreachable, which the watch waits out."""
    cloud = open_cloud(endpoint_url=unreachable_url)
    assert (
        error_message(Unreachable, lambda: cloud.describe_job(JOB))
        == "AWS cannot be reached [EndpointConnectionError]: Could not connect to the endpoint URL:"
        f' "{unreachable_url}/"\n'
        "Check the network and SAGEMAKER_REGION, then run the command again: it continues where it stopped."
    )
    assert len(pauses) == 5


def test_no_region():
    """A region is required."""
    assert (
        error_message(NoRegion, lambda: Connection(bare_settings())) == "No AWS region is set.\n"
        'Set SAGEMAKER_REGION in myconfig.py, for example to "eu-west-1", or add --local to train on '
        "this machine."
    )


def test_no_profile():
    """The profile is not in ~/.aws/config."""
    settings = bare_settings(profile="racer", region="eu-west-1")
    assert (
        error_message(BadInput, lambda: Connection(settings))
        == "There is no AWS profile named racer [ProfileNotFound].\n"
        "Create it with `aws configure --profile racer`; `aws configure list-profiles` lists the others."
    )


def test_no_credentials():
    """Nobody has entered an access key on this machine."""
    settings = bare_settings(region="eu-west-1")
    cloud = AwsCloud(settings, Connection(settings, sleep=Pauses()))
    assert (
        error_message(BadInput, cloud.list_jobs)
        == "There are no AWS credentials on this machine [NoCredentialsError].\n"
        "Enter the access key of your IAM user: `aws configure`."
    )


def test_bad_configuration_file(tmp_path, monkeypatch):
    """~/.aws/config is a file that people edit by hand."""
    (tmp_path / "config").write_text("region = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert error_message(BadInput, lambda: Connection(bare_settings())) == (
        "The AWS configuration of this machine is not valid [ConfigParseError]: Unable to parse config file: "
        f"{tmp_path / 'config'}\n"
        "Fix ~/.aws/config and ~/.aws/credentials, or write them again with `aws configure`."
    )


def first_error(settings, kind=BadInput):
    """What the first request of a connection raises, as the user reads it; it is not sent again."""
    pauses = Pauses()
    text = error_message(kind, AwsCloud(settings, Connection(settings, sleep=pauses)).list_jobs)
    assert not pauses
    return text


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_a_line_end_in_the_access_key(variable, ending, settings, monkeypatch):
    """As from a file; the message does not show the key or the token."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t0ken")
    monkeypatch.setenv(variable, "s3cret" + ending)
    text = first_error(settings())
    assert text == (
        "The AWS access key of this machine contains a line end or another character that no key has "
        "[HTTPClientError].\n"
        "Enter the key again: `aws configure`. If AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN is set, correct "
        "that "
        "instead."
    )


@pytest.mark.parametrize(
    "content", [None, "not a certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
)
def test_a_file_of_certificates_that_cannot_be_loaded(content, aws, settings, tmp_path, monkeypatch):
    """AWS_CA_BUNDLE names a file that is missing, or one of another kind."""
    path = tmp_path / "proxy.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    text = first_error(settings(endpoint_url=aws.endpoint_url.replace("http:", "https:")))
    assert text.startswith(f"{path} has no certificates that can be loaded [SSLError]: ")
    assert text.endswith("remove it: `unset AWS_CA_BUNDLE`.")


CONFIGURATIONS = {
    "a program that is missing": ("credential_process = /no/such/program", "No such file or directory"),
    "a program that prints no JSON": ("credential_process = /bin/echo hello", "Expecting value"),
    "a program that prints a list": ("credential_process = /bin/echo []", "'list' object"),
    "a program that fails": ("credential_process = /bin/false", ""),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_credentials_from_a_program(name, tmp_path, monkeypatch):
    """Whatever is wrong with the program in ~/.aws/config, it is said as such."""
    line, problem = CONFIGURATIONS[name]
    (tmp_path / "config").write_text(f"[default]\n{line}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    text = first_error(bare_settings(region="eu-west-1"))
    assert text.startswith(
        "The AWS credentials of this machine could not be loaded [CredentialRetrievalError]: "
    )
    assert problem in text


def test_an_mfa_code_that_nobody_types(tmp_path):
    """A service or a cron job has no terminal."""
    role = "role_arn = arn:aws:iam::123456789012:role/x\nmfa_serial = arn:aws:iam::123456789012:mfa/x\n"
    (tmp_path / "config").write_text(
        f"[profile racer]\n{role}source_profile = keys\n"
        "[profile keys]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    program = (
        "from aws_cloud import bare_settings, message\n"
        "from donkey_sagemaker.aws.connection import Connection\n"
        "from donkey_sagemaker.errors import BadInput\n"
        'try: Connection(bare_settings(region="eu-west-1", profile="racer")).identity()\n'
        "except BadInput as error: print(message(error))"
    )
    environment = dict(
        os.environ, AWS_CONFIG_FILE=str(tmp_path / "config"), PYTHONPATH=os.pathsep.join(sys.path)
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # without a terminal
        timeout=60,
    )
    assert ended.stdout.decode() == (
        "The credentials of the profile racer need an MFA code, but there is nobody to type it [EOFError].\n"
        "Run the command in a terminal, or set SAGEMAKER_PROFILE to a profile without mfa_serial.\n"
    )


def test_bucket_and_role_are_optional(open_cloud):
    """`jobs` and `stop` need neither of them."""
    cloud = open_cloud(bucket=None, role_arn=None)
    assert cloud.list_jobs() == [] and cloud.place == "on AWS in eu-west-1"
    with pytest.raises(NoBucket):
        cloud.put(KEY, BODY)
    with pytest.raises(NoRole):
        print(cloud.role_arn)


def test_unexpected_error(aws, cloud):
    """Any other error is reported with its operation and code."""
    aws.fault("error", operation="ListObjectsV2", status=400, code="Strange", message="So it is.")
    assert (
        error_message(AwsError, lambda: cloud.list_objects(""))
        == "AWS rejected ListObjectsV2 [Strange]: So it is.\n"
        "If that does not say what to change, run the command again with --debug and report what it prints."
    )


@pytest.mark.parametrize(
    "region, partition",
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_arns_of_the_partition(region, partition, aws, open_cloud):
    """A statement with the ARN of another partition allows nothing."""
    cloud = open_cloud(region=region)
    for service, step in (
        ("s3", lambda: cloud.put(KEY, BODY)),
        ("sagemaker", lambda: cloud.describe_job(JOB)),
    ):
        aws.fault("error", service=service, status=403, code="AccessDenied", message="Access Denied")
        text = error_message(NotAllowed, step)
        assert (
            f" on arn:{partition}:{service}:" in text and f'"Resource": "arn:{partition}:{service}:' in text
        )
