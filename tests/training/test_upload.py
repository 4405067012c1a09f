"""Packing and uploading as sagemaker-train does them, before a job is launched."""

import collections
import json
import os
import shutil
import sys

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.cloud.errors import NotAllowed
from donkey_sagemaker.cloud.request import JobKeys
from donkey_sagemaker.local.backend import LocalCloud
from donkey_sagemaker.training.disk import NEEDED_BYTES, DiskFull
from donkey_sagemaker.training.plan import read_tubs
from donkey_sagemaker.training.upload import DamagedShard, WrongTypeForTub, upload_shards
from donkey_sagemaker.ui import PlainUi
from tub_factory import make_record_v2, make_v2

IMU = {f"imu/{sensor}_{axis}": 0.5 for sensor in ("acl", "gyr") for axis in "xyz"}
BEHAVIOR = {"behavior/one_hot_state_array": [1.0, 0.0]}
LOCATION = {"localizer/location": 3}


@pytest.fixture
def upload(tmp_path):
    """A function that uploads a tub for a model of this type; every record has these fields as well."""
    car_path = tmp_path / "mycar"
    car_path.mkdir()
    (car_path / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\n")
    car = open_car(str(car_path), flags={})
    cloud = LocalCloud(str(tmp_path / "local"), python=sys.executable)

    def upload_tub(model_type, fields, *, dry_run=False):
        lines = {index: json.dumps(make_record_v2(index, **fields)).encode() for index in range(3)}
        make_v2(car_path / "data", 3, lines=lines)
        return upload_shards(
            car,
            cloud,
            PlainUi(),
            JobKeys(cloud.bucket, "donkeycar", "donkey-1"),
            read_tubs(car, None),
            model_type=model_type,
            dry_run=dry_run,
        )

    upload_tub.cloud = cloud
    return upload_tub


class GuardedCloud(LocalCloud):
    """Like a bucket in which nobody may replace a shard."""

    def put(self, key, body, *, once=False):
        if not once and key in self.list_objects(key):
            raise NotAllowed("no", "", code="AccessDenied")
        super().put(key, body, once=once)


def test_a_shard_that_cannot_be_replaced(upload):
    """No car put it there, and no car can delete it: the message says who can."""
    sha256, *_ = upload("linear", {}).sha256s
    key = f"donkeycar/shards/{sha256}.zip"
    size = upload.cloud.list_objects(key)[key]
    upload.cloud.put(key, b"")
    upload.cloud.__class__ = GuardedCloud
    with pytest.raises(DamagedShard) as caught:
        upload("linear", {})
    assert caught.value.what == (
        f"s3://local/{key} is damaged: it has 0 bytes instead of {size}, and only an administrator of the "
        "AWS account can delete it [AccessDenied]."
    )
    assert caught.value.fix.endswith(f"`aws s3 rm s3://local/{key}`.")
    upload.cloud.__class__ = LocalCloud
    assert upload("linear", {}).bytes_by_key == {key: size}


@pytest.mark.parametrize(
    "model_type, fields", [("linear", {}), ("imu", IMU), ("behavior", BEHAVIOR), ("localizer", LOCATION)]
)
def test_a_tub_with_what_the_type_learns_from(upload, model_type, fields):
    assert upload(model_type, fields).sha256s


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "model_type, fields, missing",
    [
        ("imu", {}, ", ".join(IMU)),
        ("imu", dict(list(IMU.items())[:5]), "imu/gyr_z"),
        ("behavior", IMU, "behavior/one_hot_state_array"),
        ("localizer", BEHAVIOR, "localizer/location"),
    ],
)
def test_a_tub_that_this_type_cannot_be_trained_with(upload, model_type, fields, missing, dry_run):
    """The job would be paid for, and fail."""
    with pytest.raises(WrongTypeForTub) as caught:
        upload(model_type, fields, dry_run=dry_run)
    assert caught.value.what == (
        f"A model of type {model_type} cannot be trained with data: no record has {missing}."
    )


Usage = collections.namedtuple("Usage", "total used free")


def test_room_for_a_copy_of_the_tub_is_checked_before_it_is_packed(upload, tmp_path, monkeypatch):
    """Only on this machine, where the bucket is a folder; shards that it holds need no room again."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, NEEDED_BYTES + 500))
    with pytest.raises(DiskFull) as caught:
        upload("linear", {})
    assert caught.value.what == (
        f"The disk of {tmp_path} has 300 MB free; a training with these tubs on this machine needs 300 MB."
    )
    assert not os.path.exists(str(tmp_path / "local"))
    assert upload("linear", {}, dry_run=True).bytes_by_key  # nothing is written
    monkeypatch.undo()
    upload("linear", {})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, NEEDED_BYTES + 500))
    assert not upload("linear", {}).bytes_by_key
