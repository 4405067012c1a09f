"""Jobs in a queue of AWS Batch: their names, whose turn it is, and what is said about it."""

import re

import pytest

from donkey_sagemaker.cloud.job_queue import (
    LONGEST_NAME,
    choose_share,
    describe_place,
    is_queued_name,
    make_queued_name,
    own_name,
    training_prefix,
)
from donkey_sagemaker.cloud.request import JobKeys, make_job_name

NOW = 1795952627.692
ATTEMPT = "9b2f08f911cf3dd794c1b3e72ae7ca5f"  # as Batch adds it


@pytest.mark.parametrize(
    "model, name",
    [
        ("pilot", "donkey-pilot-qmx1rtofg"),
        ("Pilot_26-11-29_0", "donkey-pilot-qmx1rtofg"),
        ("", "donkey-qmx1rtofg"),
        ("a-q1", "donkey-a-q1-qmx1rtofg"),
        ("日本", "donkey-qmx1rtofg"),
    ],
)
def test_names(model, name):
    """They fit into those of Batch, within SageMaker's 63 characters, and are found in them again."""
    assert make_job_name(model, now=NOW, is_queued=True) == make_queued_name(model, now=NOW) == name
    training_job = training_prefix(name) + ATTEMPT
    assert len(name) <= LONGEST_NAME == 23 and len(training_job) <= 63
    assert re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", training_job)
    assert is_queued_name(name) and own_name(training_job) == name == own_name(name)


def test_the_time_makes_a_name_unique():
    """To the millisecond, and in order until 2059."""
    times = [NOW, NOW + 0.002, NOW + 86400, 2.8e9]
    names = [make_queued_name("pilot", now=each) for each in times]
    assert names == sorted(set(names)) and {len(each) for each in names} == {22}


@pytest.mark.parametrize("name", ["donkey-pilot-261129-114347-692", "AWSBatchother" + ATTEMPT, "donkey-q"])
def test_other_names(name):
    """Those of jobs that start at once, and of other programs, are left as they are."""
    assert not is_queued_name(name) and own_name(name) == name


def test_the_model_of_a_queued_job():
    """It lies below the name of the training job; those of other jobs are not taken for it."""
    job = make_queued_name("pilot", now=NOW)
    keys = JobKeys("tubs", "donkeycar", job, "blue")
    models = "donkeycar/cars/blue/models/"
    key = f"{models}AWSBatch{job}{ATTEMPT}/output/model.tar.gz"
    assert key.startswith(keys.archives) and keys.is_archive(key)
    assert not keys.is_archive(key.replace("model.tar.gz", "output.tar.gz"))
    assert not keys.is_archive(key.replace("blue/models", "blue/jobs"))
    assert not keys.is_archive(f"{models}AWSBatch{job}-x{ATTEMPT}/output/model.tar.gz")
    plain = JobKeys("tubs", "donkeycar", "donkey-1", "blue")
    assert plain.archives == plain.archive and plain.is_archive(plain.archive)


@pytest.mark.parametrize(
    "names, share",
    [
        (["red", "blue", "mycar"], "red"),
        ([None, "blue", "mycar"], "blue"),
        ([None, None, "mycar"], "mycar"),
        ([], "donkey"),
        (["red1"], "red1"),
        (["red-1"], "red112cfb1f9"),
    ],
)
def test_shares(names, share):
    """The team, otherwise the car; two names of which Batch would make one stay two."""
    assert choose_share(*names) == share


@pytest.mark.parametrize(
    "place, jobs, text",
    [
        (1, 1, "1st of 1 in the queue q"),
        (2, 7, "2nd of 7 in the queue q"),
        (3, 7, "3rd of 7 in the queue q"),
        (11, 12, "11th of 12 in the queue q"),
        (22, 30, "22nd of 30 in the queue q"),
        (100, 100, "100th of 100 or more in the queue q"),
        (None, 100, "in the queue q, behind 100 others"),
        (None, 3, "in the queue q"),
    ],
)
def test_places(place, jobs, text):
    """Batch numbers the first hundred."""
    assert describe_place("q", place=place, jobs=jobs) == text
