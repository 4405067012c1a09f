"""The download of a model onto a disk with little room."""

import collections
import errno
import os
import shutil

import pytest

from donkey_sagemaker.car.archive import Artifact
from donkey_sagemaker.cloud.request import JobKeys
from donkey_sagemaker.driving import Driving, describe_driving
from donkey_sagemaker.training.disk import DiskFull, removed_when_full
from donkey_sagemaker.training.download import download_archive, report_training
from donkey_sagemaker.ui import PlainUi

KEYS = JobKeys("bucket", "donkeycar", "donkey-1")
BYTES = 50 * 10**6
Usage = collections.namedtuple("Usage", "total used free")


class HoldsAnArchive:
    """A cloud with one archive, whose download fails in the middle if the disk becomes full."""

    def __init__(self, error=None):
        self.error = error

    def list_objects(self, prefix):
        return {prefix: BYTES}

    def download(self, key, path, *, advance):
        with open(path + ".part", "wb") as file:
            file.write(b"half")
        if self.error:
            raise self.error
        os.rename(path + ".part", path)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "incoming" / "donkey-1")


def test_too_little_room_is_found_before_the_download(folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 3 * BYTES - 1))
    with pytest.raises(DiskFull) as caught, removed_when_full(folder):
        download_archive(HoldsAnArchive(), PlainUi(), KEYS, folder)
    assert "has 150 MB free; a new model needs 150 MB" in caught.value.what
    assert not os.path.exists(folder)


def test_what_has_arrived_counts(folder, monkeypatch):
    """A download that continues does not need that room again."""
    os.makedirs(folder)
    with open(os.path.join(folder, "model.tar.gz.part"), "wb") as file:
        file.write(b"x" * 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 3 * BYTES - 1000))
    assert os.path.isfile(download_archive(HoldsAnArchive(), PlainUi(), KEYS, folder))


def test_a_part_does_not_keep_the_disk_full(folder):
    """The car has to be driven with the model that it has."""
    error = OSError(errno.ENOSPC, "full")
    with pytest.raises(OSError, match="full"), removed_when_full(folder):
        download_archive(HoldsAnArchive(error), PlainUi(), KEYS, folder)
    assert not os.path.exists(folder)


def test_a_part_survives_everything_else(folder):
    """The next attempt continues with it."""
    with pytest.raises(KeyboardInterrupt), removed_when_full(folder):
        download_archive(HoldsAnArchive(KeyboardInterrupt()), PlainUi(), KEYS, folder)
    assert os.path.exists(os.path.join(folder, "model.tar.gz.part"))


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("where", ["", "model.tar.gz.part", "unpacked"])
def test_nothing_is_downloaded_through_a_link(folder, tmp_path, where):
    """Or next to what an earlier download did not leave."""
    outside = tmp_path / "outside"
    outside.mkdir()
    os.makedirs(folder if where else os.path.dirname(folder))
    os.symlink(str(outside), os.path.join(folder, where) if where else folder)
    download_archive(HoldsAnArchive(), PlainUi(), KEYS, folder)
    assert os.listdir(folder) == ["model.tar.gz"] and not os.path.islink(folder)
    assert os.listdir(str(outside)) == []


def test_how_it_drives_is_printed(capsys):
    """After the losses, if the model drove along its tub."""
    metrics = {"epochs": 12, "best_epoch": 9, "seconds": 200.0, "val_loss": 0.0312}
    driving = Driving(200.0, 5, 0.064, lane_m=0.7, latency_frames=2, held_out=True, starts=96, places=[])
    values = dict(driving._asdict(), places=[])
    artifact = Artifact([], None, None, None, [], {}, [], {}, {}, metrics, {}, driving=values)
    report_training(PlainUi(), artifact._replace(driving={}))
    assert "On your own tub" not in capsys.readouterr().out
    report_training(PlainUi(), artifact)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Trained 12 epochs in ")
    assert second == describe_driving(driving)
