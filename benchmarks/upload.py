"""What it takes to upload a tub to S3: time, requests and bytes, with a stand-in for AWS on this machine.

The loopback has no latency and ample bandwidth, so this compares the work of each way, not of a Wi-Fi link.
"""

import contextlib
import os
import shutil
import statistics
from typing import Any, Dict, Iterator, List, NamedTuple

from aws_fixture import AwsStandIn
from report import MIB, Comparison, Measured, SingleRuns, Topic, make_row
from tubs import count_bytes, repeat_tub
from workbench import Workbench

RECORDS = 12000
LATER_RECORDS = RECORDS + RECORDS // 10

ZIP_TARGET = 1.2
SYNC_TARGET = 0.1
RECORDS_PER_REQUEST = 500
LATER_TARGET = 0.15
PEAK_TARGET_BYTES = 60 * MIB  # above a Python that has imported boto3
TOPIC = Topic(
    "Upload to S3",
    "`donkey-sagemaker train --detach` from start to exit: it checks the records and the account, uploads "
    "the tub and the job's own files, and launches the job. S3 and the rest of AWS are a stand-in on "
    "the loopback.",
)
METHODS = {
    "First upload": "Medians, against packing the tub into one file and copying it, and against one sync of "
    "its folder, which takes minutes and is run once.",
    "Requests to S3": "All requests of the same command: access to the bucket, its list, the "
    "shards and the job's own files.",
    "Peak memory of the upload": "The largest resident size of the same command over all runs, against "
    "`python -c 'import boto3'`. The rest is boto3's clients and up to four shards.",
    "Bytes of a second upload": "The same command with the same tub after the car has driven on.",
}
ZIP, SYNC = "zip -0, aws s3 cp", "aws s3 sync"


class Sent(NamedTuple):
    """One upload in one of the ways."""

    seconds: float
    requests: int  # to S3
    bytes: int
    peak_bytes: int  # resident, of the largest process


def measure(bench: Workbench, *, tub: str, rounds: int, stand_in_python: str, aws_command: str) -> Measured:
    folder = os.path.join(bench.folder, "upload")
    first, later = os.path.join(folder, "first", "tub"), os.path.join(folder, "later", "tub")
    repeat_tub(tub, first, records=RECORDS)
    repeat_tub(tub, later, records=LATER_RECORDS)
    sent: Dict[str, List[Sent]] = {}
    boto3_bytes = bench.run([bench.python, "-c", "import boto3"], cwd=bench.folder).peak_bytes
    try:
        with stand_in(stand_in_python, folder) as aws:
            for number in range(rounds):
                once = measure_ours(bench, aws, first=first, later=later)
                once[ZIP] = zip_and_copy(bench, aws, first, aws_command=aws_command)
                if number == 0:  # it takes minutes
                    once[SYNC] = sync(bench, aws, first, aws_command=aws_command)
                for way, each in once.items():
                    sent.setdefault(way, []).append(each)
        return compare(sent, tub_bytes=count_bytes(first), boto3_bytes=boto3_bytes)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def stand_in(python: str, folder: str) -> Iterator[AwsStandIn]:
    aws = AwsStandIn(python, folder)
    try:
        yield aws
    finally:
        aws.close()


def measure_ours(bench: Workbench, aws: AwsStandIn, *, first: str, later: str) -> Dict[str, Sent]:
    """The whole command, and again with a longer tub. The jobs stay in the state Starting."""
    aws.reset()
    aws.set(phase_s={"Starting": 1e6}, quotas={"ml.m5.xlarge for training job usage": 2})
    for generation in ("dk53", "dk54"):  # otherwise wheels, which belong to no tub, are uploaded too
        aws.push_image("donkey-sagemaker", generation + "-cpu")
    car = bench.make_car(
        {
            "SAGEMAKER_REGION": aws.region,
            "SAGEMAKER_BUCKET": aws.bucket,
            "SAGEMAKER_ROLE_ARN": aws.role_arn,
            "SAGEMAKER_ENDPOINT_URL": aws.endpoint_url,
        }
    )
    command = [bench.python, "-m", "donkey_sagemaker", "train", "--detach", "--tub"]
    try:
        return {
            "ours": count(bench, aws, [command + [first]], cwd=car),
            "ours, 10% more": count(bench, aws, [command + [later]], cwd=car),
        }
    finally:
        bench.remove_car(car)


def zip_and_copy(bench: Workbench, aws: AwsStandIn, tub: str, *, aws_command: str) -> Sent:
    aws.reset()
    target = os.path.join(bench.folder, "tub.zip")
    commands = [
        ["zip", "-q", "-0", "-r", target, os.path.basename(tub)],
        [aws_command, "s3", "cp", "--quiet", target, f"s3://{aws.bucket}/tub.zip"],
    ]
    try:
        return count(bench, aws, commands, cwd=os.path.dirname(tub))
    finally:
        os.remove(target)


def sync(bench: Workbench, aws: AwsStandIn, tub: str, *, aws_command: str) -> Sent:
    aws.reset()
    command = [aws_command, "s3", "sync", "--quiet", tub, f"s3://{aws.bucket}/tub"]
    return count(bench, aws, [command], cwd=os.path.dirname(tub))


def count(bench: Workbench, aws: AwsStandIn, commands: List[List[str]], *, cwd: str) -> Sent:
    """Runs the commands one after the other and counts what S3 receives meanwhile."""
    before = len(aws.requests("s3"))
    environment = dict(aws.environment, AWS_ENDPOINT_URL=aws.endpoint_url)
    runs = [bench.run(command, cwd=cwd, environment=environment) for command in commands]
    requests: List[Dict[str, Any]] = aws.requests("s3")[before:]
    return Sent(
        seconds=sum(run.seconds for run in runs),
        requests=len(requests),
        bytes=sum(request["bytes_in"] for request in requests),
        peak_bytes=max(run.peak_bytes for run in runs),
    )


def compare(sent: Dict[str, List[Sent]], *, tub_bytes: int, boto3_bytes: int) -> Measured:
    seconds = {way: statistics.median(each.seconds for each in runs) for way, runs in sent.items()}
    ours, later = sent["ours"][0], sent["ours, 10% more"][0]
    peak_bytes = max(each.peak_bytes for each in sent["ours"])
    tub = f"{RECORDS:,} records of {tub_bytes / MIB:.0f} MiB"
    rounds = len(sent["ours"])
    time_rows = [
        make_row(
            tub,
            seconds["ours"],
            seconds[way],
            show="{:.1f} s",
            other=way,
            target=f"at most {target}",
            met=seconds["ours"] <= target * seconds[way],
            runs=rounds,
        )
        for way, target in ((ZIP, ZIP_TARGET), (SYNC, SYNC_TARGET))
    ]
    requests_row = make_row(
        tub,
        ours.requests,
        sent[SYNC][0].requests,
        show="{:,}",
        other=SYNC,
        target=f"under 1 per {RECORDS_PER_REQUEST} records",
        met=ours.requests * RECORDS_PER_REQUEST < RECORDS,
        runs=1,
    )
    memory_row = make_row(
        tub,
        peak_bytes / MIB,
        boto3_bytes / MIB,
        show="{:.1f} MiB",
        other="import boto3",
        target=f"at most {PEAK_TARGET_BYTES / MIB:.0f} MiB more",
        met=peak_bytes - boto3_bytes <= PEAK_TARGET_BYTES,
        runs=rounds,
    )
    later_row = make_row(
        f"{LATER_RECORDS - RECORDS:,} more records",
        later.bytes / MIB,
        ours.bytes / MIB,
        show="{:.1f} MiB",
        other="first upload",
        target=f"under {LATER_TARGET}",
        met=later.bytes < LATER_TARGET * ours.bytes,
        runs=1,
    )
    lines = [
        (
            way,
            f"{each.seconds:.1f}",
            f"{each.requests:,}",
            f"{each.bytes / MIB:.1f}",
            f"{each.peak_bytes / MIB:.1f}",
        )
        for way, runs in sent.items()
        for each in runs
    ]
    comparisons = [
        Comparison(title, method, rows)
        for (title, method), rows in zip(
            METHODS.items(), (time_rows, [requests_row], [memory_row], [later_row])
        )
    ]
    head = ("way", "seconds", "requests to S3", "MiB sent", "peak MiB")
    return Measured(TOPIC, comparisons, [SingleRuns("Uploads", head, lines)])
