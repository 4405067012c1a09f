"""sagemaker-train with a job queue, on the AWS stand-in: it waits for its turn, and finds its job again."""

import json
import re
import threading

import boto3
import pytest

from aws_owner import TRAIN, is_installed
from donkey_sagemaker.aws import connection
from donkey_sagemaker.aws.service_jobs import is_known
from donkey_sagemaker.car.config import read_config
from stand_in_jobs import make_request, wait_for

pytestmark = pytest.mark.skipif(
    not is_known(boto3.Session().client("batch", region_name="eu-west-1").meta.service_model.operation_names),
    reason="boto3 does not know service jobs",
)
QUEUE = "donkey-sagemaker"


@pytest.fixture
def waiting_owner(newcomer, aws, image, container):
    """The owner of a car with a queue for one instance, which another job uses until the clock is advanced.

    In the end, the car has submitted one job, and trained once.
    """
    assert newcomer.types("setup", "--job-queue=1") == 0, newcomer.err
    assert read_config(str(newcomer.path)).values["SAGEMAKER_JOB_QUEUE"] == QUEUE
    image()
    container("")
    aws.set(phase_s={"Starting": 1000})
    aws.client("batch").submit_service_job(
        jobName="donkey-other",
        jobQueue=QUEUE,
        serviceJobType="SAGEMAKER_TRAINING",
        shareIdentifier="other",
        serviceRequestPayload=json.dumps(make_request(aws, "donkey-other")),
    )
    wait_for(lambda: training_jobs(aws, "donkey-other"))
    yield newcomer
    submitted = [each for each in aws.requests("batch", "SubmitServiceJob") if each["status"] == 200]
    assert len(training_jobs(aws)) == len(submitted) - 1 == 1


def end_the_other_job(aws):
    """As soon as the car has read that it is the next one."""
    batch = aws.client("batch")
    wait_for(lambda: batch.get_job_queue_snapshot(jobQueue=QUEUE)["frontOfQueue"]["jobs"])
    count = len(aws.requests("batch", "GetJobQueueSnapshot"))
    wait_for(lambda: len(aws.requests("batch", "GetJobQueueSnapshot")) > count)
    aws.set(phase_s={"Starting": 0})
    aws.advance(1000)


def training_jobs(aws, part="donkey-pilot-q"):
    """The names of the training jobs that Batch has started."""
    found = aws.client("sagemaker").list_training_jobs(NameContains="AWSBatch" + part)
    return [each["TrainingJobName"] for each in found["TrainingJobSummaries"]]


def test_the_turn_of_a_car(waiting_owner, aws):
    """It shows its place, trains when the other job has ended, and installs its model."""
    owner = waiting_owner
    thread = threading.Thread(target=end_the_other_job, args=(aws,))
    thread.start()
    assert owner.types(*TRAIN) == 0, owner.err
    thread.join()
    assert re.search(r"^Job donkey-pilot-q\w{8} is in the queue donkey-sagemaker on AWS", owner.out, re.M)
    assert "State: Waiting: 1st of 1 in the queue donkey-sagemaker\nState: " in owner.out, owner.out
    assert is_installed(owner)


def test_a_crash_after_the_submission(waiting_owner, aws, monkeypatch):
    """The ledger knew of the job first: the same command finds it in the queue, and nothing trains twice.

    Its training job has another name, with which --attach finds it as well.
    """
    owner = waiting_owner
    monkeypatch.setattr(connection, "DEFAULT_TIMING", connection.Timing(pauses_s=(0.01, 0.01)))
    aws.fault("lose_response", operation="SubmitServiceJob")
    aws.fault("refuse", operation="ListServiceJobs", skip=1, times=30)
    assert owner.types(*TRAIN) == 3
    assert "may have been started: the same command finds out and attaches to it." in owner.err
    aws.clear_faults()
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    (name,) = re.findall(r"^Job (\S+) already trains exactly this: attaching to it$", owner.out, re.M)
    assert owner.types("jobs") == 0 and re.search(rf"^{name} +waiting ", owner.out, re.M)
    aws.set(phase_s={"Starting": 0})
    aws.advance(1000)
    (training_job,) = wait_for(lambda: training_jobs(aws))
    assert owner.types("train", f"--attach={training_job}") == 0, owner.err
    assert owner.out.startswith(f"Job {name}\n") and is_installed(owner)
