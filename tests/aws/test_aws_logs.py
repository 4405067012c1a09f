"""The logs of jobs on AWS: late, in pages, in several streams, and with tokens that expire."""

import sys

import pytest

from aws_cloud import JOB, error_message
from donkey_sagemaker.cloud.errors import NotAllowed
from stand_in_jobs import wait_for

PRINT_LINES = "for i in $(seq 25); do echo line $i; done; echo; echo '\ttabbed'"

LINES = [f"line {number}" for number in range(1, 26)] + ["", "\ttabbed"]


def test_no_log_yet(cloud):
    """Before an account's first job there is no log group: the log is empty, and that is no error."""
    assert cloud.open_log(JOB).read() == []


@pytest.mark.parametrize("empty_pages", [False, True])
def test_log_has_several_pages(empty_pages, aws, cloud, request_for, own_image):
    """The log is read to the end, even if every other page is empty."""
    aws.set(log_page_events=4, log_empty_pages=empty_pages)
    aws.image(own_image, command=["/bin/sh", "-c", PRINT_LINES])
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    log = cloud.open_log(JOB)
    assert [line for line in log.read() if line] == [line for line in LINES if line]
    assert log.read() == []


def test_late_lines(aws, cloud, request_for):
    """Lines that appear after the job has ended are read, each of them once."""
    aws.set(log_delay_s=20)
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    log = cloud.open_log(JOB)
    assert log.read() == []
    aws.advance(21)
    assert log.read() == ["hello from train"]
    assert log.read() == []


def test_log_of_several_instances(aws, cloud, request_for):
    """Each instance has a stream; those of a job whose name starts the same are not read."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 20}, log_page_streams=2)
    cloud.start_job(request_for(instance_count=5))
    cloud.start_job(request_for(JOB + "2"))
    for name in (JOB, JOB + "2"):
        aws.wait_for_job(name)
    assert cloud.open_log(JOB).read() == ["hello from train"] * 5
    assert len(aws.requests("logs", "GetLogEvents")) == 2 * 5


PRINTS_AT_ITS_END = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("second")))
print("first")
signal.pause()
"""


def expire_token(aws):
    """Makes AWS reject the next token, as it does after a day."""
    aws.fault(
        "error",
        operation="GetLogEvents",
        status=400,
        code="InvalidParameterException",
        message="The specified nextToken is invalid.",
    )


def test_expired_token(aws, cloud, request_for):
    """After a day without network the token has expired, but no line is read twice."""
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)
    log = cloud.open_log(JOB)
    assert log.read() == ["hello from train"]
    expire_token(aws)
    assert log.read() == []
    assert len(aws.requests("logs", "GetLogEvents")) == 5  # to the end, rejected, and to the end again


def test_new_lines_after_an_expired_token(aws, cloud, request_for, own_image):
    """The stream is read again from its beginning, but only what is new is returned."""
    aws.image(own_image, command=[sys.executable, "-u", "-c", PRINTS_AT_ITS_END])
    cloud.start_job(request_for())
    log = cloud.open_log(JOB)
    assert wait_for(log.read) == ["first"]
    expire_token(aws)
    cloud.stop_job(JOB)
    aws.wait_for_job(JOB)
    assert log.read() == ["second"]
    assert log.read() == []


def test_failed_read_loses_nothing(aws, cloud, request_for):
    """If one of several streams cannot be read, the next call returns the lines of all of them."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 20})
    cloud.start_job(request_for(instance_count=3))
    aws.wait_for_job(JOB)
    log = cloud.open_log(JOB)
    aws.fault("error", operation="GetLogEvents", skip=4, status=400, code="AccessDeniedException")
    error_message(NotAllowed, log.read)
    assert log.read() == ["hello from train"] * 3
    assert log.read() == []
