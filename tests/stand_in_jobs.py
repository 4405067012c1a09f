"""Training jobs on the AWS stand-in through plain boto3, for the tests of the stand-in itself."""

import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from botocore.exceptions import ClientError

from aws_fixture import AwsStandIn

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
    """A function that makes OWN_IMAGE run Python code."""

    def run(code: str) -> None:
        script = tmp_path / "trainer.py"
        script.write_text(PROLOGUE + code)
        aws.push_image("donkey", "1")
        aws.image(OWN_IMAGE, command=[sys.executable, "-u", str(script)])
        aws.client("s3").put_object(Bucket=aws.bucket, Key="in/data/tub.zip", Body=b"tub")

    return run


def make_request(aws: AwsStandIn, name: str = "donkey-1", **changes: Any) -> Dict[str, Any]:
    """Arguments that CreateTrainingJob accepts once there is a container."""
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
    """CreateTrainingJob with the complete request, including what an old boto3 does not know."""
    client = aws.client("sagemaker")

    def send_all(params: Dict[str, Any], **others: Any) -> None:
        params["body"] = json.dumps(request).encode()

    client.meta.events.register("before-call.sagemaker.CreateTrainingJob", send_all)
    client.create_training_job(**make_request(aws))


def start(aws: AwsStandIn, name: str = "donkey-1", **changes: Any) -> None:
    create(aws, make_request(aws, name, **changes))


def make_tuning(
    aws: AwsStandIn, name: str, *, trials: int = 2, stops_early: bool = False, **changes: Any
) -> Dict[str, Any]:
    """Arguments that CreateHyperParameterTuningJob accepts once there is a container."""
    training = make_request(aws)
    algorithm = dict(training["AlgorithmSpecification"])
    algorithm["MetricDefinitions"] = [{"Name": "objective", "Regex": "objective=(.*)"}]
    del training["TrainingJobName"]
    request: Dict[str, Any] = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "objective"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "RATE", "MinValue": "1", "MaxValue": "10"}]
            },
            "TrainingJobEarlyStoppingType": "Auto" if stops_early else "Off",
        },
        "TrainingJobDefinition": dict(training, AlgorithmSpecification=algorithm),
    }
    request.update(changes)
    return request


def create_tuning(aws: AwsStandIn, name: str, **changes: Any) -> None:
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**make_tuning(aws, name, **changes))


def wait_for_tuning(aws: AwsStandIn, name: str) -> Dict[str, Any]:
    """Its description once it has ended."""
    client = aws.client("sagemaker")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{name} does not end")


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


def aws_error(call: Callable[..., Any], **arguments: Any) -> Tuple[str, str]:
    """AWS's code and message for a call that fails."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def creation_error(aws: AwsStandIn, **changes: Any) -> Tuple[str, str]:
    return aws_error(create, aws=aws, request=make_request(aws, **changes))


def read_archive(aws: AwsStandIn, key: str) -> Dict[str, str]:
    """The text of each file in an archive in the bucket."""
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {
            member.name: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }


def read_log(aws: AwsStandIn, name: str = "donkey-1") -> List[str]:
    """All lines of a job's only stream."""
    logs = aws.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name + "/")["logStreams"]
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
    return [event["message"] for event in page["events"]]


def wait_for(condition: Callable[[], Any]) -> Any:
    """Waits until the condition is true, and returns its value."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("the condition was still false after 20 s")


def running(aws: AwsStandIn) -> bool:
    """Whether a container has printed its first line."""
    try:
        return bool(aws.client("logs").describe_log_streams(logGroupName=GROUP)["logStreams"])
    except ClientError:
        return False


def keys(aws: AwsStandIn) -> List[str]:
    return [each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # killed, and not yet waited for
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"
