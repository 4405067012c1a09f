"""Training jobs on the stand-in run as they do on SageMaker, seen through real boto3."""

import json
import re
import sys
import time
from typing import Dict, List

import pytest

from aws_fixture import AwsStandIn
from stand_in_jobs import (
    GROUP,
    STOCK_IMAGE,
    Container,
    aws_error,
    channel,
    create,
    is_gone,
    keys,
    make_request,
    read_archive,
    read_log,
    run_job,
    running,
    spot,
    start,
    wait_for,
)


def test_job(aws: AwsStandIn, container: Container) -> None:
    """A container gets its channels, files and environment, and its two folders are uploaded."""
    container("""
config = os.path.join(base, "input", "config")
seen = {name: json.load(open(os.path.join(config, name))) for name in sorted(os.listdir(config))}
data = os.path.join(base, "input", "data")
seen["data"] = sorted(
    os.path.relpath(os.path.join(folder, name), data) for folder, _, names in os.walk(data) for name in names
)
seen["environment"] = {
    name: value for name, value in os.environ.items() if name.startswith(("AWS", "TRAINING", "SPEED"))
}
seen["arguments"] = sys.argv[1:]
write("model/seen.json", json.dumps(seen))
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
    seen = json.loads(read_archive(aws, "out/donkey-1/output/model.tar.gz")["seen.json"])
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert seen == {
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
    """An entry point replaces that of the image, with the container's paths."""
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
    """An image without the program that should run fails with Docker's message."""
    container("")
    aws.image(STOCK_IMAGE)
    algorithm = dict({"TrainingImage": STOCK_IMAGE, "TrainingInputMode": "File"}, **entry_point)
    assert (
        run_job(aws, AlgorithmSpecification=algorithm)["FailureReason"]
        == f'AlgorithmError: exec: "{word}": executable file not found in $PATH, exit code: 127'
    )


def test_nothing_to_export(aws: AwsStandIn, container: Container) -> None:
    """A job that writes nothing completes without an archive."""
    container("")
    assert "ModelArtifacts" not in run_job(aws)
    assert keys(aws) == ["in/data/tub.zip"]


def test_failed_job(aws: AwsStandIn, container: Container) -> None:
    """The beginning of the failure file is the reason, and what exists of a model is uploaded."""
    container("write('output/failure', 'x' * 2000); write('model/half', 'model'); sys.exit(3)")
    job = run_job(aws)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "AlgorithmError: {}, exit code: 3".format("x" * (1024 - 16 - 14))
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"half": "model"}


def test_left_processes(aws: AwsStandIn, container: Container) -> None:
    """A container ends with its first process, even if that has started others."""
    container("import subprocess; print(subprocess.Popen(['sleep', '60']).pid)")
    run_job(aws)
    assert is_gone(int(read_log(aws)[0]))


def test_killed_job(aws: AwsStandIn, container: Container) -> None:
    """A container that is killed, for example out of memory, has exit code 137 and no message."""
    container("os.kill(os.getpid(), signal.SIGKILL)")
    assert run_job(aws)["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_stopped_job(aws: AwsStandIn, container: Container) -> None:
    """A trainer that handles SIGTERM ends by itself, and its model is uploaded."""
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
    assert aws_error(aws.client("sagemaker").stop_training_job, TrainingJobName="donkey-1") == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def test_job_that_ignores_sigterm_is_killed(aws: AwsStandIn, container: Container) -> None:
    """As process 1, a Python without a handler ignores SIGTERM; it is killed after 120 s."""
    container("write('model/best', 'model'); print('ready'); time.sleep(60); write('model/late', 'model')")
    start(aws)
    wait_for(lambda: running(aws))
    aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-1")
    aws.wait_for_job("donkey-1", "Stopping")
    aws.advance(90)  # real time passes as well
    time.sleep(0.1)  # in which it might end
    assert (
        aws.client("sagemaker").describe_training_job(TrainingJobName="donkey-1")["SecondaryStatus"]
        == "Stopping"
    )
    aws.advance(31)
    began = time.monotonic()
    assert aws.wait_for_job("donkey-1")["SecondaryStatus"] == "Stopped"
    assert time.monotonic() - began < 15  # and not because the container's sleep was over
    assert read_archive(aws, "out/donkey-1/output/model.tar.gz") == {"best": "model"}


def test_stop_before_training(aws: AwsStandIn, container: Container) -> None:
    """A job that has not started training is stopped immediately and costs nothing."""
    container("")
    aws.set(phase_s={"Starting": 3600})
    start(aws)
    aws.client("sagemaker").stop_training_job(TrainingJobName="donkey-1")
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["BillableTimeInSeconds"]) == ("Stopped", 0)
    assert "TrainingStartTime" not in job


def test_max_runtime(aws: AwsStandIn, container: Container) -> None:
    """A job that trains for too long is stopped, but has not failed."""
    container("signal.signal(signal.SIGTERM, signal.SIG_DFL); print('ready'); time.sleep(60)")
    start(aws)
    wait_for(lambda: running(aws))
    aws.advance(3601)
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 3601 <= job["BillableTimeInSeconds"] < 3700


def test_max_wait(aws: AwsStandIn, container: Container) -> None:
    """A spot job that gets no instance in time is stopped."""
    container("")
    aws.set(capacity={"ml.m5.large": {"wait_s": 10000}})
    start(aws, **spot(bucket=aws.bucket))
    aws.advance(7201)
    job = aws.wait_for_job("donkey-1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_spot_interruption(aws: AwsStandIn, container: Container) -> None:
    """A lost spot instance loses what is not in a checkpoint; deleted checkpoints disappear from S3."""
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
    assert 100 <= job["TrainingTimeInSeconds"] < 200  # the wait for another instance is not billed
    assert job["BillableTimeInSeconds"] == -(-job["TrainingTimeInSeconds"] * 3 // 10)


def test_capacity(aws: AwsStandIn, container: Container) -> None:
    """While there is no capacity for a type its jobs report that, and may fail in the end."""
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
    """A test can make one job fail in any state, for any reason."""
    container("")
    reason = "ClientError: Artifact upload failed:Insufficient disk space"
    aws.set(failures=[{"phase": "Uploading", "reason": reason}])
    assert run_job(aws)["FailureReason"] == reason
    assert run_job(aws, "donkey-2")["TrainingJobStatus"] == "Completed"


def test_clock_speed(aws: AwsStandIn, container: Container) -> None:
    """The clock of jobs can run faster than real time."""
    container("")
    aws.set(phase_s={"Pending": 36000})
    aws.speed(36000)
    job = run_job(aws)
    assert job["TrainingStartTime"] - job["CreationTime"] >= 36000
    assert "Pending" in [each["Status"] for each in job["SecondaryStatusTransitions"]]


def test_several_instances(aws: AwsStandIn, container: Container) -> None:
    """Each instance has a container and a stream; their models are in one archive."""
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
    """Jobs whose names contain a text are listed, the newest first, ten on each page."""
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
    """A missing job is a ValidationException, whatever the service model says."""
    for operation in ("describe_training_job", "stop_training_job"):
        call = getattr(aws.client("sagemaker"), operation)
        assert aws_error(call, TrainingJobName="donkey-x") == (
            "ValidationException",
            "Requested resource not found.",
        )
