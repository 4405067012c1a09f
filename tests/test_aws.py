"""The AWS side: real boto3 over HTTP against the stand-in, with every fault that we know of."""

import json
import os
import re
import socket
import threading
import time

import pytest

from donkey_sagemaker.aws import backend as aws_module
from donkey_sagemaker.aws import errors as refusals
from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.limits import RequestOutOfLimits
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.machines import has_fixed_disk
from donkey_sagemaker.cloud.prices import Price
from donkey_sagemaker.cloud.request import JobKeys, make_request
from donkey_sagemaker.settings import make_settings

BODY = bytes(range(256)) * 1024
KEY = "donkeycar/shards/0.zip"
JOB = "donkey-pilot-1"
JOB_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/" + JOB
USER = "arn:aws:iam::123456789012:user/donkey"
STOCK_IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21-cpu"
OTHER_IMAGE = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/other:1"
QUOTAS_PAGE = "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


class Naps(list):
    """A sleep that only takes notes."""

    def __call__(self, seconds):
        self.append(seconds)


def no_settings(**values):
    config = {"SAGEMAKER_" + name.upper(): value for name, value in values.items()}
    return make_settings({}, config, dict.fromkeys(config, "myconfig.py"))


@pytest.fixture
def settings(aws, monkeypatch):
    """A function that gives the settings of a car that trains on the stand-in."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    usual = {
        "region": aws.region,
        "bucket": aws.bucket,
        "role_arn": aws.role_arn,
        "endpoint_url": aws.endpoint_url,
    }
    return lambda **values: no_settings(**dict(usual, **values))


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
def cloud(settings, naps):
    return AwsCloud(settings(), sleep=naps)


@pytest.fixture
def own_image(aws):
    """An image in the account's own registry, whose container prints a line and is done."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    aws.image(uri, command=["echo", "hello from"])
    return uri


@pytest.fixture
def request_for(cloud, settings, own_image):
    """A function that puts a job's input into the bucket and makes the request."""

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


def told(error):
    """An error as the user reads it."""
    return f"{error.what}\n{error.fix}"


def refusal_of(kind, step):
    """The refusal that a step ends with, as the user reads it."""
    with pytest.raises(kind) as caught:
        step()
    assert type(caught.value) is kind
    return told(caught.value)


def download(cloud, path, key=KEY):
    """Downloads, and returns the bytes of each step."""
    steps = []
    cloud.download(key, str(path), advance=steps.append)
    return steps


# Objects


def test_what_is_put_can_be_listed_and_downloaded(cloud, tmp_path, naps):
    """An object comes back as it was sent, under any key that a file name can make."""
    key = "donkeycar/jobs/a b+c/ä&'.zip"
    cloud.put(key, BODY)
    cloud.put("other/x", b"")
    assert cloud.list_objects("donkeycar/") == {key: len(BODY)}
    steps = download(cloud, tmp_path / "x", key)
    assert (tmp_path / "x").read_bytes() == BODY
    assert sum(steps) == len(BODY) and len(steps) > 1
    assert download(cloud, tmp_path / "y", "other/x") == []
    assert (tmp_path / "y").read_bytes() == b""
    assert sorted(os.listdir(str(tmp_path))) == ["x", "y"]
    assert not naps


def test_a_long_list_comes_in_pages(aws, cloud):
    """More objects than S3 lists at once are all listed."""

    def shorten(params, **_):
        params["MaxKeys"] = 2

    cloud._aws.client("s3").meta.events.register("provide-client-params.s3.ListObjectsV2", shorten)
    for number in range(5):
        cloud.put(f"donkeycar/{number}", b"")
    assert len(cloud.list_objects("donkeycar/")) == 5
    assert len(aws.requests("s3", "ListObjectsV2")) == 3


def test_every_s3_request_names_the_owner_and_the_sum(cloud, tmp_path, aws):
    """A bucket that has passed to another account by its name gets no picture, and gives no code."""
    sent = []
    cloud._aws.client("s3").meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    cloud.put(KEY, BODY)
    cloud.list_objects("")
    download(cloud, tmp_path / "x")
    headers = [{name.lower(): value for name, value in each.headers.items()} for each in sent]
    owners = [each["x-amz-expected-bucket-owner"] for each in headers]
    assert [owner.decode() if isinstance(owner, bytes) else owner for owner in owners] == [aws.account_id] * 3
    assert b"donkey-sagemaker/" in headers[0]["user-agent"]
    assert "x-amz-checksum-sha256" in headers[0]
    assert len(aws.requests("sts")) == 1


PASSING = {
    "refused": {"kind": "refuse"},
    "cut on its way": {"kind": "cut_request"},
    "never answered": {"kind": "hang"},
    "done, answer lost": {"kind": "lose_response"},
    "internal error": {"kind": "error", "status": 500, "code": "InternalError"},
    "503 without a known code": {"kind": "error", "status": 503, "code": "Nobody"},
    "slow down": {"kind": "error", "status": 503, "code": "SlowDown"},
    "throttled": {"kind": "error", "status": 400, "code": "ThrottlingException", "message": "Rate exceeded"},
    "stalled": {"kind": "error", "status": 400, "code": "RequestTimeout"},
    "arrived cut": {"kind": "error", "status": 400, "code": "IncompleteBody"},
    "arrived changed": {"kind": "error", "status": 400, "code": "BadDigest"},
}


@pytest.mark.parametrize("fault", PASSING)
def test_put_goes_on_through(fault, aws, cloud, naps, monkeypatch):
    """An object arrives whole after any fault of the network, which strikes twice."""
    monkeypatch.setattr(aws_module, "READ_TIMEOUT_S", 1.0)
    aws.fault(service="s3", operation="PutObject", times=2, **PASSING[fault])
    cloud.put(KEY, BODY)
    assert cloud.list_objects("") == {KEY: len(BODY)}
    assert len(naps) == 2 and 0.25 <= naps[0] <= 0.5 <= naps[1] <= 1.0


@pytest.mark.parametrize("operation", ["ListObjectsV2", "DescribeTrainingJob", "GetCallerIdentity"])
@pytest.mark.parametrize("kind", ["refuse", "hang", "lose_response", "cut_response", "error"])
def test_asking_goes_on_through(kind, operation, aws, cloud, naps, request_for, monkeypatch):
    """Whatever is asked, in XML or JSON, is asked again after a fault; half an answer is none."""
    request = request_for()
    cloud.start_job(request)
    monkeypatch.setattr(aws_module, "READ_TIMEOUT_S", 1.0)
    fresh = AwsCloud(cloud._settings, sleep=naps)
    aws.fault(kind, operation=operation, times=2)
    assert KEY not in fresh.list_objects("donkeycar/")
    assert fresh.describe_job(JOB)["TrainingJobName"] == JOB
    assert len(naps) == 2


def test_put_gives_up_after_half_an_hour(aws, cloud, naps):
    """Where the network does not come back, that is said, and said in the end only."""
    aws.fault("refuse", operation="PutObject", times=None)
    text = refusal_of(refusals.Unreachable, lambda: cloud.put(KEY, BODY))
    assert re.fullmatch(
        r"AWS cannot be reached \[ConnectionClosedError\]: Connection was closed .+\n"
        r"Check the network and SAGEMAKER_REGION, then run the command again: it goes on where it was\.",
        text,
    )
    assert 15 * 60 < sum(naps) < 35 * 60


def test_nobody_there(settings, naps):
    """No network at all: a short while of asking, then Unreachable, which a watcher takes for a pause."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    cloud = AwsCloud(settings(endpoint_url=url), sleep=naps)
    assert (
        refusal_of(refusals.Unreachable, lambda: cloud.describe_job(JOB))
        == "AWS cannot be reached [EndpointConnectionError]: Could not connect to the endpoint URL:"
        f' "{url}/"\n'
        "Check the network and SAGEMAKER_REGION, then run the command again: it goes on where it was."
    )
    assert len(naps) == 5


def test_puts_side_by_side(aws, cloud, naps):
    """Several threads send at once, each through faults of its own, and ask once who they are."""
    aws.fault("cut_request", operation="PutObject", skip=3, times=4)
    keys = [f"donkeycar/{number}" for number in range(16)]
    threads = [threading.Thread(target=cloud.put, args=(key, BODY)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cloud.list_objects("") == dict.fromkeys(keys, len(BODY))
    assert len(naps) == 4 and len(aws.requests("sts")) == 1


def test_a_slow_line_is_not_a_broken_one(aws, cloud, naps, monkeypatch):
    """Sending an object may take longer than any timeout, as long as it goes on."""
    connect = socket.socket.connect

    def connect_by_a_thin_wire(self, address):
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # the loopback's own takes megabytes
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_by_a_thin_wire)
    monkeypatch.setattr(aws_module, "CONNECT_TIMEOUT_S", 1)  # in urllib3 that of sending too
    monkeypatch.setattr(aws_module, "READ_TIMEOUT_S", 1)
    aws.set(upload_bytes_per_s=1.5e6)
    body = BODY * 16
    started = time.time()
    cloud.put(KEY, body)
    assert time.time() - started > 2 and not naps
    assert cloud.list_objects("") == {KEY: len(body)}


def test_download_goes_on_where_it_was_cut(aws, cloud, tmp_path, naps):
    """After a cut only the rest is fetched."""
    cloud.put(KEY, BODY)
    aws.fault("cut_response", operation="GetObject")
    steps = download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert sum(steps) == len(BODY) and min(steps) > 0
    first, second = aws.requests("s3", "GetObject")
    assert (first["bytes_out"], second["bytes_out"]) == (len(BODY) // 2, len(BODY) // 2)
    assert not naps
    assert os.listdir(str(tmp_path)) == ["x"]


@pytest.mark.parametrize("kind", ["refuse", "hang", "lose_response", "error"])
def test_download_goes_on_through(kind, aws, cloud, tmp_path, naps, monkeypatch):
    """An object comes whole through any fault of the network, which strikes three times."""
    cloud.put(KEY, BODY)
    monkeypatch.setattr(aws_module, "READ_TIMEOUT_S", 1.0)
    aws.fault(kind, operation="GetObject", times=3)
    fresh = AwsCloud(cloud._settings, sleep=naps)
    assert sum(download(fresh, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    assert len(naps) == 3


def test_download_in_ever_smaller_pieces(aws, cloud, tmp_path, naps):
    """As long as something comes, no number of cuts is too many."""
    body = bytes(range(256)) * 32768
    cloud.put(KEY, body)
    aws.fault("cut_response", operation="GetObject", times=20)
    assert sum(download(cloud, tmp_path / "x")) == len(body)
    assert (tmp_path / "x").read_bytes() == body
    assert len(aws.requests("s3", "GetObject")) == 21 and not naps


def leave_half(aws, cloud, path):
    """What a process leaves that was killed in the middle of a download."""
    aws.fault("cut_response", operation="GetObject")
    aws.fault("refuse", operation="GetObject", times=None)
    with pytest.raises(refusals.Unreachable):
        download(cloud, path)
    aws.clear_faults()


def test_download_goes_on_in_another_process(aws, cloud, settings, tmp_path):
    """What an earlier process had fetched is told first, and not fetched again."""
    cloud.put(KEY, BODY)
    leave_half(aws, cloud, tmp_path / "x")
    half = len(BODY) // 2
    assert os.path.getsize(str(tmp_path / "x.part")) == half
    steps = download(AwsCloud(settings()), tmp_path / "x")
    assert steps[0] == half and sum(steps) == len(BODY)
    assert aws.requests("s3", "GetObject")[-1]["bytes_out"] == half
    assert (tmp_path / "x").read_bytes() == BODY
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_of_another_object_by_now(aws, cloud, settings, tmp_path):
    """Where the object was replaced meanwhile no byte of the old one stays."""
    cloud.put(KEY, BODY)
    leave_half(aws, cloud, tmp_path / "x")
    cloud.put(KEY, BODY[::-1])
    steps = download(AwsCloud(settings(), sleep=Naps()), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY[::-1]
    assert sum(steps) == len(BODY) and min(steps) == -len(BODY) // 2


@pytest.mark.parametrize("left", ["x.part", "x.part.json"])
def test_half_of_what_a_download_leaves_is_no_part(left, cloud, tmp_path):
    """A part without its note, or a note that cannot be read, is thrown away."""
    cloud.put(KEY, BODY)
    (tmp_path / left).write_bytes(b"rubbish")
    assert sum(download(cloud, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_that_arrives_changed(aws, cloud, tmp_path):
    """A byte that changed on its way is found by the checksum, and all is fetched again."""
    cloud.put(KEY, BODY)
    aws.fault("corrupt_response", operation="GetObject")
    assert sum(download(cloud, tmp_path / "x")) == len(BODY)
    assert (tmp_path / "x").read_bytes() == BODY
    aws.fault("corrupt_response", operation="GetObject", times=None)
    assert (
        refusal_of(refusals.ObjectDamaged, lambda: download(cloud, tmp_path / "y"))
        == "s3://donkey-stand-in/donkeycar/shards/0.zip arrives with another checksum than the bucket has"
        " for "
        "it, each time.\nFetch it over another network: `python manage.py sagemaker-train --attach`."
    )
    assert os.listdir(str(tmp_path)) == ["x"]


def test_download_of_what_came_in_parts(aws, cloud, tmp_path):
    """SageMaker sends a large archive in parts; its ETag is no MD5 of the whole."""
    client = aws.client("s3")
    where = {"Bucket": aws.bucket, "Key": KEY}
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(Body=BODY, PartNumber=1, UploadId=upload, **where)
    parts = [{"ETag": part["ETag"], "PartNumber": 1}]
    client.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **where)
    download(cloud, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY


def test_download_of_nothing(cloud, tmp_path):
    """A key that is not there is named."""
    assert (
        refusal_of(refusals.NoSuchObject, lambda: download(cloud, tmp_path / "x"))
        == "s3://donkey-stand-in/donkeycar/shards/0.zip is not there [NoSuchKey].\n"
        "Train again: `python manage.py sagemaker-train`."
    )
    assert os.listdir(str(tmp_path)) == []


# Jobs


def test_a_job_from_start_to_log(aws, cloud, request_for):
    """A job runs; its description is JSON with moments in seconds; its log comes whole."""
    request = request_for()
    before = time.time()
    cloud.start_job(request)
    aws.wait_for_job(JOB)
    job = json.loads(json.dumps(cloud.describe_job(JOB)))
    assert job["TrainingJobStatus"] == "Completed"
    assert job["RoleArn"] == cloud.role_arn and "ResponseMetadata" not in job
    assert before - 1 < job["CreationTime"] <= job["SecondaryStatusTransitions"][0]["StartTime"] < before + 60
    lines, position = cloud.read_log(JOB, None)
    assert lines == ["hello from train"]
    assert cloud.read_log(JOB, json.loads(json.dumps(position))) == ([], position)


def test_the_request_arrives_whole(aws, cloud, request_for):
    """boto3 1.23 has never heard of ContainerEntrypoint; AWS gets it all the same."""
    request = request_for(image=Image(STOCK_IMAGE, stock=True), keep_alive_s=60)
    request["Unheard"] = {"Of": [1]}
    sent = []
    cloud._aws.client("sagemaker").meta.events.register(
        "before-send.sagemaker.CreateTrainingJob", lambda request, **_: sent.append(json.loads(request.body))
    )
    with pytest.raises(refusals.CloudRefused):
        cloud.start_job(request)
    assert sent == [request]
    assert "ContainerEntrypoint" in sent[0]["AlgorithmSpecification"]


def test_a_start_whose_answer_is_lost(aws, cloud, request_for, naps):
    """The job that was started is found again, and there is only one."""
    request = request_for()
    aws.fault("lose_response", operation="CreateTrainingJob")
    cloud.start_job(request)
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == 2 and len(naps) == 1
    assert [job["TrainingJobName"] for job in cloud.list_jobs()] == [JOB]


def test_a_name_that_is_taken(cloud, request_for):
    """A job of the same name with other input is not ours."""
    request = request_for()
    cloud.start_job(request)
    cloud.start_job(request)  # the very same: taken for ours
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] += "2"
    assert (
        refusal_of(refusals.NameTaken, lambda: cloud.start_job(request))
        == "There is another job named donkey-pilot-1 already [ResourceInUse].\n"
        "Train again: `python manage.py sagemaker-train` gives the job a new name."
    )


def test_a_request_out_of_limits_is_not_sent(aws, cloud, request_for):
    """What botocore's model and AWS's prose forbid is refused here."""
    request = request_for()
    request["Tags"] = [{"Key": "x" * 129, "Value": ""}]
    with pytest.raises(RequestOutOfLimits):
        cloud.start_job(request)
    assert not aws.requests("sagemaker")


def set_type(instance_type):
    def change(request):
        request["ResourceConfig"]["InstanceType"] = instance_type
        if has_fixed_disk(instance_type):
            del request["ResourceConfig"]["VolumeSizeInGB"]

    return change


def set_image(uri):
    def change(request):
        request["AlgorithmSpecification"]["TrainingImage"] = uri

    return change


def set_role(arn):
    def change(request):
        request["RoleArn"] = arn

    return change


def set_uri(uri):
    def change(request):
        request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = uri

    return change


def unchanged(request):
    pass


REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
PASS_ROLE = """{
  "Effect": "Allow",
  "Action": "iam:PassRole",
  "Resource": "arn:aws:iam::123456789012:role/donkey-sagemaker",
  "Condition": {
    "StringEquals": {
      "iam:PassedToService": "sagemaker.amazonaws.com"
    }
  }
}"""
TRUST = """{
  "Effect": "Allow",
  "Principal": {
    "Service": "sagemaker.amazonaws.com"
  },
  "Action": "sts:AssumeRole"
}"""
ROLE_FIX = "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n" + TRUST
INPUT_FIX = "Give the role of SAGEMAKER_ROLE_ARN s3:ListBucket and s3:GetObject on that bucket."

# What is wrong: with the account, with the request; the refusal and its words
REFUSED_STARTS = {
    "quota": (
        {},
        set_type("ml.g4dn.xlarge"),
        refusals.NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in use "
        '[ResourceLimitExceeded].\nSet SAGEMAKER_INSTANCE_TYPE = "ml.m5.large", which has quota, or ask for '
        "a higher one, by that name, at " + QUOTAS_PAGE,
    ),
    "quota, and no look at others": (
        {"denied": ["servicequotas:*"]},
        set_type("ml.g4dn.xlarge"),
        refusals.NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in use "
        "[ResourceLimitExceeded].\nAsk for a higher one, by that name, at " + QUOTAS_PAGE,
    ),
    "not in this region": (
        {},
        set_type("ml.p2.xlarge"),
        refusals.NotInRegion,
        (
            "There are no ml.p2.xlarge machines in eu-west-1 [ResourceLimitExceeded].\n"
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of its size."
        ),
    ),
    "unsupported type": (
        {"unsupported": ["ml.m5.2xlarge"]},
        set_type("ml.m5.2xlarge"),
        refusals.UnsupportedType,
        (
            "SageMaker does not train on this type of machine [ValidationException]: Unsupported instance"
            ' type ml.m5.2xlarge\nSet SAGEMAKER_INSTANCE_TYPE to a type that it does, such as "ml.m5.xlarge".'
        ),
    ),
    "no such type": (
        {},
        set_type("ml.m5.gigantic"),
        refusals.UnsupportedType,
        None,
    ),
    "pass role": (
        {"denied": ["iam:PassRole"]},
        unchanged,
        refusals.NotAllowed,
        USER + " may not iam:PassRole on arn:aws:iam::123456789012:role/donkey-sagemaker "
        "[AccessDeniedException]: no identity-based policy allows the iam:PassRole action.\n"
        "Add this statement to the policy of that user or role:\n" + PASS_ROLE,
    ),
    "create": (
        {"denied": ["sagemaker:CreateTrainingJob"]},
        unchanged,
        refusals.NotAllowed,
        USER + " may not sagemaker:CreateTrainingJob on " + JOB_ARN + " [AccessDeniedException]: no "
        "identity-based policy allows the sagemaker:CreateTrainingJob action.\n"
        'Add this statement to the policy of that user or role:\n{\n  "Effect": "Allow",\n'
        '  "Action": "sagemaker:CreateTrainingJob",\n'
        '  "Resource": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-*"\n}',
    ),
    "role": (
        {},
        set_role("arn:aws:iam::123456789012:role/nobody"),
        refusals.BadRole,
        "The role arn:aws:iam::123456789012:role/nobody cannot be assumed by SageMaker "
        "[ValidationException].\n" + ROLE_FIX,
    ),
    "input": (
        {},
        set_uri("s3://donkey-stand-in/nothing"),
        refusals.NoInput,
        "SageMaker finds nothing at s3://donkey-stand-in/nothing [ValidationException].\n" + INPUT_FIX,
    ),
    "image": (
        {},
        set_image(REGISTRY + "donkey-sagemaker:dk99-cpu"),
        refusals.NoSuchImage,
        "There is no image " + REGISTRY + "donkey-sagemaker:dk99-cpu [ValidationException].\n"
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
    ),
    "repository": (
        {},
        set_image(REGISTRY + "nothing:1"),
        refusals.NoSuchImage,
        (
            "There is no image nothing in registry ID: 123456789012 [ValidationException].\n"
            'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".'
        ),
    ),
    "image of another account": (
        {},
        set_image("999999999999.dkr.ecr.eu-west-1.amazonaws.com/x:1"),
        refusals.ImageDenied,
        (
            "SageMaker may not read the training image [ValidationException]: Access denied for repository: x"
            " in registry ID: 999999999999.\nGive the role of SAGEMAKER_ROLE_ARN ecr:BatchGetImage and"
            " ecr:GetDownloadUrlForLayer on it."
        ),
    ),
    "image of another region": (
        {},
        set_image("123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"),
        refusals.BadImage,
        (
            "SageMaker cannot use this training image [ValidationException]: Invalid training image. Please"
            " provide a valid Amazon Elastic Container Registry path of the Docker image to run.\nPush it to"
            " a private ECR repository in eu-west-1 and set SAGEMAKER_IMAGE to that."
        ),
    ),
    "login": (
        {"expired": True},
        unchanged,
        refusals.LoginExpired,
        (
            "Your AWS login has expired [ExpiredTokenException]. A job that was started goes on.\n"
            "Log in again (`aws sso login`, or enter new keys) and repeat the command; back to a job: "
            "`python manage.py sagemaker-train --attach`."
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED_STARTS)
def test_start_is_refused(case, aws, cloud, request_for):
    """Each no to CreateTrainingJob says what is wrong and the one thing to do."""
    account, change, kind, words = REFUSED_STARTS[case]
    request = request_for()
    aws.set(**account)
    change(request)
    text = refusal_of(kind, lambda: cloud.start_job(request))
    assert words is None or text == words


def test_a_type_in_use(aws, cloud, request_for):
    """A quota that is used up by another job says so."""
    aws.set(phase_s={"Starting": 600})
    cloud.start_job(request_for("donkey-1"))
    text = refusal_of(refusals.NoQuota, lambda: cloud.start_job(request_for("donkey-2")))
    assert text.startswith(
        "This account's quota for ml.m5.xlarge for training job usage in eu-west-1 is 1, with 1 in use "
        "[ResourceLimitExceeded].\n"
    )


def test_no_job_of_that_name(cloud):
    """To describe or to stop what is not there is refused by its name."""
    words = (
        "There is no job named donkey-nobody on AWS in eu-west-1.\n"
        "`python manage.py sagemaker-jobs` lists those that there are."
    )
    assert refusal_of(refusals.NoSuchJob, lambda: cloud.describe_job("donkey-nobody")) == words
    assert refusal_of(refusals.NoSuchJob, lambda: cloud.stop_job("donkey-nobody")) == words


def test_stop(aws, cloud, request_for):
    """A job is stopped; to stop it again, or when it has ended, does nothing."""
    aws.set(phase_s={"Starting": 600})
    cloud.start_job(request_for())
    cloud.stop_job(JOB)
    aws.wait_for_job(JOB)
    assert cloud.describe_job(JOB)["TrainingJobStatus"] == "Stopped"
    cloud.stop_job(JOB)


def test_jobs_in_pages_the_newest_first(aws, cloud, request_for):
    """All our jobs are listed, and only those that are named like ours."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 20})
    names = [f"donkey-{number}" for number in range(12)]
    for name in names[:6] + ["not-donkey-like"] + names[6:]:
        cloud.start_job(request_for(name))
    jobs = cloud.list_jobs()
    assert [job["TrainingJobName"] for job in jobs] == names[::-1]
    assert isinstance(jobs[0]["CreationTime"], float)
    assert len(aws.requests("sagemaker", "ListTrainingJobs")) == 2


# Logs


PRINT_LINES = "for i in $(seq 25); do echo line $i; done; echo; echo '\ttabbed'"
LINES = [f"line {number}" for number in range(1, 26)] + ["", "\ttabbed"]


def test_log_before_there_is_any(cloud):
    """Before an account's first job there is no log group: no lines, and nothing is wrong."""
    assert cloud.read_log(JOB, None) == ([], {})


@pytest.mark.parametrize("empty_pages", [False, True])
def test_log_in_pages(empty_pages, aws, cloud, request_for, own_image):
    """Many pages, every other one empty, are read to where the token repeats itself."""
    aws.set(log_page_events=4, log_empty_pages=empty_pages)
    aws.image(own_image, command=["/bin/sh", "-c", PRINT_LINES])
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    lines, position = cloud.read_log(JOB, None)
    assert [line for line in lines if line] == [line for line in LINES if line]
    assert cloud.read_log(JOB, position)[0] == []


def test_late_lines(aws, cloud, request_for):
    """Lines that come after the job has ended are read from where the log was left, none of them twice."""
    aws.set(log_delay_s=20)
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    assert cloud.read_log(JOB, None)[0] == []
    aws.advance(21)
    lines, position = cloud.read_log(JOB, None)
    assert lines == ["hello from train"]
    assert cloud.read_log(JOB, position) == ([], position)


def test_log_of_several_machines(aws, cloud, request_for):
    """Each machine has its stream; a job whose name begins alike has its own."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 20}, log_page_streams=2)
    cloud.start_job(request_for(instance_count=5))
    cloud.start_job(request_for(JOB + "2"))
    for name in (JOB, JOB + "2"):
        aws.wait_for_job(name)
    lines, position = cloud.read_log(JOB, None)
    assert lines == ["hello from train"] * 5 and len(position) == 5


def test_a_token_that_is_too_old(aws, cloud, request_for):
    """After a day without network the token is no good; no line is told twice for that."""
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    (stream,) = cloud.read_log(JOB, None)[1]
    assert cloud.read_log(JOB, {stream: ["expired", 0]})[0] == ["hello from train"]
    assert cloud.read_log(JOB, {stream: ["expired", 1]})[0] == []


# Before the launch


def findings(cloud, *requests):
    return [(each.subject, each.text, each.checked) for each in cloud.check(requests)]


def error_of(cloud, subject, *requests):
    """The error of the only finding that has one."""
    (found,) = [each for each in cloud.check(requests) if each.error]
    assert found.subject == subject and found.text == found.error.what
    return told(found.error)


def test_check_of_what_is_fine(aws, cloud, request_for):
    """Everything is looked at, nothing is changed."""
    request = request_for()
    stock = request_for(image=Image(STOCK_IMAGE, stock=True))
    other = request_for(image=Image(OTHER_IMAGE, stock=False))
    done = len(aws.requests())
    found = findings(cloud, request, stock, other)
    assert found[2][0] == "clock" and re.fullmatch(r"[012] s off that of AWS", found[2][1])
    assert found[:2] + found[3:] == [
        ("request", "within SageMaker's limits", True),
        ("credentials", USER, True),
        ("bucket", "donkey-stand-in in eu-west-1", True),
        ("role", "arn:aws:iam::123456789012:role/donkey-sagemaker", True),
        ("image", REGISTRY + "donkey-sagemaker:dk54-cpu", True),
        ("image", "AWS's own " + STOCK_IMAGE, True),
        ("image", OTHER_IMAGE + " is in a registry that is not of your account", False),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
        ("quota", "ml.m5.xlarge for training job usage is 1", True),
    ]
    operations = {each["operation"] for each in aws.requests()[done:]}
    assert all(re.match("Get|List|Describe", operation) for operation in operations)


def test_check_is_lazy(aws, cloud, request_for):
    """Nobody asks AWS for what nobody wants to know yet."""
    request = request_for()
    done = len(aws.requests())
    next(cloud.check([request]))
    assert len(aws.requests()) == done


def test_check_finds_a_bad_request(cloud, request_for):
    """What AWS would refuse of a request is found first."""
    request = request_for()
    request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 9999
    assert isinstance(next(cloud.check([request])).error, RequestOutOfLimits)


def test_check_without_permissions(aws, cloud, request_for):
    """What may not be looked at is said, and wrong it is not."""
    aws.set(denied=["iam:GetRole", "ecr:*", "servicequotas:*", "s3:GetBucketLocation"])
    found = [each for each in cloud.check([request_for()]) if each.subject not in ("request", "clock")]
    assert [each.error for each in found] == [None] * 5
    assert [(each.subject, each.checked) for each in found] == [
        ("credentials", True),
        ("bucket", True),
        ("role", False),
        ("image", False),
        ("quota", False),
    ]
    assert found[1].text == "donkey-stand-in in a region that cannot be looked at"
    assert found[2].text == (
        USER + " may not iam:GetRole on arn:aws:iam::123456789012:role/donkey-sagemaker [AccessDenied]: no "
        "identity-based policy allows the iam:GetRole action."
    )


def test_check_of_an_unlistable_bucket(aws, cloud, request_for):
    """Sending needs to list the bucket, so that is an error."""
    request = request_for()
    aws.set(denied=["s3:ListBucket"])
    assert error_of(cloud, "bucket", request) == (
        USER
        + " may not s3:ListBucket on arn:aws:s3:::donkey-stand-in [AccessDenied]: no identity-based policy "
        "allows the s3:ListBucket action.\nAdd this statement to the policy of that user or role:\n"
        '{\n  "Effect": "Allow",\n  "Action": "s3:ListBucket",\n'
        '  "Resource": "arn:aws:s3:::donkey-stand-in"\n}'
    )


def test_check_of_anothers_bucket(aws, cloud, request_for):
    """The name of a bucket may be another account's."""
    request = request_for()
    aws.set(bucket_owners={aws.bucket: "999999999999"})
    assert (
        error_of(cloud, "bucket", request)
        == "The bucket donkey-stand-in is none that your account 123456789012 may use [AccessDenied].\n"
        "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to one of its owner's."
    )


def test_check_of_no_bucket(settings, cloud, request_for):
    """A bucket that is not there, and one that is not set."""
    request = request_for()
    assert (
        error_of(AwsCloud(settings(bucket="no-such-bucket")), "bucket", request)
        == "There is no bucket named no-such-bucket [NoSuchBucket].\n"
        "Correct SAGEMAKER_BUCKET, or make the bucket: `aws s3 mb s3://no-such-bucket --region eu-west-1`."
    )
    assert (
        error_of(AwsCloud(settings(bucket=None)), "bucket", request)
        == "SAGEMAKER_BUCKET is not set: there is no place for tubs and models.\n"
        "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_BUCKET in myconfig.py to a bucket "
        "in eu-west-1."
    )


def test_check_of_a_bucket_elsewhere(aws, settings, request_for):
    """SageMaker wants the bucket in its own region."""
    aws.client("s3", region_name="us-east-1").create_bucket(Bucket="far-away")
    assert (
        error_of(AwsCloud(settings(bucket="far-away")), "bucket", request_for())
        == "The bucket far-away is in us-east-1, the job would be in eu-west-1: SageMaker wants both in one "
        'region.\nSet SAGEMAKER_REGION to "us-east-1", or SAGEMAKER_BUCKET to a bucket in eu-west-1.'
    )


def test_check_of_the_role(aws, settings, request_for):
    """A role that is not set, is not there, is another account's, or trusts another service."""
    request = request_for()
    assert (
        error_of(AwsCloud(settings(role_arn=None)), "role", request)
        == "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read and write the bucket as.\n"
        "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_ROLE_ARN in myconfig.py to the ARN "
        "of a role for SageMaker."
    )
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    aws.client("iam").create_role(
        RoleName="of-ec2", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}), Path="/"
    )
    for arn, trouble in (
        ("arn:aws:iam::123456789012:role/nobody", "is not there [NoSuchEntity]"),
        ("arn:aws:iam::999999999999:role/other", "is not one of your account 123456789012"),
        ("arn:aws:iam::123456789012:role/of-ec2", "does not trust SageMaker"),
        (
            "arn:aws:iam::123456789012:role/path/of-ec2",
            "is not there; there is arn:aws:iam::123456789012:role/of-ec2",
        ),
    ):
        expected = f"The role {arn} {trouble}.\n{ROLE_FIX}"
        assert error_of(AwsCloud(settings(role_arn=arn)), "role", request) == expected


def test_check_of_the_image(cloud, request_for):
    """An image that was never pushed."""
    request = request_for()
    set_image(REGISTRY + "donkey-sagemaker:dk99-cpu")(request)
    assert (
        error_of(cloud, "image", request)
        == "There is no image donkey-sagemaker:dk99-cpu [ImageNotFoundException].\n"
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".'
    )


@pytest.mark.parametrize("lists_own", [True, False])
def test_check_of_the_quota(lists_own, aws, cloud, request_for):
    """Too low a quota is found, and a type that has quota proposed; spot machines have their own."""
    aws.set(lists_own_quotas=lists_own)
    request = request_for(instance_type="ml.g4dn.xlarge", spot=True)
    assert error_of(cloud, "quota", request) == (
        "This account's quota for ml.g4dn.xlarge for spot training job usage in eu-west-1 is 0, this job "
        'needs 1.\nSet SAGEMAKER_INSTANCE_TYPE = "ml.m5.large", which has quota, or ask for a higher one, by '
        "that name, at " + QUOTAS_PAGE
    )
    assert isinstance(list(cloud.check([request]))[-1].error, refusals.NoCapacity)


def test_check_with_an_expired_login(aws, cloud, request_for):
    """Without credentials nothing else can be looked at."""
    request = request_for()
    aws.set(expired=True)
    found = list(AwsCloud(cloud._settings).check([request]))
    assert [each.subject for each in found] == ["request", "credentials"]
    assert (
        told(found[1].error) == "Your AWS login has expired [ExpiredToken]. A job that was started goes on.\n"
        "Log in again (`aws sso login`, or enter new keys) and repeat the command; back to a job: "
        "`python manage.py sagemaker-train --attach`."
    )


def test_check_with_unknown_keys(aws, cloud, request_for, monkeypatch):
    """Keys that AWS does not know."""
    request = request_for()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFNOBODY")
    assert (
        error_of(AwsCloud(cloud._settings), "credentials", request)
        == "AWS does not accept the credentials of this machine in eu-west-1 [InvalidClientTokenId].\n"
        "Make a new access key in the IAM console and enter it: `aws configure`. (A region that is off by "
        "default must be enabled first.)"
    )


def clock_words(text, *, code):
    """The two times that a message about the clock tells, in seconds."""
    match = re.fullmatch(
        r"The clock of this machine says (.+) UTC, that of AWS (.+) UTC; AWS refuses what is signed at the "
        rf"wrong time{code}\.\nSet the clock: `sudo timedatectl set-ntp true` \(a Raspberry Pi forgets the"
        r" time "
        r"without power\)\.",
        text,
    )
    return [time.mktime(time.strptime(each, "%Y-%m-%d %H:%M:%S")) for each in match.groups()]


def test_check_of_a_clock_that_is_nearly_wrong(aws, cloud, request_for):
    """A clock that AWS just puts up with is refused before it gets worse."""
    request = request_for()
    aws.set(skew_s=290)
    ours, theirs = clock_words(error_of(cloud, "clock", request), code="")
    assert 280 <= theirs - ours <= 300


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_a_wrong_clock(skew_s, aws, cloud):
    """S3 and the other services have codes of their own for it; both times are told."""
    cloud.list_objects("")
    aws.set(skew_s=skew_s)
    for step, code in (
        (lambda: cloud.list_objects(""), r" \[RequestTimeTooSkewed\]"),
        (lambda: cloud.describe_job(JOB), r" \[InvalidSignatureException\]"),
        (lambda: AwsCloud(cloud._settings).list_objects(""), r" \[SignatureDoesNotMatch\]"),
    ):
        ours, theirs = clock_words(refusal_of(refusals.WrongClock, step), code=code)
        assert abs(theirs - ours - skew_s) <= 5


def test_check_without_network(settings, request_for, naps):
    """One finding, not one for each thing that cannot be reached."""
    request = request_for()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = list(AwsCloud(settings(endpoint_url=url), sleep=naps).check([request]))
    assert [each.subject for each in found] == ["request", "credentials"]
    assert isinstance(found[1].error, refusals.Unreachable)


# What is set, and what is not


def test_no_region():
    """Without a region there is nobody to ask."""
    assert (
        refusal_of(refusals.NoRegion, lambda: AwsCloud(no_settings())) == "No AWS region is set.\n"
        'Set SAGEMAKER_REGION in myconfig.py, such as "eu-west-1": that of your bucket, or one near you.'
    )


def test_no_profile():
    """A profile that is not in ~/.aws/config."""
    cloud = no_settings(profile="racer", region="eu-west-1")
    assert (
        refusal_of(refusals.NoProfile, lambda: AwsCloud(cloud))
        == "There is no AWS profile named racer [ProfileNotFound].\n"
        "Make it with `aws configure --profile racer`; `aws configure list-profiles` shows the others."
    )


def test_no_credentials():
    """A machine that was never told its keys."""
    cloud = AwsCloud(no_settings(region="eu-west-1"), sleep=Naps())
    assert (
        refusal_of(refusals.NoCredentials, cloud.list_jobs)
        == "There are no AWS credentials on this machine [NoCredentialsError].\n"
        "Enter those of your IAM user: `aws configure`."
    )


def test_a_config_file_that_cannot_be_read(tmp_path, monkeypatch):
    """~/.aws/config is a file that people write by hand."""
    (tmp_path / "config").write_text("region = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert refusal_of(refusals.BadConfigFile, lambda: AwsCloud(no_settings())) == (
        "The AWS settings of this machine cannot be used [ConfigParseError]: Unable to parse config file: "
        "{}\nMend ~/.aws/config and ~/.aws/credentials, or write them anew with `aws configure`."
    ).format(tmp_path / "config")


def test_bucket_and_role_are_asked_for_when_needed(settings):
    """`jobs` and `stop` need neither."""
    cloud = AwsCloud(settings(bucket=None, role_arn=None))
    assert cloud.list_jobs() == [] and cloud.place == "on AWS in eu-west-1"
    with pytest.raises(refusals.NoBucket):
        cloud.put(KEY, BODY)
    with pytest.raises(refusals.NoRole):
        print(cloud.role_arn)


def test_image_of_our_own_where_there_is_one(aws, cloud, settings):
    """auto takes what was pushed for this generation and kind of machine; else AWS's own."""
    uri = aws.push_image("donkey-sagemaker", "dk54-cpu")
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge") == Image(uri, stock=False)
    assert cloud.choose_image("dk54", instance_type="ml.g5.xlarge").stock
    assert cloud.choose_image("dk22", instance_type="ml.m5.xlarge").stock
    aws.set(denied=["ecr:*"])
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge").stock
    asked = len(aws.requests())
    named = AwsCloud(settings(image=uri)).choose_image("dk22", instance_type="ml.m5.xlarge")
    assert named == Image(uri, stock=False) and len(aws.requests()) == asked


def test_image_before_any_was_pushed(cloud):
    """An account without our repository gets AWS's own."""
    assert cloud.choose_image("dk54", instance_type="ml.m5.xlarge").stock


def test_price(aws, cloud):
    """That of AWS's price list, which is asked once a type."""
    assert cloud.hourly_price("ml.m5.xlarge") == Price(
        0.257, "ml.m5.xlarge in eu-west-1, by AWS's price list of today"
    )
    assert cloud.hourly_price("ml.m5.xlarge").usd_per_hour == 0.257
    assert len(aws.requests("pricing", "GetProducts")) == 1
    assert cloud.hourly_price("ml.nothing") is None


@pytest.mark.parametrize(
    "trouble",
    [
        lambda aws: aws.set(denied=["pricing:*"]),
        lambda aws: aws.set(expired=True),
        lambda aws: aws.fault("refuse", operation="GetProducts"),
        lambda aws: aws.fault("cut_response", operation="GetProducts"),
        lambda aws: aws.fault("error", operation="GetProducts", status=500),
    ],
)
def test_price_where_the_list_cannot_be_read(trouble, aws, cloud, naps):
    """The table's, with its date; nobody waits for it."""
    trouble(aws)
    price = Price(0.257, "ml.m5.xlarge in eu-west-1, as known in November 2026")
    assert cloud.hourly_price("ml.m5.xlarge") == price
    assert not naps


def test_what_nobody_foresaw(aws, cloud):
    """Any other refusal is told with its operation and code."""
    aws.fault("error", operation="ListObjectsV2", status=400, code="Strange", message="So it is.")
    assert (
        refusal_of(refusals.Refused, lambda: cloud.list_objects(""))
        == "AWS refused ListObjectsV2 [Strange]: So it is.\n"
        "If that does not say what to change, run it again with --debug and report what it prints."
    )
