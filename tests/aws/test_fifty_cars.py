"""A club whose cars all want to train at once, on four instances: in turn, once each, with its own log."""

import re
import statistics
import threading
import time

import boto3
import pytest

from donkey_sagemaker.aws.service_jobs import is_known
from donkey_sagemaker.cloud.job_queue import make_queued_name

pytestmark = [
    pytest.mark.longest,
    pytest.mark.skipif(
        not is_known(
            boto3.Session().client("batch", region_name="eu-west-1").meta.service_model.operation_names
        ),
        reason="boto3 does not know service jobs",
    ),
]
CARS, INSTANCES = 50, 4
SPEED = 30  # of the stand-in's clock
JOB_S = 30  # of that clock, before the container starts


@pytest.fixture
def has_queue(administrator):
    assert administrator.types("setup", f"--job-queue={INSTANCES}") == 0, administrator.err


def test_fifty_cars_share_four_instances(aws, has_queue, open_cloud, request_for, own_image):
    aws.image(own_image, command=["/bin/sh", "-c", 'echo "hello from $TRAINING_JOB_NAME"'])
    aws.set(phase_s={"Starting": JOB_S}, quotas={"ml.m5.xlarge for training job usage": INSTANCES})
    names = [make_queued_name(f"car{number}", now=1.8e9 + number) for number in range(CARS)]
    requests = [request_for(name) for name in names]
    clouds = [open_cloud(job_queue="donkey-sagemaker", folder=f"car{number}") for number in range(CARS)]
    submitted, ended, problems = [0.0] * CARS, {}, []
    together = threading.Barrier(CARS)

    def race(number):
        try:
            cloud, name = clouds[number], names[number]
            together.wait()
            cloud.start_job(requests[number])
            submitted[number] = cloud.describe_job(name).created
            if together.wait() == 0:  # all are in the queue
                aws.speed(SPEED)
            while True:
                state = cloud.describe_job(name)
                if not state.is_running:
                    break
                time.sleep(1)
            assert (state.name, state.status) == (name, "Completed"), state.failure_reason
            (line,) = cloud.open_log(name).read()
            assert re.fullmatch(f"hello from AWSBatch{name}[0-9a-f]{{32}}", line)
            ended[number] = state
        except BaseException as error:  # noqa: BLE001 - raised again below
            problems.append(error)  # first: the others then fail as well
            together.abort()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(CARS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    found = aws.client("sagemaker").list_training_jobs(NameContains="AWSBatchdonkey-", MaxResults=100)
    jobs = found["TrainingJobSummaries"]
    assert len(jobs) == CARS == len(ended)

    spans = [(job["CreationTime"].timestamp(), job["TrainingEndTime"].timestamp()) for job in jobs]
    at_once = [sum(one <= begun < end for one, end in spans) for begun, _ in spans]
    assert max(at_once) == INSTANCES
    came = [submitted[number] for number in range(CARS)]
    started = [ended[number].training_started for number in range(CARS)]
    for one in range(CARS):
        later = [other for other in range(CARS) if came[other] > came[one]]
        # Those that start together may do so in any order
        assert sum(started[other] < started[one] for other in later) < INSTANCES
    waits = [start - arrival for arrival, start in zip(came, started)]
    print(f"{CARS} cars: waited {statistics.median(waits):.0f} s, the last one {max(waits):.0f} s")
