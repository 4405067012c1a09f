"""The checks before a job starts, on a healthy account and with each thing that can be wrong."""

import json
import re
import time

import pytest

from aws_cloud import (
    LOGIN_FIX,
    OTHER_IMAGE,
    QUOTAS_PAGE,
    REGISTRY,
    ROLE_FIX,
    STOCK_IMAGE,
    USER,
    error_message,
    message,
)
from donkey_sagemaker.aws.errors import WrongClock
from donkey_sagemaker.aws.limits import RequestOutOfLimits
from donkey_sagemaker.aws.policies import Names, make_car_policy
from donkey_sagemaker.aws.preflight import trusts_sagemaker
from donkey_sagemaker.cloud.errors import NoCapacity, Unreachable
from donkey_sagemaker.cloud.images import Image


def findings(cloud, *requests):
    return [(each.subject, each.text, each.checked) for each in cloud.preflight(requests)]


def error_of(cloud, subject, *requests):
    """The message of the only finding that has an error."""
    (found,) = [each for each in cloud.preflight(requests) if each.error]
    assert found.subject == subject and found.text == found.error.what
    return message(found.error)


def test_healthy_account(aws, cloud, request_for):
    """Everything is checked, and nothing is changed."""
    request = request_for()
    stock = request_for(image=Image(STOCK_IMAGE, stock=True))
    other = request_for(image=Image(OTHER_IMAGE, stock=False))
    done = len(aws.requests())
    found = findings(cloud, request, stock, other)
    assert found[2][0] == "clock" and re.fullmatch(r"[012] s off the clock of AWS", found[2][1])
    assert found[:2] + found[3:] == [
        ("request", "within SageMaker's limits", True),
        ("credentials", USER + ", does not expire", True),
        ("bucket", "donkey-stand-in in eu-west-1", True),
        ("role", "arn:aws:iam::123456789012:role/donkey-sagemaker", True),
        ("image", REGISTRY + "donkey-sagemaker:dk54-cpu", True),
        ("image", "AWS's own " + STOCK_IMAGE, True),
        ("image", OTHER_IMAGE + " is in the registry of another account", False),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
    ]
    operations = {each["operation"] for each in aws.requests()[done:]}
    assert all(re.match("Get|List|Describe", operation) for operation in operations)


def test_checks_are_lazy(aws, cloud, request_for):
    """A check is made when its finding is asked for."""
    request = request_for()
    done = len(aws.requests())
    next(cloud.preflight([request]))
    assert len(aws.requests()) == done


def test_bad_request(cloud, request_for):
    """A request that AWS would reject is found first."""
    request = request_for()
    request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 9999
    assert isinstance(next(cloud.preflight([request])).error, RequestOutOfLimits)


def test_missing_permissions(aws, cloud, request_for):
    """What cannot be checked is reported, but is not an error."""
    aws.set(denied=["iam:GetRole", "ecr:*", "servicequotas:*", "s3:GetBucketLocation"])
    found = [each for each in cloud.preflight([request_for()]) if each.subject not in ("request", "clock")]
    assert [each.error for each in found] == [None] * 5
    assert [(each.subject, each.checked) for each in found] == [
        ("credentials", True),
        ("bucket", True),
        ("role", False),
        ("image", False),
        ("quota", False),
    ]
    assert found[1].text == "donkey-stand-in in a region that you are not allowed to see"
    assert found[2].text == (
        USER + " is not allowed to use iam:GetRole on arn:aws:iam::123456789012:role/donkey-sagemaker "
        "[AccessDenied]: "
        "no identity-based policy allows the iam:GetRole action."
    )


def test_bucket_that_may_not_be_listed(aws, cloud, request_for):
    """An upload lists the bucket, so this is an error."""
    request = request_for()
    aws.set(denied=["s3:ListBucket"])
    assert error_of(cloud, "bucket", request) == (
        USER + " is not allowed to use s3:ListBucket on arn:aws:s3:::donkey-stand-in [AccessDenied]: no "
        "identity-based policy "
        "allows the s3:ListBucket action.\nAdd this statement to the policy of that user or role:\n"
        '{\n  "Effect": "Allow",\n  "Action": "s3:ListBucket",\n'
        '  "Resource": "arn:aws:s3:::donkey-stand-in"\n}'
    )


def test_a_car_whose_folder_is_not_set(aws, open_cloud, request_for, monkeypatch):
    """Its key may use its user's folder only, which a new myconfig.py may not name yet."""
    request = request_for()
    names = Names(
        "aws",
        "amazonaws.com",
        aws.region,
        aws.account_id,
        aws.bucket,
        prefix="donkeycar",
        role_arn=aws.role_arn,
    )
    key = aws.create_car_key("blue")
    aws.client("iam").put_user_policy(
        UserName="blue", PolicyName="car", PolicyDocument=json.dumps(make_car_policy(names))
    )

    def car(**values):  # after `settings` has set the variables of the administrator
        cloud = open_cloud(**values)
        for name, value in key.items():
            monkeypatch.setenv(name, value)
        return cloud

    for folder, where in ((None, "donkeycar/"), ("red", "donkeycar/cars/red/")):
        assert error_of(car(folder=folder), "bucket", request) == (
            f"The IAM user blue has no access to {where} in the bucket donkey-stand-in, only to a folder of "
            'its own [AccessDenied].\nSet SAGEMAKER_FOLDER = "blue" and the SAGEMAKER_ROLE_ARN of this car '
            "in myconfig.py; as an administrator, `python manage.py sagemaker-setup --user=blue` prints both."
        )
    assert [each.error for each in car(folder="blue").preflight([request])] == [None] * 7


def test_bucket_of_another_account(aws, cloud, request_for):
    """A bucket of that name may belong to another account."""
    request = request_for()
    aws.set(bucket_owners={aws.bucket: "999999999999"})
    assert (
        error_of(cloud, "bucket", request)
        == "Your account 123456789012 has no access to the bucket donkey-stand-in [AccessDenied].\n"
        "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to a profile of the bucket's"
        " owner."
    )


def test_no_bucket(open_cloud, request_for):
    """The bucket does not exist, or is not set."""
    request = request_for()
    assert (
        error_of(open_cloud(bucket="no-such-bucket"), "bucket", request)
        == "There is no bucket named no-such-bucket [NoSuchBucket].\n"
        "Correct SAGEMAKER_BUCKET, or create the bucket: `aws s3 mb s3://no-such-bucket --region eu-west-1`."
    )
    assert (
        error_of(open_cloud(bucket=None), "bucket", request)
        == "SAGEMAKER_BUCKET is not set, so there is nowhere to store tubs and models.\n"
        "Run `python manage.py sagemaker-setup` to create a bucket, or set SAGEMAKER_BUCKET in myconfig.py "
        "to a bucket in eu-west-1."
    )


def test_bucket_in_another_region(aws, open_cloud, request_for):
    """SageMaker needs the bucket in its own region."""
    aws.client("s3", region_name="us-east-1").create_bucket(Bucket="far-away")
    assert (
        error_of(open_cloud(bucket="far-away"), "bucket", request_for())
        == "The bucket far-away is in us-east-1, but the job would run in eu-west-1: SageMaker needs both in "
        'the same region.\nSet SAGEMAKER_REGION to "us-east-1", or SAGEMAKER_BUCKET to a bucket in eu-west-1.'
    )


def test_bad_role(aws, open_cloud, request_for):
    """The role is not set, does not exist, is another account's, or trusts another service."""
    request = request_for()
    assert (
        error_of(open_cloud(role_arn=None), "role", request)
        == "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read from and write to the bucket.\n"
        "Run `python manage.py sagemaker-setup` to create a role, or set SAGEMAKER_ROLE_ARN in myconfig.py "
        "to the ARN of a role for SageMaker."
    )
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    aws.client("iam").create_role(
        RoleName="of-ec2", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}), Path="/"
    )
    for arn, problem in (
        ("arn:aws:iam::123456789012:role/nobody", "does not exist [NoSuchEntity]"),
        ("arn:aws:iam::999999999999:role/other", "does not belong to your account 123456789012"),
        ("arn:aws:iam::123456789012:role/of-ec2", "does not trust SageMaker"),
        (
            "arn:aws:iam::123456789012:role/path/of-ec2",
            "does not exist, but arn:aws:iam::123456789012:role/of-ec2 does",
        ),
    ):
        expected = f"The role {arn} {problem}.\n{ROLE_FIX}"
        assert error_of(open_cloud(role_arn=arn), "role", request) == expected


def test_missing_image(cloud, request_for):
    """The image was never pushed."""
    request = request_for()
    request["AlgorithmSpecification"]["TrainingImage"] = REGISTRY + "donkey-sagemaker:dk99-cpu"
    assert (
        error_of(cloud, "image", request)
        == "There is no image donkey-sagemaker:dk99-cpu [ImageNotFoundException].\n"
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".'
    )


@pytest.mark.parametrize("lists_own", [True, False])
def test_quota_is_too_low(lists_own, aws, cloud, request_for):
    """The error suggests a type that has quota; spot instances have quotas of their own."""
    aws.set(lists_own_quotas=lists_own)
    request = request_for(instance_type="ml.g4dn.xlarge", spot=True)
    assert error_of(cloud, "quota", request) == (
        "This account's quota for ml.g4dn.xlarge for spot training job usage in eu-west-1 is 0, but this job "
        'needs 1.\nSet SAGEMAKER_INSTANCE_TYPE = "ml.m5.large", which has quota, or request a higher one, by '
        "that name, at " + QUOTAS_PAGE
    )
    assert isinstance(list(cloud.preflight([request]))[-1].error, NoCapacity)


def test_expired_login(aws, open_cloud, request_for):
    """Without credentials nothing else can be checked."""
    request = request_for()
    aws.set(expired=True)
    found = list(open_cloud().preflight([request]))
    assert [each.subject for each in found] == ["request", "credentials"]
    assert (
        message(found[1].error) == "Your AWS login has expired [ExpiredToken]. A job that has started keeps "
        "running.\n" + LOGIN_FIX
    )


def test_unknown_access_key(open_cloud, request_for, monkeypatch):
    """AWS does not know the access key."""
    request = request_for()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFNOBODY")
    assert (
        error_of(open_cloud(), "credentials", request)
        == "AWS does not accept the credentials of this machine in eu-west-1 [InvalidClientTokenId].\n"
        "Create a new access key in the IAM console and enter it: `aws configure`. (A region that is off by "
        "default must be enabled first.)"
    )


def clocks(text, *, code):
    """The two times in a message about the clock, in seconds."""
    match = re.fullmatch(
        r"The clock of this machine shows (.+) UTC, the clock of AWS (.+) UTC; AWS rejects requests that are "
        rf"signed at the wrong time{code}\.\nSet the clock: `sudo timedatectl set-ntp true` \(a Raspberry Pi"
        r" loses the time when it is off\)\.",
        text,
    )
    return [time.mktime(time.strptime(each, "%Y-%m-%d %H:%M:%S")) for each in match.groups()]


def test_clock_is_nearly_wrong(aws, cloud, request_for):
    """A clock that AWS only just accepts is an error, before it gets worse."""
    request = request_for()
    aws.set(skew_s=290)
    local, remote = clocks(error_of(cloud, "clock", request), code="")
    assert 280 <= remote - local <= 300


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_wrong_clock(skew_s, aws, cloud, open_cloud):
    """Each service has its own code for it; both times are shown."""
    cloud.list_objects("")
    aws.set(skew_s=skew_s)
    for step, code in (
        (lambda: cloud.list_objects(""), r" \[RequestTimeTooSkewed\]"),
        (lambda: cloud.describe_job("donkey-pilot-1"), r" \[InvalidSignatureException\]"),
        (lambda: open_cloud().list_objects(""), r" \[SignatureDoesNotMatch\]"),
    ):
        local, remote = clocks(error_message(WrongClock, step), code=code)
        assert abs(remote - local - skew_s) <= 5


def test_no_network(open_cloud, unreachable_url, request_for):
    """There is one error, not one for each thing that cannot be reached."""
    request = request_for()
    found = list(open_cloud(endpoint_url=unreachable_url).preflight([request]))
    assert [each.subject for each in found] == ["request", "credentials"]
    assert isinstance(found[1].error, Unreachable)


@pytest.mark.parametrize("status", [400, 500])
def test_a_check_that_aws_cannot_answer_is_not_checked(status, aws, cloud, request_for):
    """No job depends on it: only a check that found something wrong may stop one."""
    aws.fault("error", operation="ListServiceQuotas", status=status, code="InternalServerError", times=None)
    findings = [each for each in cloud.preflight([request_for()]) if each.subject == "quota"]
    assert [(each.checked, each.error) for each in findings] == [(False, None)]
    assert "InternalServerError" in findings[0].text


@pytest.mark.parametrize(
    "statement", ["x", ["Allow"], None, {"Effect": "Allow", "Principal": "*", "Action": 7}]
)
def test_an_unusual_trust_policy_does_not_trust_sagemaker(statement):
    """Whatever an account has in it, nothing crashes."""
    assert not trusts_sagemaker(statement)
