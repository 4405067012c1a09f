"""The training job as SageMaker takes it."""

import json
import os
import re

import pytest

from donkey_sagemaker import contract
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.request import JobKeys, make_job_name, make_manifest, make_request
from donkey_sagemaker.settings import make_settings

KEYS = JobKeys("my-bucket", "donkeycar", "donkey-pilot-1")
OWN = Image("123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu", stock=False)
STOCK = Image("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21-cpu", stock=True)
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "create_training_job.json")
ACCEPT = "DONKEY_ACCEPT"


def make(*, keys=KEYS, image=STOCK, instance_type="ml.m5.xlarge", tags=None, **values):
    return make_request(
        keys,
        make_settings({}, values, dict.fromkeys(values, "myconfig.py")),
        instance_type=instance_type,
        image=image,
        role_arn="arn:aws:iam::123456789012:role/donkey-training",
        code_prefix="donkeycar/code/abc/" if image.stock else None,
        tags={"model": "pilot"} if tags is None else tags,
    )


def test_the_golden_record():
    """Three whole requests, as they were last looked at and found right: what is sent changes knowingly."""
    requests = {
        "stock image": make(tags={"car": "mycar", "model": "pilot", "donkey-sagemaker": "1.0.0"}),
        "stock image, GPU, spot": make(
            image=STOCK._replace(starter="/usr/local/bin/entrypoint.sh"),
            instance_type="ml.g4dn.xlarge",
            SAGEMAKER_SPOT=True,
            SAGEMAKER_REGION="eu-west-1",
        ),
        "own image, warm pool": make(
            image=OWN,
            SAGEMAKER_KEEP_ALIVE_S=600,
            SAGEMAKER_NETWORK_ISOLATION=True,
            SAGEMAKER_INSTANCE_COUNT=2,
            SAGEMAKER_TAGS={"team": "blue"},
        ),
    }
    text = json.dumps(requests, indent=2, sort_keys=True) + "\n"
    if os.environ.get(ACCEPT):
        with open(GOLDEN, "w") as file:
            file.write(text)
    with open(GOLDEN) as file:
        accepted = file.read()
    assert text == accepted, (
        "what is sent to CreateTrainingJob has changed. If that is meant, accept it with "
        f"`{ACCEPT}=1 pytest tests/test_request.py` and read the difference in git"
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
        "sagemaker_region": '"eu-west-1"',
        "seed": "1",
        "with_slide": "2",
    }


def test_the_region_told_to_the_container():
    """The setting, else that of the image, which is the job's; there is none on this machine."""
    local = Image("local", stock=True)
    told = [
        make(image=image, SAGEMAKER_REGION=region)["HyperParameters"]["sagemaker_region"]
        for image, region in ((OWN, "us-east-1"), (OWN, None), (local, None))
    ]
    assert told == ['"us-east-1"', '"eu-west-1"', '"local"']


def test_only_a_stock_image_is_told_what_to_run():
    """Our own images and foreign ones answer `train` and hold their trainer."""
    request = make(image=OWN)
    assert "ContainerEntrypoint" not in request["AlgorithmSpecification"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "car"]


def test_a_stock_image_without_our_trainer_is_a_defect():
    """The caller forgot to send it."""
    with pytest.raises(ValueError, match="code_prefix"):
        make_request(
            KEYS,
            make_settings({}, {}, {}),
            instance_type="ml.m5.large",
            image=STOCK,
            role_arn="a-role",
            code_prefix=None,
            tags={},
        )


def test_the_starter_of_a_stock_image_runs_the_trainer():
    """AWS's own script for GPUs executes its arguments."""
    request = make(image=STOCK._replace(starter="/usr/local/bin/entrypoint.sh"))
    assert request["AlgorithmSpecification"]["ContainerEntrypoint"] == [
        "/usr/local/bin/entrypoint.sh",
        "python3",
        "/opt/ml/input/data/code/trainer.pyz",
    ]


def test_a_volume_is_asked_for_where_the_machine_has_no_disk():
    """A machine with NVMe of its own gets no other."""
    sizes = [
        make(instance_type=name, SAGEMAKER_VOLUME_GB=50)["ResourceConfig"].get("VolumeSizeInGB")
        for name in ("ml.m5.xlarge", "ml.g5.xlarge")
    ]
    assert sizes == [50, None]


def test_a_spot_job_waits_and_keeps_checkpoints():
    """It may be interrupted: what it had learned is in the bucket, and it waits for another machine."""
    request = make(SAGEMAKER_SPOT=True, SAGEMAKER_MAX_RUNTIME_S=3600)
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7 * 3600}
    assert request["CheckpointConfig"] == {
        "S3Uri": "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/checkpoints",
        "LocalPath": "/opt/ml/checkpoints",
    }


def test_a_job_on_demand_neither_waits_nor_keeps_checkpoints():
    """AWS refuses MaxWaitTimeInSeconds there."""
    request = make()
    assert request["EnableManagedSpotTraining"] is False
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 4 * 3600}
    assert "CheckpointConfig" not in request


@pytest.mark.parametrize("loss", [0.25, 1e-9, 1.5e12, float("nan"), float("inf"), 0.0])
def test_metrics_are_read_from_the_progress_line(loss):
    """Each regex finds its own number, whatever the line holds."""
    progress = contract.Progress(
        epoch=3, epochs=100, loss=loss, val_loss=loss + 1, best_val_loss=loss + 2, images=800, seconds=1.25
    )
    line = "2026-11-22T10:00:00 " + contract.format_progress(progress)
    found = {
        metric["Name"]: re.findall(metric["Regex"], line)
        for metric in make()["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == {
        "epoch": ["3"],
        "loss": [f"{loss:.6g}"],
        "val_loss": [f"{loss + 1:.6g}"],
        "best_val_loss": [f"{loss + 2:.6g}"],
        "seconds": ["1.250"],
    }


def test_metrics_leave_other_lines_alone():
    """A line of Keras's own has losses too."""
    line = "16/16 - 1s - loss: 0.3 - val_loss: 0.4 loss=0.3 val_loss=0.4 seconds=2"
    metrics = make()["AlgorithmSpecification"]["MetricDefinitions"]
    assert [metric["Name"] for metric in metrics if re.search(metric["Regex"], line)] == []


def test_tags_hold_what_tags_may_hold():
    """Names of cars and models are the user's own; the owner's tags win."""
    request = make(
        tags={"car": "my 🚗\n", "model": "schönes-Modell_1.h5", "long": "x" * 300},
        SAGEMAKER_TAGS={"model": "mine"},
    )
    assert request["Tags"] == [
        {"Key": "car", "Value": "my __"},
        {"Key": "long", "Value": "x" * 256},
        {"Key": "model", "Value": "mine"},
    ]
    assert make(tags={"model": "schönes-Modell_1.h5"})["Tags"][0]["Value"] == "schönes-Modell_1.h5"


def test_the_archives_key_is_where_sagemaker_puts_it():
    """<S3OutputPath>/<job>/output/model.tar.gz"""
    assert (
        KEYS.uri(KEYS.archive)
        == make()["OutputDataConfig"]["S3OutputPath"] + "/donkey-pilot-1/output/model.tar.gz"
    )
