"""The request that starts a training job."""

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
GOLDEN = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "create_training_job.json"
)
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


def test_golden_requests():
    """Three complete requests are as they were last reviewed."""
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
        "the request for CreateTrainingJob has changed. If that is intended, accept it with "
        f"`{ACCEPT}=1 pytest tests/cloud/test_request.py` and review the difference in git"
    )


def test_job_name():
    """For any name of the model the job name is valid, contains the model's name, and ends with the time."""
    now = 1_700_000_000.1234
    for model in ("pilot_26-11-22_0", "mein schönes Modell.v2", "-", "x" * 200):
        name = make_job_name(model, now=now)
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name), name
    assert make_job_name("pilot_26-11-22_0", now=now) == "donkey-pilot-26-11-22-0-231114-221320-123"


def test_job_names_are_unique():
    """Two trainings that start in the same second have different names."""
    assert make_job_name("a", now=1_700_000_000.0) != make_job_name("a", now=1_700_000_000.5)


def test_manifest():
    """A job reads only its own shards, however many tubs are in the bucket."""
    assert make_manifest(KEYS, ["aa", "bb"]) == [
        {"prefix": "s3://my-bucket/donkeycar/shards/"},
        "aa.zip",
        "bb.zip",
    ]


def test_channels():
    """The channel train has a manifest, car and code have a prefix."""
    sources = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"] for channel in make()["InputDataConfig"]
    }
    assert {name: (source["S3DataType"], source["S3Uri"]) for name, source in sources.items()} == {
        "train": ("ManifestFile", "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/train.manifest"),
        "car": ("S3Prefix", "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/car/"),
        "code": ("S3Prefix", "s3://my-bucket/donkeycar/code/abc/"),
    }


def test_folder_of_a_car():
    """All that a job reads and writes is in the folder of its car, except for the shards."""
    keys = KEYS._replace(folder="blue")
    own = [keys.car("x"), keys.manifest, keys.launch, keys.checkpoints, keys.archive, keys.code("abc")]
    assert [key for key in own if not key.startswith("donkeycar/cars/blue/")] == []
    assert keys.shard("aa") == KEYS.shard("aa")
    uris = re.findall('"(s3://[^"]+)', json.dumps(make(keys=keys, image=OWN, SAGEMAKER_SPOT=True)))
    assert len(uris) == 4
    assert [uri for uri in uris if not uri.startswith("s3://my-bucket/donkeycar/cars/blue/")] == []


def test_subnets():
    """The job runs in the owner's subnets."""
    assert "VpcConfig" not in make()
    request = make(SAGEMAKER_SUBNETS=["subnet-01234567"], SAGEMAKER_SECURITY_GROUPS=["sg-01234567"])
    assert request["VpcConfig"] == {"SecurityGroupIds": ["sg-01234567"], "Subnets": ["subnet-01234567"]}


@pytest.mark.parametrize("instance_type, has_own_disk", [("ml.m5.xlarge", False), ("ml.g5.xlarge", True)])
def test_key(instance_type, has_own_disk):
    """It encrypts the archive, and the disk unless AWS does that itself."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    request = make(SAGEMAKER_KMS_KEY=key, instance_type=instance_type)
    assert request["OutputDataConfig"]["KmsKeyId"] == key
    assert request["ResourceConfig"].get("VolumeKmsKeyId") == (None if has_own_disk else key)
    assert "KmsKeyId" not in json.dumps(make(instance_type=instance_type))


def test_no_double_slashes():
    """SageMaker would fail with "illegal char sub-sequence"."""
    assert "//" not in json.dumps(make()).replace("s3://", "")


def test_hyperparameters():
    """Each value is a JSON text; the images of 2018 need with_slide and sagemaker_region."""
    request = make(SAGEMAKER_SLIDE=2, SAGEMAKER_MIN_THROTTLE=0.1, SAGEMAKER_HYPERPARAMETERS={"depth": "deep"})
    assert request["HyperParameters"] == {
        "autopilot": '"skip"',
        "camera": '{"fov_deg": 100.0, "height_m": 0.15, "pitch_deg": 20.0}',
        "depth": '"deep"',
        "driving_proof": "true",
        "floor_throttle": "null",
        "lane_m": "0.7",
        "min_throttle": "0.1",
        "recipe": '"donkeycar"',
        "sagemaker_region": '"eu-west-1"',
        "seed": "1",
        "takeover_weight": "3",
        "turning_radius_m": "null",
        "validation": '"frames"',
        "with_slide": "2",
    }


def test_region_in_the_hyperparameters():
    """It is the setting, or the image's region; a local job has none."""
    local = Image("local", stock=True)
    regions = [
        make(image=image, SAGEMAKER_REGION=region)["HyperParameters"]["sagemaker_region"]
        for image, region in ((OWN, "us-east-1"), (OWN, None), (local, None))
    ]
    assert regions == ['"us-east-1"', '"eu-west-1"', '"local"']


def test_entry_point_is_for_stock_images():
    """All other images have a `train` program of their own."""
    request = make(image=OWN)
    assert "ContainerEntrypoint" not in request["AlgorithmSpecification"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "car"]


def test_stock_image_needs_the_trainer():
    """Without code_prefix the caller forgot to upload the trainer."""
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


def test_starter_runs_the_trainer():
    """AWS's script for GPUs runs its arguments."""
    request = make(image=STOCK._replace(starter="/usr/local/bin/entrypoint.sh"))
    assert request["AlgorithmSpecification"]["ContainerEntrypoint"] == [
        "/usr/local/bin/entrypoint.sh",
        "python3",
        "/opt/ml/input/data/code/trainer.pyz",
    ]


def test_volume():
    """An instance with its own NVMe drive gets no volume."""
    sizes = [
        make(instance_type=name, SAGEMAKER_VOLUME_GB=50)["ResourceConfig"].get("VolumeSizeInGB")
        for name in ("ml.m5.xlarge", "ml.g5.xlarge")
    ]
    assert sizes == [50, None]


def test_spot_job():
    """It may be interrupted, so it writes checkpoints to the bucket and waits for another instance."""
    request = make(SAGEMAKER_SPOT=True, SAGEMAKER_MAX_RUNTIME_S=3600)
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7 * 3600}
    assert request["CheckpointConfig"] == {
        "S3Uri": "s3://my-bucket/donkeycar/jobs/donkey-pilot-1/checkpoints",
        "LocalPath": "/opt/ml/checkpoints",
    }


def test_several_machines():
    """AWS starts them again if one of them breaks, so they have checkpoints without being spot machines."""
    request = make(SAGEMAKER_INSTANCE_COUNT=3)
    assert request["ResourceConfig"]["InstanceCount"] == 3
    assert request["CheckpointConfig"] == make(SAGEMAKER_SPOT=True)["CheckpointConfig"]
    assert request["StoppingCondition"] == make()["StoppingCondition"]


def test_on_demand_job():
    """It has no checkpoints and no wait time, which AWS would reject."""
    request = make()
    assert request["EnableManagedSpotTraining"] is False
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 4 * 3600}
    assert "CheckpointConfig" not in request


@pytest.mark.parametrize("loss", [0.25, 1e-9, 1.5e12, float("nan"), float("inf"), 0.0])
def test_metrics(loss):
    """Each regular expression finds its number in the progress line, or in that about the drive."""
    progress = contract.Progress(
        epoch=3, epochs=100, loss=loss, val_loss=loss + 1, best_val_loss=loss + 2, images=800, seconds=1.25
    )
    lines = "\n2026-11-22T10:00:00 ".join(
        ["", contract.format_progress(progress), contract.format_driving(loss, 0.5)]
    )
    found = {
        metric["Name"]: re.findall(metric["Regex"], lines)
        for metric in make()["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == {
        "epoch": ["3"],
        "loss": [f"{loss:.6g}"],
        "val_loss": [f"{loss + 1:.6g}"],
        "best_val_loss": [f"{loss + 2:.6g}"],
        "seconds": ["1.250"],
        "times_off_per_100_m": [f"{loss:.6g}"],
        "driving_loss": [f"{loss + 0.5:.6g}"],
    }


def test_metrics_ignore_other_lines():
    """Keras prints losses too."""
    line = "16/16 - 1s - loss: 0.3 - val_loss: 0.4 loss=0.3 val_loss=0.4 seconds=2"
    metrics = make()["AlgorithmSpecification"]["MetricDefinitions"]
    assert [metric["Name"] for metric in metrics if re.search(metric["Regex"], line)] == []


def test_tags():
    """Any name of a car or model becomes a valid tag; SAGEMAKER_TAGS take precedence."""
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


def test_key_of_the_archive():
    """SageMaker writes to <S3OutputPath>/<job>/output/model.tar.gz."""
    assert (
        KEYS.uri(KEYS.archive)
        == make()["OutputDataConfig"]["S3OutputPath"] + "/donkey-pilot-1/output/model.tar.gz"
    )
