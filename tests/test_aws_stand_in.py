"""The stand-in for AWS does what AWS does, seen through real boto3."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)

import tub_factory
from aws_fixture import TESTS, AwsStandIn

GROUP = "/aws/sagemaker/TrainingJobs"
OWN_IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey:1"
STOCK_IMAGE = (
    "763104351884.dkr.ecr.eu-west-1.amazonaws.com/"
    "tensorflow-training:2.21.0-gpu-py312-cu129-amzn2023-sagemaker"
)
PROLOGUE = """
import json, os, signal, sys, time
base = os.environ["SAGEMAKER_BASE_DIR"]
def write(path, text):
    with open(os.path.join(base, path), "w") as file:
        file.write(text)
"""

Container = Callable[[str], None]


@pytest.fixture
def container(aws: AwsStandIn, tmp_path: Path) -> Container:
    """A function that makes OWN_IMAGE run that Python code."""

    def run(code: str) -> None:
        script = tmp_path / "trainer.py"
        script.write_text(PROLOGUE + code)
        aws.push_image("donkey", "1")
        aws.image(OWN_IMAGE, command=[sys.executable, "-u", str(script)])
        aws.client("s3").put_object(Bucket=aws.bucket, Key="in/data/tub.zip", Body=b"tub")

    return run


def make_request(aws: AwsStandIn, name: str = "donkey-1", **changes: Any) -> Dict[str, Any]:
    """What CreateTrainingJob accepts once there is a container."""
    request: Dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": OWN_IMAGE, "TrainingInputMode": "File"},
        "RoleArn": aws.role_arn,
        "InputDataConfig": [channel("train", f"s3://{aws.bucket}/in/")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{aws.bucket}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    request.update(changes)
    return request


def channel(name: str, uri: str, kind: str = "S3Prefix", **changes: Any) -> Dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return dict({"ChannelName": name, "DataSource": {"S3DataSource": source}}, **changes)


def create(aws: AwsStandIn, request: Dict[str, Any]) -> None:
    """CreateTrainingJob with all that is in the request, also what an old boto3 does not know."""
    client = aws.client("sagemaker")

    def send_all(params: Dict[str, Any], **others: Any) -> None:
        params["body"] = json.dumps(request).encode()

    client.meta.events.register("before-call.sagemaker.CreateTrainingJob", send_all)
    client.create_training_job(**make_request(aws))


def start(aws: AwsStandIn, name: str = "donkey-1", **changes: Any) -> None:
    create(aws, make_request(aws, name, **changes))


def run_job(aws: AwsStandIn, name: str = "donkey-1", **changes: Any) -> Dict[str, Any]:
    """Starts a job and waits for its end."""
    start(aws, name, **changes)
    return aws.wait_for_job(name)


def spot(max_wait_s: int = 7200, *, bucket: str) -> Dict[str, Any]:
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": max_wait_s},
        "CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints/1"},
    }


def refusal(call: Callable[..., Any], **arguments: Any) -> Tuple[str, str]:
    """AWS's code and words for a call that it refuses."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def create_refusal(aws: AwsStandIn, **changes: Any) -> Tuple[str, str]:
    return refusal(create, aws=aws, request=make_request(aws, **changes))


def read_archive(aws: AwsStandIn, key: str) -> Dict[str, str]:
    """The texts of the files of an archive in the bucket."""
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }


def read_log(aws: AwsStandIn, name: str = "donkey-1") -> List[str]:
    """The lines of a job's only stream, all of them."""
    logs = aws.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name + "/")["logStreams"]
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
    return [event["message"] for event in page["events"]]


def wait_for(condition: Callable[[], Any]) -> Any:
    """The condition's first truth."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited 20 s in vain")


# Jobs


def test_job(aws: AwsStandIn, container: Container) -> None:
    """A container gets its channels, its files and its environment, and its two folders come back."""
    container("""
config = os.path.join(base, "input", "config")
told = {name: json.load(open(os.path.join(config, name))) for name in sorted(os.listdir(config))}
data = os.path.join(base, "input", "data")
told["data"] = sorted(
    os.path.relpath(os.path.join(folder, name), data) for folder, _, names in os.walk(data) for name in names
)
told["environment"] = {
    name: value for name, value in os.environ.items() if name.startswith(("AWS", "TRAINING", "SPEED"))
}
told["arguments"] = sys.argv[1:]
write("model/told.json", json.dumps(told))
write("output/data/notes", "more")
print("loss=0.5")
print("loss=0.25")
""")
    s3 = aws.client("s3")
    manifest = [{"prefix": f"s3://{aws.bucket}/in/data/"}, "tub.zip"]
    s3.put_object(Bucket=aws.bucket, Key="train.manifest", Body=json.dumps(manifest).encode())
    algorithm = dict(
        make_request(aws)["AlgorithmSpecification"],
        MetricDefinitions=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    )
    channels = [
        channel("train", f"s3://{aws.bucket}/train.manifest", "ManifestFile", InputMode="File"),
        channel("car", f"s3://{aws.bucket}/in/", ContentType="text/plain"),
    ]
    run_job(
        aws,
        AlgorithmSpecification=algorithm,
        InputDataConfig=channels,
        HyperParameters={"with_slide": "2"},
        Environment={"SPEED": "fast"},
        Tags=[{"Key": "car", "Value": "mycar"}],
    )
    told = json.loads(read_archive(aws, "out/donkey-1/output/model.tar.gz")["told.json"])
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert told == {
        "hyperparameters.json": {"with_slide": "2"},
        "inputdataconfig.json": {"train": mode, "car": dict(mode, ContentType="text/plain")},
        "resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": ["algo-1"],
                }
            ],
            "network_interface_name": "eth0",
        },
        "data": ["car/data/tub.zip", "train/tub.zip"],
        "environment": {"SPEED": "fast", "TRAINING_JOB_NAME": "donkey-1", "TRAINING_JOB_ARN": arn},
        "arguments": ["train"],
    }
    assert read_archive(aws, "out/donkey-1/output/output.tar.gz") == {"notes": "more"}
    assert read_log(aws) == ["loss=0.5", "loss=0.25"]

    sagemaker = aws.client("sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName="donkey-1")
    uri = f"s3://{aws.bucket}/out/donkey-1/output/model.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": uri}
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert [
        each["Status"] for each in job["SecondaryStatusTransitions"]
    ] == "Starting Starting Downloading Training Uploading Completed".split()
    assert job["InputDataConfig"] == channels
    assert (
        job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] <= job["LastModifiedTime"]
    )
    assert 1 <= job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] < 60
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("loss", 0.25)]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "car", "Value": "mycar"}]


def test_stock_image(aws: AwsStandIn, container: Container) -> None:
    """An entry point replaces the image's own, in the container's paths."""
    container("")
    code = b"import os; open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/made', 'w').write('here')"
    aws.client("s3").put_object(Bucket=aws.bucket, Key="in/code/trainer.py", Body=code)
    aws.image("763104351884.*/tensorflow-training:*", python=sys.executable)
    request = make_request(
        aws, ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    )
    request["AlgorithmSpecification"]["TrainingImage"] = STOCK_IMAGE
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = [
        "/usr/local/bin/entrypoint.sh",
        "python3",
        "/opt/ml/input/data/train/code/trainer.py",
    ]
    aws.set(quotas={"ml.g5.xlarge for training job usage": 1})
    create(aws, request)
    assert aws.wait_for_job("donkey-1")["TrainingJobStatus"] == "Completed"
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"made": "here"}


@pytest.mark.parametrize(
    "entry_point, word", [({}, "train"), ({"ContainerEntrypoint": ["python3", "x"]}, "python3")]
)
def test_not_executable(
    aws: AwsStandIn, container: Container, entry_point: Dict[str, List[str]], word: str
) -> None:
    """An image that lacks what is to run in it fails with Docker's words."""
    container("")
    aws.image(STOCK_IMAGE)
    algorithm = dict({"TrainingImage": STOCK_IMAGE, "TrainingInputMode": "File"}, **entry_point)
    assert (
        run_job(aws, AlgorithmSpecification=algorithm)["FailureReason"]
        == f'AlgorithmError: exec: "{word}": executable file not found in $PATH, exit code: 127'
    )


def test_nothing_to_export(aws: AwsStandIn, container: Container) -> None:
    """A job that leaves nothing completes without an archive."""
    container("")
    assert "ModelArtifacts" not in run_job(aws)
    assert keys(aws) == ["in/data/tub.zip"]


def test_failed_job(aws: AwsStandIn, container: Container) -> None:
    """The failure file's beginning is the reason, and what there is of a model comes back."""
    container("write('output/failure', 'x' * 2000); write('model/half', 'model'); sys.exit(3)")
    job = run_job(aws)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "AlgorithmError: {}, exit code: 3".format("x" * (1024 - 16 - 14))
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"half": "model"}


def test_left_processes(aws: AwsStandIn, container: Container) -> None:
    """A container ends with its first process, whatever that has started."""
    container("import subprocess; print(subprocess.Popen(['sleep', '60']).pid)")
    run_job(aws)
    assert is_gone(int(read_log(aws)[0]))


def test_killed_job(aws: AwsStandIn, container: Container) -> None:
    """A container that is killed, as for its memory, has exit code 137 and no more to say."""
    container("os.kill(os.getpid(), signal.SIGKILL)")
    assert run_job(aws)["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_stopped_job(aws: AwsStandIn, container: Container) -> None:
    """A trainer that minds SIGTERM ends in its own time, and its model comes back."""
    container("""
def leave(*_):
    write("model/best", "model")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
time.sleep(60)
""")
    aws.set(phase_s={"Uploading": 60})
    start(aws)
    wait_for(lambda: running(aws))
    aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-1")
    job = aws.client("sagemaker").describe_training_job(TrainingJobName="donkey-1")
    assert job["TrainingJobStatus"] == "Stopping"
    aws.wait_for_job("donkey-1", "Uploading")
    aws.advance(61)
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in job
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"best": "model"}
    assert refusal(aws.client("sagemaker").stop_training_job, TrainingJobName="donkey-1") == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def running(aws: AwsStandIn) -> bool:
    """Whether a container has printed its first line."""
    try:
        return bool(aws.client("logs").describe_log_streams(logGroupName=GROUP)["logStreams"])
    except ClientError:
        return False


def test_deaf_job_is_killed(aws: AwsStandIn, container: Container) -> None:
    """As process 1 a Python without a handler ignores SIGTERM, and is killed after 120 s."""
    container("write('model/best', 'model'); print('ready'); time.sleep(60); write('model/late', 'model')")
    start(aws)
    wait_for(lambda: running(aws))
    aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-1")
    aws.wait_for_job("donkey-1", "Stopping")
    aws.advance(119)
    time.sleep(0.1)  # of which it could make use
    assert (
        aws.client("sagemaker").describe_training_job(TrainingJobName="donkey-1")["SecondaryStatus"]
        == "Stopping"
    )
    aws.advance(2)
    began = time.monotonic()
    assert aws.wait_for_job("donkey-1")["SecondaryStatus"] == "Stopped"
    assert time.monotonic() - began < 15  # and not by the sleep of the container
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"best": "model"}


def test_stop_before_training(aws: AwsStandIn, container: Container) -> None:
    """A job that has not begun is stopped at once and costs nothing."""
    container("")
    aws.set(phase_s={"Starting": 3600})
    start(aws)
    aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-1")
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["BillableTimeInSeconds"]) == ("Stopped", 0)
    assert "TrainingStartTime" not in job


def test_max_runtime(aws: AwsStandIn, container: Container) -> None:
    """A job that trains for too long is stopped, and that is not a failure."""
    container("signal.signal(signal.SIGTERM, signal.SIG_DFL); print('ready'); time.sleep(60)")
    start(aws)
    wait_for(lambda: running(aws))
    aws.advance(3601)
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 3601 <= job["BillableTimeInSeconds"] < 3700


def test_max_wait(aws: AwsStandIn, container: Container) -> None:
    """A spot job that gets no machine in time is stopped."""
    container("")
    aws.set(capacity={"ml.m5.large": {"wait_s": 10000}})
    start(aws, **spot(bucket=aws.bucket))
    aws.advance(7201)
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_spot_interruption(aws: AwsStandIn, container: Container) -> None:
    """A lost spot machine costs what no checkpoint has; deleted checkpoints are gone from S3 too."""
    container("""
folder = os.path.join(base, "checkpoints")
if "2" in os.listdir(folder):
    write("model/from", ",".join(sorted(os.listdir(folder))))
    sys.exit(0)
write("model/lost", "with the machine")
write("checkpoints/1", "one")
time.sleep(0.2)
write("checkpoints/2", "two")
os.remove(os.path.join(folder, "1"))
print("ready")
signal.signal(signal.SIGTERM, signal.SIG_DFL)
time.sleep(60)
""")
    start(aws, **spot(bucket=aws.bucket))
    wait_for(lambda: running(aws))
    aws.set(phase_s={"Interrupted": 1800})
    aws.advance(100)
    aws.interrupt("donkey-1")
    aws.wait_for_job("donkey-1", "Interrupted")
    aws.advance(1800)
    job = aws.wait_for_job("donkey-1")
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]] == (
        "Starting Starting Downloading Training Interrupted Starting Downloading Training Uploading Completed"
    ).split()
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"from": "2"}
    found = aws.client("s3").list_objects_v2(Bucket=aws.bucket, Prefix="checkpoints/")
    assert [each["Key"] for each in found["Contents"]] == ["checkpoints/1/2"]
    assert 100 <= job["TrainingTimeInSeconds"] < 200  # the wait for another machine is not billed
    assert job["BillableTimeInSeconds"] == -(-job["TrainingTimeInSeconds"] * 3 // 10)


def test_capacity(aws: AwsStandIn, container: Container) -> None:
    """While a type is short its jobs say so, and may fail in the end."""
    container("")
    aws.set(capacity={"ml.m5.large": {"wait_s": 600, "fails": True}})
    start(aws)
    sagemaker = aws.client("sagemaker")

    def message() -> str:
        job = sagemaker.describe_training_job(TrainingJobName="donkey-1")
        return job["SecondaryStatusTransitions"][-1]["StatusMessage"]

    text = "Insufficient capacity error from EC2 while launching instances, retrying!"
    wait_for(lambda: message() == text)
    aws.advance(601)
    assert (
        aws.wait_for_job("donkey-1")["FailureReason"]
        == "CapacityError: Unable to provision requested ML compute capacity. "
        "Please retry using a different ML instance type."
    )


def test_failure_on_demand(aws: AwsStandIn, container: Container) -> None:
    """A test can end a job in any state with any reason, once."""
    container("")
    reason = "ClientError: Artifact upload failed:Insufficient disk space"
    aws.set(failures=[{"phase": "Uploading", "reason": reason}])
    assert run_job(aws)["FailureReason"] == reason
    assert run_job(aws, "donkey-2")["TrainingJobStatus"] == "Completed"


def test_clock_speed(aws: AwsStandIn, container: Container) -> None:
    """The clock of jobs can run faster than time."""
    container("")
    aws.set(phase_s={"Pending": 36000})
    aws.speed(36000)
    job = run_job(aws)
    assert job["TrainingStartTime"] - job["CreationTime"] >= 36000
    assert "Pending" in [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_several_machines(aws: AwsStandIn, container: Container) -> None:
    """Each machine has its container and its stream; their models come in one archive."""
    container("""
host = json.load(open(os.path.join(base, "input", "config", "resourceconfig.json")))["current_host"]
print(host)
write("model/" + host, ",".join(os.listdir(os.path.join(base, "input", "data", "train", "data"))))
""")
    aws.client("s3").put_object(Bucket=aws.bucket, Key="in/data/tub2.zip", Body=b"tub")
    aws.set(quotas={"ml.m5.large for training job usage": 2}, log_page_streams=1)
    machines = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30}
    shared = channel("train", f"s3://{aws.bucket}/in/")
    shared["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    run_job(aws, ResourceConfig=machines, InputDataConfig=[shared])
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {
        "algo-1": "tub.zip",
        "algo-2": "tub2.zip",
    }
    pages = aws.client("logs").get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
    names = [[stream["logStreamName"] for stream in page["logStreams"]] for page in pages]
    assert [[re.sub(r"-\d{10}$", "", name) for name in page] for page in names] == [
        ["donkey-1/algo-1"],
        ["donkey-1/algo-2"],
    ]


def test_list_jobs(aws: AwsStandIn, container: Container) -> None:
    """Jobs are listed the newest first, ten to a page, by a part of their names."""
    container("")
    for number in range(12):
        run_job(aws, f"donkey-{number}")
    run_job(aws, "other")
    sagemaker = aws.client("sagemaker")
    first = sagemaker.list_training_jobs(
        NameContains="donkey-", SortBy="CreationTime", SortOrder="Descending"
    )
    names = [each["TrainingJobName"] for each in first["TrainingJobSummaries"]]
    assert names == [f"donkey-{number}" for number in range(11, 1, -1)]
    last = sagemaker.list_training_jobs(NameContains="donkey-", NextToken=first["NextToken"])
    assert [each["TrainingJobName"] for each in last["TrainingJobSummaries"]] == ["donkey-1", "donkey-0"]
    assert "NextToken" not in last


def test_no_such_job(aws: AwsStandIn) -> None:
    """A job that was never there is a ValidationException, whatever the service model says."""
    for operation in ("describe_training_job", "stop_training_job"):
        call = getattr(aws.client("sagemaker"), operation)
        assert refusal(call, TrainingJobName="donkey-x") == (
            "ValidationException",
            "Requested resource not found.",
        )


# What CreateTrainingJob refuses


def test_service_model(aws: AwsStandIn) -> None:
    """Patterns, lengths and counts are checked, though boto3 does not."""
    code, text = create_refusal(
        aws,
        TrainingJobName="-" * 64,
        HyperParameters={"k" * 257: "v"},
        Tags=[{"Key": "ok", "Value": "what?"}],
        Environment={"1": "x"},
    )
    assert code == "ValidationException"
    assert text == (
        "5 validation errors detected: "
        "Value '{}' at 'trainingJobName' failed to satisfy constraint: "
        "Member must have length less than or equal to 63; "
        "Value '{}' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}; "
        "Value '{}' at 'hyperParameters' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member must have length less than or equal to 256, Member must have length greater than or equal "
        "to 0, Member must satisfy regular expression pattern: .*]; "
        "Value 'what?' at 'tags.1.member.value' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ([\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]*); "
        "Value '{}' at 'environment' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member must have length less than or equal to 512, Member must have length greater than or equal "
        "to 0, Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]"
    ).format("-" * 64, "-" * 64, {"k" * 257: "v"}, {"1": "x"})


def test_enum(aws: AwsStandIn) -> None:
    """A type that AWS never had is refused with all those that it has."""
    machines = {"InstanceType": "ml.pi.small", "InstanceCount": 1, "VolumeSizeInGB": 1}
    code, text = create_refusal(aws, ResourceConfig=machines)
    assert code == "ValidationException"
    assert text.startswith(
        "1 validation error detected: Value 'ml.pi.small' at 'resourceConfig.instanceType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [ml.m4.xlarge, "
    )


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"TrainingJobNam": "x"}, "The stand-in knows no .TrainingJobNam"),
        ({"TrainingJobName": 7}, "NUMBER_VALUE can not be converted to a String"),
    ],
)
def test_body_that_boto3_would_not_send(aws: AwsStandIn, changes: Dict[str, Any], text: str) -> None:
    """Who writes the body by hand is held to the service model too."""
    assert create_refusal(aws, **changes) == ("SerializationException", text)


def resources(**changes: Any) -> Dict[str, Any]:
    config = dict({"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}, **changes)
    return {"ResourceConfig": {name: value for name, value in config.items() if value is not None}}


def condition(runtime_s: int, *, wait_s: int = 0, is_spot: bool = False) -> Dict[str, Any]:
    stopping = {"MaxRuntimeInSeconds": runtime_s}
    if wait_s:
        stopping["MaxWaitTimeInSeconds"] = wait_s
    return {"StoppingCondition": stopping, "EnableManagedSpotTraining": is_spot}


@pytest.mark.parametrize(
    "changes, code, text",
    [
        (
            condition(60, wait_s=60),
            "ValidationException",
            (
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to "
                "true"
            ),
        ),
        (
            condition(60, is_spot=True),
            "ValidationException",
            "MaxWaitTimeInSeconds above 0 is required when EnableManagedSpotTraining is set to true",
        ),
        (
            condition(60, wait_s=59, is_spot=True),
            "ValidationException",
            (
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds"
            ),
        ),
        (
            condition(28 * 24 * 3600 + 1),
            "ValidationException",
            "MaxRuntimeInSeconds must be at most 2419200 seconds",
        ),
        (
            resources(KeepAlivePeriodInSeconds=3601),
            "ValidationException",
            "KeepAlivePeriodInSeconds must be at most 3600 seconds",
        ),
        (
            dict(condition(60, wait_s=60, is_spot=True), **resources(KeepAlivePeriodInSeconds=60)),
            "ValidationException",
            "KeepAlivePeriodInSeconds is not supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {"HyperParameters": {"long": "x" * 257}},
            "ValidationException",
            "HyperParameter long is longer than 256 characters",
        ),
        (
            resources(VolumeSizeInGB=0),
            "ValidationException",
            "VolumeSizeInGB is required for instance type ml.m5.large",
        ),
        (
            resources(InstanceType="ml.g4dn.xlarge", VolumeKmsKeyId="key"),
            "ValidationException",
            "VolumeKmsKeyId is not supported for instance type ml.g4dn.xlarge",
        ),
        (
            {"StoppingCondition": {}},
            "ValidationException",
            (
                "1 validation error detected: Value null at 'stoppingCondition' failed to satisfy constraint:"
                " Member must not be null"
            ),
        ),
        (
            {"RoleArn": "arn:aws:iam::123456789012:role/nobody"},
            "ValidationException",
            (
                "Could not assume role arn:aws:iam::123456789012:role/nobody. Please ensure that the role"
                " exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
            ),
        ),
        (
            {"RoleArn": "arn:aws:iam::999999999999:role/theirs"},
            "AccessDeniedException",
            "Cross-account pass role is not allowed.",
        ),
        (
            resources(InstanceType="ml.p2.xlarge"),
            "ResourceLimitExceeded",
            "The requested resource training-job/ml.p2.xlarge is not available in this region",
        ),
        (
            resources(InstanceType="ml.g4dn.xlarge"),
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, with"
                " current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS"
                " Service Quotas to request an increase for this quota."
            ),
        ),
        (
            dict(condition(60, wait_s=60, is_spot=True), **resources(InstanceCount=2)),
            "ResourceLimitExceeded",
            (
                "The account-level service limit 'ml.m5.large for spot training job usage' is 1 Instances,"
                " with current utilization of 0 Instances and a request delta of 2 Instances. Please use AWS"
                " Service Quotas to request an increase for this quota."
            ),
        ),
    ],
)
def test_rule(aws: AwsStandIn, container: Container, changes: Dict[str, Any], code: str, text: str) -> None:
    """The rules that only AWS's prose has are kept, and nothing is started."""
    container("")
    assert create_refusal(aws, **changes) == (code, text)
    assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_unsupported_type(aws: AwsStandIn, container: Container) -> None:
    """A type may be AWS's and yet not for training."""
    container("")
    aws.set(unsupported=["ml.m5.large"])
    assert create_refusal(aws) == ("ValidationException", "Unsupported instance type ml.m5.large")


def test_quota_in_use(aws: AwsStandIn, container: Container) -> None:
    """Running jobs count against the quota until they end."""
    container("")
    aws.set(phase_s={"Starting": 60})
    start(aws)
    code, text = create_refusal(aws, TrainingJobName="donkey-2")
    assert (code, "is 1 Instances, with current utilization of 1 Instances" in text) == (
        "ResourceLimitExceeded",
        True,
    )
    aws.advance(60)
    aws.wait_for_job("donkey-1")
    start(aws, "donkey-2")


def test_name_clash(aws: AwsStandIn, container: Container) -> None:
    """A name can be used once, also after its job has ended."""
    container("")
    run_job(aws)
    assert create_refusal(aws) == (
        "ResourceInUse",
        (
            "Training job names must be unique within an AWS account and region, and a training job with this"
            " name already exists (arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1)"
        ),
    )


@pytest.mark.parametrize(
    "image, text",
    [
        (
            "docker.io/library/python:3",
            (
                "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the"
                " Docker image to run."
            ),
        ),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/donkey:1",
            (
                "Invalid training image. Please provide a valid Amazon Elastic Container Registry path of the"
                " Docker image to run."
            ),
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/none:1",
            (
                "Cannot find repository: none in registry ID: 123456789012. Please check if your ECR"
                " repository exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/donkey:1",
            (
                "Cannot find repository: donkey in registry ID: 763104351884. Please check if your ECR "
                "repository exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey:2",
            (
                "Cannot find the requested image: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey:2."
                " Please check if your ECR image exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.15.0-cpu-py310",
            (
                "Cannot find the requested image:"
                " 763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.15.0-cpu-py310. Please"
                " check if your ECR image exists and role has proper pull permissions for SageMaker."
            ),
        ),
        (
            "999999999999.dkr.ecr.eu-west-1.amazonaws.com/theirs:1",
            "Access denied for repository: theirs in registry ID: 999999999999.",
        ),
    ],
)
def test_image(aws: AwsStandIn, container: Container, image: str, text: str) -> None:
    """An image has to be in a registry of this region that the job may read."""
    container("")
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File"}
    assert create_refusal(aws, AlgorithmSpecification=algorithm) == ("ValidationException", text)


def test_image_by_digest(aws: AwsStandIn, container: Container) -> None:
    """An image of our own is found by its digest too."""
    container("")
    (image,) = aws.client("ecr").describe_images(repositoryName="donkey")["imageDetails"]
    uri = OWN_IMAGE[: -len(":1")] + "@" + image["imageDigest"]
    aws.image(uri, command=["true"])
    job = run_job(aws, AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"})
    assert job["TrainingJobStatus"] == "Completed"


def test_no_objects(aws: AwsStandIn, container: Container) -> None:
    """A channel without objects is refused with the hint at region and permissions."""
    container("")
    uri = f"s3://{aws.bucket}/nothing"
    assert create_refusal(aws, InputDataConfig=[channel("train", uri)]) == (
        "ValidationException",
        (
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            " bucket exists in the selected region (eu-west-1), that objects exist under that S3 prefix, and"
            f' that the role "{aws.role_arn}" has "s3:ListBucket" permissions on bucket "{aws.bucket}".'
        ),
    )


@pytest.mark.parametrize(
    "names, mode, text",
    [
        (["train", "train"], "File", "Channel names must be unique: train, train"),
        (["train"], "FastFile", "FastFile mode supports the S3Prefix data type only"),
        (["train"], "Pipe", "The stand-in has S3Prefix and ManifestFile in File and FastFile mode only"),
    ],
)
def test_channels(aws: AwsStandIn, container: Container, names: List[str], mode: str, text: str) -> None:
    """Channels have names of their own, and a manifest goes with files alone."""
    container("")
    uri = f"s3://{aws.bucket}/in/"
    channels = [channel(name, uri, "ManifestFile", InputMode=mode) for name in names]
    assert create_refusal(aws, InputDataConfig=channels) == ("ValidationException", text)


def test_bucket_elsewhere(aws: AwsStandIn, container: Container) -> None:
    """Buckets have to be in the job's region."""
    container("")
    elsewhere = {"LocationConstraint": "us-west-2"}
    aws.client("s3", region_name="us-west-2").create_bucket(Bucket="far", CreateBucketConfiguration=elsewhere)
    assert create_refusal(aws, OutputDataConfig={"S3OutputPath": "s3://far/out"}) == (
        "ValidationException",
        "The S3 bucket far is in region us-west-2. It must be in the region of the training job, eu-west-1.",
    )


@pytest.mark.parametrize(
    "make_changes, reason",
    [
        (
            lambda bucket: {"InputDataConfig": [channel("train", f"s3://{bucket}/a//b/")]},
            "ClientError: Data download failed:a//b/tub.zip: illegal char sub-sequence '//' in S3 key",
        ),
        (
            lambda bucket: {"OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/a//b"}},
            "ClientError: Artifact upload failed:illegal char sub-sequence '//' in S3 key",
        ),
        (
            lambda bucket: {"OutputDataConfig": {"S3OutputPath": "s3://nowhere/out"}},
            "ClientError: Artifact upload failed:no bucket nowhere",
        ),
        (
            lambda bucket: {"InputDataConfig": [channel("train", f"s3://{bucket}/list", "ManifestFile")]},
            "ClientError: Data download failed:no object s3://donkey-stand-in/in/gone.zip",
        ),
        (
            lambda bucket: {
                "InputDataConfig": [channel("train", f"s3://{bucket}/a//b/tub.zip", "ManifestFile")]
            },
            "ClientError: Data download failed:s3://donkey-stand-in/a//b/tub.zip is not a manifest",
        ),
    ],
)
def test_bad_keys(
    aws: AwsStandIn, container: Container, make_changes: Callable[[str], Dict[str, Any]], reason: str
) -> None:
    """What is wrong with keys shows when the job comes to them."""
    container("write('model/m', 'm')")
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="a//b/tub.zip", Body=b"tub")
    manifest = json.dumps([{"prefix": f"s3://{aws.bucket}/in/"}, "gone.zip"])
    s3.put_object(Bucket=aws.bucket, Key="list", Body=manifest.encode())
    assert run_job(aws, **make_changes(aws.bucket))["FailureReason"] == reason


def test_role_without_trust(aws: AwsStandIn, container: Container) -> None:
    """A role that SageMaker may not take on fails the job."""
    container("")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("iam").update_assume_role_policy(RoleName="donkey-sagemaker", PolicyDocument=policy)
    assert (
        run_job(aws)["FailureReason"]
        == "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is"
        " unable to "
        "perform: sts:AssumeRole on the role. Verify the role exists and try again."
    )


# Logs


def test_no_log_group(aws: AwsStandIn) -> None:
    """Before an account's first job there is no log group."""
    logs = aws.client("logs")
    expected = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert refusal(logs.describe_log_streams, logGroupName=GROUP) == expected
    assert refusal(logs.get_log_events, logGroupName=GROUP, logStreamName="donkey-1/algo-1-1") == expected


def test_late_lines(aws: AwsStandIn, container: Container) -> None:
    """Lines, and the group with them, may come long after the job has ended."""
    container("print('hello')")
    aws.set(log_delay_s=30)
    run_job(aws)
    logs = aws.client("logs")
    assert refusal(logs.describe_log_streams, logGroupName=GROUP)[0] == "ResourceNotFoundException"
    aws.advance(31)
    assert read_log(aws) == ["hello"]
    assert refusal(logs.get_log_events, logGroupName=GROUP, logStreamName="donkey-1/algo-9-1") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )


@pytest.mark.parametrize("empty_pages", [False, True])
def test_log_pages(aws: AwsStandIn, container: Container, empty_pages: bool) -> None:
    """A token that comes back unchanged is the end, an empty page is not."""
    container("for number in range(5): print(number)")
    aws.set(log_page_events=2, log_empty_pages=empty_pages)
    run_job(aws)
    logs = aws.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
    pages: List[List[str]] = []
    page = logs.get_log_events(startFromHead=True, **where)
    while True:
        pages.append([event["message"] for event in page["events"]])
        token = page["nextForwardToken"]
        page = logs.get_log_events(nextToken=token, startFromHead=True, **where)
        if page["nextForwardToken"] == token:
            break
    full = [["0", "1"], ["2", "3"], ["4"]]
    assert pages == ([[], full[0], [], full[1], [], full[2]] if empty_pages else full)
    assert page["events"] == []
    latest = logs.get_log_events(limit=1, **where) if not empty_pages else {"events": [{"message": "4"}]}
    assert [event["message"] for event in latest["events"]] == ["4"]
    assert refusal(logs.get_log_events, nextToken="x", **where) == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


# Quotas and prices


def test_quotas(aws: AwsStandIn) -> None:
    """Quotas are listed by name, in pages, and may be those of the account or AWS's own."""
    aws.set(quotas={"ml.g5.xlarge for spot training job usage": 4})
    client = aws.client("service-quotas")
    pages = list(client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
    assert len(pages) > 1
    values = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert values["ml.g5.xlarge for spot training job usage"] == 4
    assert values["ml.g5.xlarge for training job usage"] == 0
    assert values["ml.m5.large for training job usage"] == 1

    aws.set(lists_own_quotas=False)
    assert client.list_service_quotas(ServiceCode="sagemaker")["Quotas"] == []
    pages = list(client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="sagemaker"))
    values = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert values["ml.g5.xlarge for spot training job usage"] == 0


def test_prices(aws: AwsStandIn) -> None:
    """The price list has training among other uses, and answers in few regions."""
    wanted = {"regionCode": "eu-west-1", "instanceName": "ml.g4dn.xlarge"}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    question = {"ServiceCode": "AmazonSageMaker", "Filters": filters}
    products = [
        json.loads(text)
        for text in aws.client("pricing", region_name="us-east-1").get_products(**question)["PriceList"]
    ]
    assert sorted(each["product"]["attributes"]["component"] for each in products) == [
        "Hosting",
        "Processing",
        "Training",
    ]
    (training,) = [each for each in products if each["product"]["attributes"]["component"] == "Training"]
    (term,) = training["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert (dimension["unit"], float(dimension["pricePerUnit"]["USD"])) == ("Hrs", 0.822)
    with pytest.raises(ConnectionClosedError):
        aws.client("pricing").get_products(**question)


# S3


def test_bucket_owner(aws: AwsStandIn) -> None:
    """A bucket that is not whose the caller says, or not the caller's, is closed."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x", ExpectedBucketOwner=aws.account_id)
    denied = ("AccessDenied", "Access Denied")
    assert refusal(s3.get_object, Bucket=aws.bucket, Key="k", ExpectedBucketOwner="999999999999") == denied
    aws.set(bucket_owners={aws.bucket: "999999999999"})
    assert refusal(s3.get_object, Bucket=aws.bucket, Key="k") == denied
    assert refusal(s3.get_object, Bucket=aws.bucket, Key="k", ExpectedBucketOwner="999999999999") == denied
    assert refusal(s3.head_bucket, Bucket=aws.bucket, ExpectedBucketOwner=aws.account_id) == (
        "403",
        "Forbidden",
    )


def test_bucket_region(aws: AwsStandIn) -> None:
    """A bucket of another region tells where it is."""
    elsewhere = {"LocationConstraint": "us-west-2"}
    aws.client("s3", region_name="us-west-2").create_bucket(Bucket="far", CreateBucketConfiguration=elsewhere)
    assert aws.client("s3").get_bucket_location(Bucket="far")["LocationConstraint"] == "us-west-2"
    request = AWSRequest("GET", aws.endpoint_url + "/far?list-type=2")  # boto3 itself would follow
    keys = Credentials(aws.environment["AWS_ACCESS_KEY_ID"], "secret")
    S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(request.url, headers=dict(request.headers.items())), timeout=20)
    assert (caught.value.code, caught.value.headers["x-amz-bucket-region"]) == (301, "us-west-2")


def test_missing_key(aws: AwsStandIn) -> None:
    """Who may not list a bucket is not told that a key is missing."""
    s3 = aws.client("s3")
    assert refusal(s3.get_object, Bucket=aws.bucket, Key="none")[0] == "NoSuchKey"
    assert refusal(s3.head_object, Bucket=aws.bucket, Key="none")[0] == "404"
    aws.set(denied=["s3:ListBucket"])
    assert refusal(s3.get_object, Bucket=aws.bucket, Key="none") == ("AccessDenied", "Access Denied")
    assert refusal(s3.head_object, Bucket=aws.bucket, Key="none")[0] == "403"
    assert refusal(s3.list_objects_v2, Bucket=aws.bucket)[0] == "AccessDenied"


def test_checksum(aws: AwsStandIn) -> None:
    """A body that is not what its sender read is refused."""
    wrong = base64.b64encode(b"0" * 16).decode()
    s3 = aws.client("s3")
    assert refusal(s3.put_object, Bucket=aws.bucket, Key="k", Body=b"x", ContentMD5=wrong) == (
        "BadDigest",
        "The Content-MD5 you specified did not match the calculated checksum.",
    )


def test_resume(aws: AwsStandIn) -> None:
    """The rest of an object can be had, as long as it is the same object."""
    s3 = aws.client("s3")
    etag = s3.put_object(Bucket=aws.bucket, Key="k", Body=b"0123456789")["ETag"]
    rest = s3.get_object(Bucket=aws.bucket, Key="k", Range="bytes=4-", IfMatch=etag)
    assert (rest["Body"].read(), rest["ContentRange"]) == (b"456789", "bytes 4-9/10")
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"another")
    assert (
        refusal(s3.get_object, Bucket=aws.bucket, Key="k", Range="bytes=4-", IfMatch=etag)[0]
        == "PreconditionFailed"
    )


# Access


def test_identity(aws: AwsStandIn) -> None:
    """STS tells whose key it is."""
    assert aws.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/donkey"


@pytest.mark.parametrize(
    "service, operation, arguments, unknown, expired",
    [
        (
            "s3",
            "list_buckets",
            {},
            ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
            ("ExpiredToken", "The provided token has expired."),
        ),
        (
            "sagemaker",
            "list_training_jobs",
            {},
            ("UnrecognizedClientException", "The security token included in the request is invalid."),
            ("ExpiredTokenException", "The security token included in the request is expired"),
        ),
        (
            "sts",
            "get_caller_identity",
            {},
            ("InvalidClientTokenId", "The security token included in the request is invalid."),
            ("ExpiredToken", "The security token included in the request is expired"),
        ),
    ],
)
def test_credentials(
    aws: AwsStandIn,
    service: str,
    operation: str,
    arguments: Dict[str, Any],
    unknown: Tuple[str, str],
    expired: Tuple[str, str],
) -> None:
    """Each service has its own words for keys that it does not know and tokens that have expired."""
    stranger = aws.client(service, aws_access_key_id="AKIASTRANGER")
    assert refusal(getattr(stranger, operation), **arguments) == unknown
    aws.set(expired=True)
    assert refusal(getattr(aws.client(service), operation), **arguments) == expired


def test_clock_skew(aws: AwsStandIn) -> None:
    """S3 bears a clock that is off by 15 minutes, other services by 5."""
    aws.set(skew_s=600)
    answer = aws.client("s3").list_buckets()
    assert "ResponseMetadata" in answer
    code, text = refusal(aws.client("sagemaker").list_training_jobs)
    assert code == "InvalidSignatureException"
    stamp = r"\d{8}T\d{6}Z"
    assert re.fullmatch(
        rf"Signature expired: {stamp} is now earlier than {stamp} \({stamp} - 5 min\.\)", text
    )
    aws.set(skew_s=-600)
    code, text = refusal(aws.client("sts").get_caller_identity)
    assert code == "SignatureDoesNotMatch"
    assert re.fullmatch(
        rf"Signature not yet current: {stamp} is still later than {stamp} \({stamp} \+ 5 min\.\)", text
    )
    aws.set(skew_s=1000)
    assert refusal(aws.client("s3").list_buckets) == (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    )


def test_clock_of_answers(aws: AwsStandIn) -> None:
    """The Date of an answer is AWS's clock, so that a client can tell whose is wrong."""
    from email.utils import parsedate_to_datetime

    aws.set(skew_s=800)
    date = aws.client("s3").list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert 790 < parsedate_to_datetime(date).timestamp() - time.time() < 810


@pytest.mark.parametrize(
    "action, resource",
    [
        ("iam:PassRole", "arn:aws:iam::123456789012:role/donkey-sagemaker"),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"),
        ("sagemaker:AddTags", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"),
    ],
)
def test_denied_create(aws: AwsStandIn, container: Container, action: str, resource: str) -> None:
    """To start a job takes three permissions, and AWS says which one is missing."""
    container("")
    aws.set(denied=[action])
    assert create_refusal(aws, Tags=[{"Key": "a", "Value": "b"}]) == (
        "AccessDeniedException",
        (
            f"User: arn:aws:iam::123456789012:user/donkey is not authorized to perform: {action} on resource:"
            f" {resource} because no identity-based policy allows the {action} action"
        ),
    )


@pytest.mark.parametrize(
    "service, operation, arguments, action, code",
    [
        ("s3", "put_object", {"Bucket": "donkey-stand-in", "Key": "k"}, "s3:PutObject", "AccessDenied"),
        ("s3", "get_bucket_location", {"Bucket": "donkey-stand-in"}, "s3:GetBucketLocation", "AccessDenied"),
        ("iam", "get_role", {"RoleName": "donkey-sagemaker"}, "iam:GetRole", "AccessDenied"),
        (
            "ecr",
            "describe_images",
            {"repositoryName": "donkey"},
            "ecr:DescribeImages",
            "AccessDeniedException",
        ),
        (
            "logs",
            "describe_log_streams",
            {"logGroupName": "g"},
            "logs:DescribeLogStreams",
            "AccessDeniedException",
        ),
        (
            "service-quotas",
            "list_service_quotas",
            {"ServiceCode": "sagemaker"},
            "servicequotas:ListServiceQuotas",
            "AccessDeniedException",
        ),
    ],
)
def test_denied(
    aws: AwsStandIn, service: str, operation: str, arguments: Dict[str, Any], action: str, code: str
) -> None:
    """Any action can be denied, at any service."""
    aws.set(denied=[action])
    told, text = refusal(getattr(aws.client(service), operation), **arguments)
    assert told == code
    assert f"is not authorized to perform: {action} on resource: " in text


# Faults


def put(aws: AwsStandIn) -> None:
    aws.client("s3").put_object(Bucket=aws.bucket, Key="k", Body=b"x" * 1000)


def keys(aws: AwsStandIn) -> List[str]:
    return [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])]


@pytest.mark.parametrize("kind, done", [("refuse", False), ("cut_request", False), ("lose_response", True)])
def test_broken_connection(aws: AwsStandIn, kind: str, done: bool) -> None:
    """A connection can break before, in and after a request; only the last has done something."""
    aws.fault(kind, service="s3", operation="PutObject")
    with pytest.raises(HTTPClientError):
        put(aws)
    assert keys(aws) == (["k"] if done else [])
    (broken,) = aws.requests("s3", "PutObject")
    assert broken["bytes_in"] == {"refuse": 0, "cut_request": 500, "lose_response": 1000}[kind]
    put(aws)
    assert keys(aws) == ["k"]


def test_broken_connection_of_sts(aws: AwsStandIn) -> None:
    """Faults find the operation of services that name it in the body alone."""
    aws.fault("refuse", service="sts", operation="GetCallerIdentity")
    with pytest.raises(HTTPClientError):
        aws.client("sts").get_caller_identity()
    aws.client("sts").get_caller_identity()


def test_no_answer(aws: AwsStandIn) -> None:
    """A request may never be answered."""
    aws.fault("hang", service="sagemaker")
    settings = Config(retries={"max_attempts": 0}, read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        aws.client("sagemaker", config=settings).list_training_jobs()


@pytest.mark.parametrize(
    "service, operation, arguments",
    [("s3", "list_buckets", {}), ("sagemaker", "list_training_jobs", {}), ("iam", "list_roles", {})],
)
def test_error_answer(aws: AwsStandIn, service: str, operation: str, arguments: Dict[str, Any]) -> None:
    """Any error can be answered, in the language of its service."""
    aws.fault("error", service=service, status=400, code="ThrottlingException", message="Rate exceeded")
    assert refusal(getattr(aws.client(service), operation), **arguments) == (
        "ThrottlingException",
        "Rate exceeded",
    )
    aws.fault(
        "error", service=service, status=503, code="SlowDown", message="Please reduce your request rate."
    )
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service), operation)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_cut_answer(aws: AwsStandIn) -> None:
    """An answer's body may end early."""
    put(aws)
    aws.fault("cut_response", operation="GetObject")
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key="k")["Body"]
    with pytest.raises((BotoCoreError, OSError)):
        body.read()


def test_corrupt_answer(aws: AwsStandIn) -> None:
    """An answer's body may be another than the one that was sent."""
    put(aws)
    aws.fault("corrupt_response", operation="GetObject")
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key="k", Range="bytes=0-9")["Body"].read()
    assert (body[:-1], body[-1:] != b"x", len(body)) == (b"x" * 9, True, 10)


def test_which_requests_a_fault_strikes(aws: AwsStandIn) -> None:
    """By operation and path, after some that pass, so many times."""
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
    assert [refusal(s3.list_buckets)[0] for _ in range(2)] == ["InternalError"] * 2
    aws.clear_faults()
    s3.list_buckets()


def test_unknown_fault(aws: AwsStandIn) -> None:
    """A misspelt fault fails the test that asks for it."""
    with pytest.raises(AssertionError, match="no fault is named drop: refuse, "):
        aws.fault("drop")


def test_slow_link(aws: AwsStandIn) -> None:
    """The line can be slow, in each direction."""
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
    """Every request is counted, with the bytes of its bodies."""
    put(aws)
    aws.client("s3").get_object(Bucket=aws.bucket, Key="k")["Body"].read()
    told = [
        (each["operation"], each["path"], each["status"], each["bytes_in"], each["bytes_out"])
        for each in aws.requests("s3")
    ]
    path = f"/{aws.bucket}/k"
    assert told == [("PutObject", path, 200, 1000, 0), ("GetObject", path, 200, 0, 1000)]


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("create_multipart_upload", {"Key": "k"}),
        ("head_object", {"Key": "k"}),
        ("head_bucket", {}),
        ("delete_object", {"Key": "k"}),
        ("list_multipart_uploads", {}),
        ("list_objects", {}),
        ("list_objects_v2", {}),
        ("get_bucket_location", {}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
    ],
)
def test_s3_operations_are_told_apart(aws: AwsStandIn, operation: str, arguments: Dict[str, Any]) -> None:
    """Faults and records know S3's operations by their names."""
    client = aws.client("s3")
    try:
        getattr(client, operation)(Bucket=aws.bucket, **arguments)
    except ClientError:
        pass
    assert [client.meta.method_to_api_mapping[operation]] == [
        each["operation"] for each in aws.requests("s3")
    ]


def test_multipart_upload(aws: AwsStandIn) -> None:
    """A part is told apart from a whole object, and the parts become one."""
    s3 = aws.client("s3")
    where = {"Bucket": aws.bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(PartNumber=1, UploadId=upload, Body=b"whole", **where)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(UploadId=upload, MultipartUpload=parts, **where)
    assert s3.get_object(**where)["Body"].read() == b"whole"
    assert [
        each["operation"] for each in aws.requests("s3")
    ] == "CreateMultipartUpload UploadPart CompleteMultipartUpload GetObject".split()


# Life and death


def test_reset_ends_running_jobs(aws: AwsStandIn, container: Container, tmp_path: Path) -> None:
    """A new account has nothing of the old one, and gets it soon."""
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
    assert refusal(aws.client("s3").get_object, Bucket=aws.bucket, Key="in/data/tub.zip")[0] == "NoSuchKey"
    assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == [aws.bucket]


def test_reset_ends_waiting_jobs(aws: AwsStandIn, container: Container) -> None:
    """A job that would wait for long does not hold the next test up."""
    container("")
    aws.set(phase_s={"Starting": 3600})
    start(aws)
    began = time.monotonic()
    aws.reset()
    assert time.monotonic() - began < 5


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # killed, and not yet waited for
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


PARENT = """
import sys
tests, python, folder, command = sys.argv[1:]
sys.path.insert(0, tests)
from aws_fixture import AwsStandIn
from test_aws_stand_in import OWN_IMAGE, start
aws = AwsStandIn(python, folder)
aws.push_image("donkey", "1")
aws.image(OWN_IMAGE, command=["/bin/sh", "-c", command])
aws.client("s3").put_object(Bucket=aws.bucket, Key="in/x", Body=b"")
start(aws)
print(aws._process.pid, flush=True)
sys.stdin.read()
"""


def test_end_of_parent(generation_python: Callable[[str], str], tmp_path: Path) -> None:
    """The stand-in and its containers end when the tests' process does, even when that is killed."""
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
    """The image of 2018 reads v1 tubs and JSON, and leaves its model alone in the archive."""
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
