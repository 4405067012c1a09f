"""The training job as SageMaker takes it."""

import json
import re

from donkey_sagemaker.car.config import CarConfig
from donkey_sagemaker.cloud.request import JobKeys, make_job_name, make_manifest, make_request
from donkey_sagemaker.settings import make_settings

KEYS = JobKeys("my-bucket", "donkeycar", "donkey-pilot-1")


def make(**values):
    config = CarConfig(values, dict.fromkeys(values, "myconfig.py"))
    return make_request(
        KEYS,
        make_settings({}, config),
        image="an-image",
        role_arn="a-role",
        trainer_sha256="abc",
        tags={"model": "pilot"},
    )


def test_job_names_keep_to_sagemakers_pattern():
    """Whatever the model is called, the name is allowed, tells the model, and ends with the time."""
    now = 1_700_000_000.1234
    for model in ("pilot_26-11-22_0", "mein schönes Modell.v2", "-", "x" * 200):
        name = make_job_name(model, now=now)
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name), name
    assert make_job_name("pilot_26-11-22_0", now=now) == "donkey-pilot-26-11-22-0-231114-221320-123"


def test_job_names_of_one_second_differ():
    """Two trainings started at once are two jobs."""
    assert make_job_name("a", now=1_700_000_000.0) != make_job_name("a", now=1_700_000_000.5)


def test_the_manifest_names_the_shards_one_by_one():
    """The bucket may hold every tub ever driven: a job reads its own shards alone."""
    assert make_manifest(KEYS, ["aa", "bb"]) == [
        {"prefix": "s3://my-bucket/donkeycar/shards/"},
        "aa.zip",
        "bb.zip",
    ]


def test_the_channels_are_those_of_the_contract():
    """train by manifest, car and code by prefix."""
    sources = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"] for channel in make()["InputDataConfig"]
    }
    assert {name: (source["S3DataType"], source["S3Uri"]) for name, source in sources.items()} == {
        "train": ("ManifestFile", "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/train.manifest"),
        "car": ("S3Prefix", "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/car/"),
        "code": ("S3Prefix", "s3://my-bucket/donkeycar/code/abc/"),
    }


def test_no_key_holds_a_double_slash():
    """SageMaker fails on them with "illegal char sub-sequence"."""
    assert "//" not in json.dumps(make()).replace("s3://", "")


def test_hyperparameters_carry_the_settings_and_the_owners_own():
    """Each value is JSON text; the seed's images find with_slide and sagemaker_region."""
    request = make(SAGEMAKER_SLIDE=2, SAGEMAKER_MIN_THROTTLE=0.1, SAGEMAKER_HYPERPARAMETERS={"depth": "deep"})
    assert request["HyperParameters"] == {
        "depth": '"deep"',
        "floor_throttle": "null",
        "min_throttle": "0.1",
        "sagemaker_region": '"local"',
        "seed": "1",
        "with_slide": "2",
    }


def test_the_archives_key_is_where_sagemaker_puts_it():
    """<S3OutputPath>/<job>/output/model.tar.gz"""
    assert (
        KEYS.uri(KEYS.archive)
        == make()["OutputDataConfig"]["S3OutputPath"] + "/donkey-pilot-1/output/model.tar.gz"
    )
