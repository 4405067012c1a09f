"""What it takes to bring a tub to S3: time, requests and bytes, against a stand-in for AWS on this machine.

A loopback has no latency and all the bandwidth: what is compared is the work of each way, not a radio link.
"""

import contextlib
import os
import shutil
import statistics
from typing import Any, Dict, Iterator, List, NamedTuple

from report import MIB, Details, Measured, Row
from tubs import count_bytes, repeat_tub
from workbench import Workbench

from aws_fixture import AwsStandIn

RECORDS = 12000
LATER_RECORDS = RECORDS + RECORDS // 10

ZIP_TARGET = 1.2
SYNC_TARGET = 0.1
RECORDS_PER_REQUEST = 500
LATER_TARGET = 0.15
PEAK_TARGET_BYTES = 60 * MIB  # above a Python that has imported boto3


class Sent(NamedTuple):
    """One way, once."""

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
                once["zip -0, aws s3 cp"] = zip_and_copy(bench, aws, first, aws_command=aws_command)
                if number == 0:  # it takes minutes
                    once["aws s3 sync"] = sync(bench, aws, first, aws_command=aws_command)
                for way, each in once.items():
                    sent.setdefault(way, []).append(each)
        return report(sent, tub_bytes=count_bytes(first), boto3_bytes=boto3_bytes)
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
    """The whole command, and again when the car has driven on. The jobs wait for a machine for ever."""
    aws.reset()
    aws.set(phase_s={"Starting": 1e6}, quotas={"ml.m5.xlarge for training job usage": 2})
    for generation in ("dk53", "dk54"):  # so that no wheels travel, which belong to no tub
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
    """Runs the commands one after the other, and counts what S3 got meanwhile."""
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


def report(sent: Dict[str, List[Sent]], *, tub_bytes: int, boto3_bytes: int) -> Measured:
    seconds = {way: statistics.median(each.seconds for each in runs) for way, runs in sent.items()}
    ours, later = sent["ours"][0], sent["ours, 10% more"][0]
    peak_bytes = max(each.peak_bytes for each in sent["ours"])
    tub = f"{RECORDS:,} records of {tub_bytes / MIB:.0f} MiB"
    rows = [
        Row(
            what=f"first upload, {tub}, against one file",
            ours="{:.1f} s".format(seconds["ours"]),
            theirs="{:.1f} s (zip -0, aws s3 cp)".format(seconds["zip -0, aws s3 cp"]),
            ratio=seconds["ours"] / seconds["zip -0, aws s3 cp"],
            target=f"at most {ZIP_TARGET}",
            met=seconds["ours"] <= ZIP_TARGET * seconds["zip -0, aws s3 cp"],
            how="`donkey-sagemaker train --detach` from start to exit, which checks the records and the "
            "account, sends the job's own files too and launches it, against the two commands one "
            "after the other; S3 and the rest of AWS are a stand-in on loopback; medians of {}.".format(
                len(sent["ours"])
            ),
        ),
        Row(
            what=f"first upload, {tub}, against its files",
            ours="{:.1f} s".format(seconds["ours"]),
            theirs="{:.1f} s (aws s3 sync)".format(seconds["aws s3 sync"]),
            ratio=seconds["ours"] / seconds["aws s3 sync"],
            target=f"at most {SYNC_TARGET}",
            met=seconds["ours"] <= SYNC_TARGET * seconds["aws s3 sync"],
            how="The same runs against one `aws s3 sync` of the tub's folder.",
        ),
        Row(
            what="requests to S3 for it",
            ours=str(ours.requests),
            theirs="{:,} (aws s3 sync)".format(sent["aws s3 sync"][0].requests),
            ratio=ours.requests / sent["aws s3 sync"][0].requests,
            target=f"under 1 for {RECORDS_PER_REQUEST} records",
            met=ours.requests * RECORDS_PER_REQUEST < RECORDS,
            how="All that the same command asks of S3: a look at the bucket, its list, the shards, the job's "
            "own files.",
        ),
        Row(
            what="peak memory of it",
            ours=f"{peak_bytes / MIB:.1f} MiB",
            theirs=f"{boto3_bytes / MIB:.1f} MiB (import boto3)",
            ratio=peak_bytes / boto3_bytes,
            target=f"at most {PEAK_TARGET_BYTES / MIB:.0f} MiB more",
            met=peak_bytes - boto3_bytes <= PEAK_TARGET_BYTES,
            how="The largest resident size of the same command over all runs, against that of "
            "`python -c 'import boto3'`; what is more are boto3's clients and up to four shards.",
        ),
        Row(
            what=f"bytes sent after {LATER_RECORDS - RECORDS} more records",
            ours=f"{later.bytes / MIB:.1f} MiB",
            theirs=f"{ours.bytes / MIB:.1f} MiB (the first time)",
            ratio=later.bytes / ours.bytes,
            target=f"under {LATER_TARGET}",
            met=later.bytes < LATER_TARGET * ours.bytes,
            how="The same command with the same tub, in which the car has driven on.",
        ),
    ]
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
    return Measured(
        rows, [Details("Each upload", ("way", "seconds", "requests to S3", "MiB sent", "peak MiB"), lines)]
    )
