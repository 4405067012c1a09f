"""The stand-in's faults and records, its start and its end, and an image of 2018."""

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ReadTimeoutError

import tub_factory
from aws_fixture import TESTS, AwsStandIn
from stand_in_jobs import (
    Container,
    aws_error,
    is_gone,
    keys,
    read_archive,
    read_log,
    run_job,
    running,
    start,
    wait_for,
)

# Faults


def put(aws: AwsStandIn) -> None:
    aws.client("s3").put_object(Bucket=aws.bucket, Key="k", Body=b"x" * 1000)


@pytest.mark.parametrize("kind, done", [("refuse", False), ("cut_request", False), ("lose_response", True)])
def test_broken_connection(aws: AwsStandIn, kind: str, done: bool) -> None:
    """A connection can break before, during or after a request; only the last has an effect."""
    aws.fault(kind, service="s3", operation="PutObject")
    with pytest.raises(HTTPClientError):
        put(aws)
    assert keys(aws) == (["k"] if done else [])
    (broken,) = aws.requests("s3", "PutObject")
    assert broken["bytes_in"] == {"refuse": 0, "cut_request": 500, "lose_response": 1000}[kind]
    put(aws)
    assert keys(aws) == ["k"]


def test_broken_connection_of_sts(aws: AwsStandIn) -> None:
    """Faults recognize operations whose name is only in the body."""
    aws.fault("refuse", service="sts", operation="GetCallerIdentity")
    with pytest.raises(HTTPClientError):
        aws.client("sts").get_caller_identity()
    aws.client("sts").get_caller_identity()


def test_no_response(aws: AwsStandIn) -> None:
    """A request may get no response."""
    aws.fault("hang", service="sagemaker")
    settings = Config(retries={"max_attempts": 0}, read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        aws.client("sagemaker", config=settings).list_training_jobs()


@pytest.mark.parametrize(
    "service, operation, arguments",
    [("s3", "list_buckets", {}), ("sagemaker", "list_training_jobs", {}), ("iam", "list_roles", {})],
)
def test_error_response(aws: AwsStandIn, service: str, operation: str, arguments: Dict[str, Any]) -> None:
    """Any error can be returned, in the format of its service."""
    aws.fault("error", service=service, status=400, code="ThrottlingException", message="Rate exceeded")
    assert aws_error(getattr(aws.client(service), operation), **arguments) == (
        "ThrottlingException",
        "Rate exceeded",
    )
    aws.fault(
        "error", service=service, status=503, code="SlowDown", message="Please reduce your request rate."
    )
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), operation)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_truncated_response(aws: AwsStandIn) -> None:
    """A response may end early."""
    put(aws)
    aws.fault("cut_response", operation="GetObject")
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key="k")["Body"]
    with pytest.raises((BotoCoreError, OSError)):
        body.read()


def test_corrupt_response(aws: AwsStandIn) -> None:
    """A response may differ from what was sent."""
    put(aws)
    aws.fault("corrupt_response", operation="GetObject")
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key="k", Range="bytes=0-9")["Body"].read()
    assert (body[:-1], body[-1:] != b"x", len(body)) == (b"x" * 9, True, 10)


def test_selection_of_requests(aws: AwsStandIn) -> None:
    """A fault applies to an operation and a path, after some requests, and a number of times."""
    aws.fault("error", operation="PutObject", path="/*/a*", skip=1, times=2, status=500)
    s3 = aws.client("s3")
    statuses: List[int] = []
    for key in ("a1", "b", "a2", "b", "a3", "a4"):
        try:
            s3.put_object(Bucket=aws.bucket, Key=key, Body=b"")
        except ClientError:
            pass
    statuses = [each["status"] for each in aws.requests("s3", "PutObject")]
    assert statuses == [200, 200, 500, 200, 500, 200]
    aws.fault("error", times=None)
    assert [aws_error(s3.list_buckets)[0] for _ in range(2)] == ["InternalError"] * 2
    aws.clear_faults()
    s3.list_buckets()


def test_unknown_fault(aws: AwsStandIn) -> None:
    """A misspelled fault fails the test that asks for it."""
    with pytest.raises(AssertionError, match="no fault is named drop: refuse, "):
        aws.fault("drop")


def test_slow_link(aws: AwsStandIn) -> None:
    """The connection can be slow, in each direction."""
    s3 = aws.client("s3")
    aws.set(upload_bytes_per_s=500000)
    began = time.monotonic()
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x" * 100000)
    uploaded = time.monotonic()
    assert 0.2 <= uploaded - began < 10
    aws.set(download_bytes_per_s=250000)
    s3.get_object(Bucket=aws.bucket, Key="k")["Body"].read()
    assert 0.4 <= time.monotonic() - uploaded < 10


def test_records(aws: AwsStandIn) -> None:
    """Every request is recorded, with the size of its bodies."""
    put(aws)
    aws.client("s3").get_object(Bucket=aws.bucket, Key="k")["Body"].read()
    records = [
        (each["operation"], each["path"], each["status"], each["bytes_in"], each["bytes_out"])
        for each in aws.requests("s3")
    ]
    path = f"/{aws.bucket}/k"
    assert records == [("PutObject", path, 200, 1000, 0), ("GetObject", path, 200, 0, 1000)]


# Start and end


def test_reset_ends_running_jobs(aws: AwsStandIn, container: Container, tmp_path: Path) -> None:
    """A new account has nothing of the old one, and is ready soon."""
    container(
        "open({!r}, 'w').write(str(os.getpid())); print('ready'); time.sleep(60)".format(
            str(tmp_path / "pid")
        )
    )
    aws.fault("refuse", times=None, operation="ListBuckets")
    aws.set(expired=False, phase_s={"Uploading": 3600})
    start(aws)
    wait_for(lambda: running(aws))
    pid = int((tmp_path / "pid").read_text())
    began = time.monotonic()
    aws.reset()
    assert time.monotonic() - began < 5
    assert is_gone(pid)
    assert aws_error(aws.client("s3").get_object, Bucket=aws.bucket, Key="in/data/tub.zip")[0] == "NoSuchKey"
    assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == [aws.bucket]


def test_reset_ends_pending_jobs(aws: AwsStandIn, container: Container) -> None:
    """A job that would wait for a long time does not delay the next test."""
    container("")
    aws.set(phase_s={"Starting": 3600})
    start(aws)
    began = time.monotonic()
    aws.reset()
    assert time.monotonic() - began < 5


PARENT = """
import sys
tests, python, folder, command = sys.argv[1:]
sys.path.insert(0, tests)
from aws_fixture import AwsStandIn
from stand_in_jobs import OWN_IMAGE, start
aws = AwsStandIn(python, folder)
aws.push_image("donkey", "1")
aws.image(OWN_IMAGE, command=["/bin/sh", "-c", command])
aws.client("s3").put_object(Bucket=aws.bucket, Key="in/x", Body=b"")
start(aws)
print(aws.pid, flush=True)
sys.stdin.read()
"""


def test_end_of_parent(generation_python: Callable[[str], str], tmp_path: Path) -> None:
    """The stand-in and its containers end with the process of the tests, even if that is killed."""
    pid_path = tmp_path / "pid"
    command = f"echo $$ > {pid_path}.part; mv {pid_path}.part {pid_path}; exec sleep 60"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, TESTS, generation_python("aws"), str(tmp_path), command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert parent.stdin and parent.stdout
    pids = [int(parent.stdout.readline())]
    wait_for(pid_path.exists)
    pids.append(int(pid_path.read_text()))
    assert not any(map(is_gone, pids))
    parent.kill()
    parent.wait()
    wait_for(lambda: all(map(is_gone, pids)))
    parent.stdin.close()
    parent.stdout.close()


# An image of 2018


@pytest.fixture
def tub_zip(tmp_path: Path) -> Iterator[bytes]:
    """A zip of a v1 tub of three records."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("tub/meta.json", "{}")
        for number in range(3):
            name = f"{number}_cam-image_array_.jpg"
            record = {"cam/image_array": name, "user/angle": 0.1, "user/throttle": 0.2}
            archive.writestr(f"tub/record_{number}.json", json.dumps(record))
            archive.writestr("tub/" + name, tub_factory.jpeg())
    yield body.getvalue()


def test_seed_image(aws: AwsStandIn, tmp_path: Path, tub_zip: bytes) -> None:
    """The image of 2018 reads v1 tubs and JSON, and its archive has only the model."""
    model = tmp_path / "pilot"
    model.write_text("a model")
    uri = aws.push_image("seed", "2018")
    script = os.path.join(TESTS, "aws_stand_in", "seed_image.py")
    aws.image(uri, command=[sys.executable, script, "--model", str(model)])
    aws.client("s3").put_object(Bucket=aws.bucket, Key="in/shards/a.zip", Body=tub_zip)
    algorithm = {"TrainingImage": uri, "TrainingInputMode": "File"}
    values = {"with_slide": "2", "sagemaker_region": '"eu-west-1"'}
    run_job(aws, AlgorithmSpecification=algorithm, HyperParameters=values)
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"pilot": "a model"}
    assert read_log(aws) == ["training in eu-west-1 with a slide of 2", "3 records"]

    for name, wrong in (
        ("donkey-2", dict(values, sagemaker_region="eu-west-1")),
        ("donkey-3", {"with_slide": "2"}),
    ):
        job = run_job(aws, name, AlgorithmSpecification=algorithm, HyperParameters=wrong)
        assert job["TrainingJobStatus"] == "Failed"
