"""The connection to AWS: temporary failures, settings that are missing, and errors that nobody expects."""

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
