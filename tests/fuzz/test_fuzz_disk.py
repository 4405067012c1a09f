"""A model is installed on disks of every size: the old one stays, and nothing keeps the disk full."""

import os
import random
import subprocess

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from donkey_sagemaker.training import download
from fuzz_car import ARCHIVE, JOB, STATE, artifact, listed, members, pack, patch_checks, write, write_car
from fuzz_car import FuzzPlace as Place
from fuzzing import needs_fence

pytestmark = [
    pytest.mark.minutes,
    needs_fence,
    pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can mount a disk"),
]
SIZES_KB = range(0, 1000, 55)
PLOT = b"\x89PNG\r\n\x1a\n" + bytes(random.Random(1).getrandbits(8) for _ in range(200000))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A car on a disk of its own, with an archive that has to be installed."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]):
        pytest.skip("this machine mounts no disks")
    try:
        with patch_checks() as patch:
            place = Place(folder, lambda path: write_car(path, home=folder / "home" / "mycar"))
            patch.setattr("tempfile.tempdir", place.temporary)
            yield place
    finally:
        subprocess.check_call(["umount", str(folder)])


@pytest.mark.parametrize("is_checked", [True, False], ids=["checked before", "found when writing"])
def test_every_size(small, is_checked, monkeypatch):
    """Every step meets a full disk; afterwards the same command installs the model."""
    if not is_checked:  # as if another program filled the disk meanwhile
        monkeypatch.setattr(download, "_UNPACKED_FACTOR", 0)
    full = 0
    for kilobytes in SIZES_KB:
        small.reset()
        values = artifact()
        values["files"].append(listed("loss.png", PLOT, "plot"))
        archive = pack(members(artifact_of=values, more=[("loss.png", PLOT)]))
        write(small.car, ARCHIVE, archive)
        filler = leave(small, kilobytes * 1000)
        code, _, errors = small.run("train", "--attach")
        small.check_models()
        incoming = small.car / STATE / "incoming" / JOB
        if code:
            full += 1
            assert " free in " in errors or " free; a new model needs " in errors, errors
            assert not small.is_installed() and not (small.car / "models" / "pilot.png").exists()
            assert not incoming.exists()
        os.remove(filler)
        if code:
            assert small.run("train", "--attach")[0] == 0
        assert small.is_installed() and not incoming.exists()
    assert 3 < full < len(SIZES_KB)


def leave(place, free_bytes):
    """Fills the disk up to that; returns the path of the file that does."""
    path = str(place.car / "filler")
    with open(path, "wb") as file:
        status = os.statvfs(path)
        file.write(b"x" * max(0, status.f_bavail * status.f_frsize - free_bytes))
    return path
