"""How much memory the system says is left, and how much a training is expected to take."""

import shutil
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")

from donkey_sagemaker.training_memory import (  # noqa: E402
    OVERHEAD_BYTES,
    PROCESS_BYTES,
    estimate_bytes,
)
from trainer.memory import available_bytes, bound_bytes, has_disk_room, has_room, peak_bytes  # noqa: E402

GB = 10**9


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_available_memory_of_a_machine(tmp_path):
    """MemAvailable counts the memory that the system could free."""
    write(tmp_path, "proc/meminfo", "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable: 5000 kB\n")
    assert available_bytes(str(tmp_path)) == 5000 * 1024


@pytest.mark.parametrize(
    "folder, limit, used, files",
    [
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        (
            "sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ],
)
def test_a_container_has_its_own_limit(tmp_path, folder, limit, used, files):
    """With both versions of control groups. The system can free cached files."""
    write(tmp_path, "proc/meminfo", "MemAvailable: 5000 kB\n")
    write(tmp_path, folder + "/" + limit, "3000\n")
    write(tmp_path, folder + "/" + used, "1200\n")
    write(tmp_path, folder + "/memory.stat", f"anon 7\n{files} 200\n")
    assert available_bytes(str(tmp_path)) == 2000
    write(tmp_path, folder + "/" + limit, "max\n")
    assert available_bytes(str(tmp_path)) == 5000 * 1024


def test_memory_is_assumed_if_the_system_does_not_report_it(tmp_path):
    """For example on Windows and macOS."""
    assert available_bytes(str(tmp_path)) == 4 * 2**30


def make_net(*outputs, weights=1000):
    layers = [SimpleNamespace(output=SimpleNamespace(shape=shape)) for shape in outputs]
    return SimpleNamespace(layers=layers, count_params=lambda: weights)


def test_pictures_go_to_the_disk_if_the_training_would_not_fit(tmp_path):
    """Everything besides the pictures needs memory, too."""
    write(tmp_path, "proc/meminfo", f"MemAvailable: {8 * GB // 1024} kB\n")
    assert has_room(5 * GB, root=str(tmp_path))
    assert not has_room(6 * GB, root=str(tmp_path))
    write(tmp_path, "dev/nvidia0", "")  # CUDA's libraries are large
    assert has_room(4 * GB, root=str(tmp_path)) and not has_room(5 * GB, root=str(tmp_path))


def test_a_disk_has_room_for_pictures_and_for_what_the_training_writes(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 * GB))
    assert has_disk_room(3 * GB) and not has_disk_room(5 * GB - 2**29)


def test_the_bound_grows_with_the_net_and_the_batch(tmp_path):
    """It includes at least each layer's output and all batches that are in memory at once."""

    def bound(batch_size, *outputs):
        batch_bytes = batch_size * 57600
        return bound_bytes(
            make_net(*outputs), batch_size=batch_size, batch_bytes=batch_bytes, root=str(tmp_path)
        )

    small = bound(128, (None, 120, 160, 3), (None, 58, 78, 24))
    of_training = 12 * 128 * (120 * 160 * 3 + 58 * 78 * 24)
    assert small > peak_bytes() + of_training
    assert bound(256, (None, 120, 160, 3), (None, 58, 78, 24)) > small + of_training
    assert bound(128, (None, 120, 160, 3), (None, 58, 78, 24), (None, 100)) > small
    write(tmp_path, "dev/nvidia0", "")
    assert bound(128, (None, 120, 160, 3), (None, 58, 78, 24)) >= small + 2**30


@pytest.mark.parametrize("model_type", ["linear", "categorical", "memory", "imu", "rnn", "3d"])
def test_the_estimate_without_a_net_is_near_that_with_one(model_type):
    """What the car computes before the job, and what the trainer computes from donkeycar's own net."""
    pytest.importorskip("donkeycar.pipeline", reason="donkeycar makes the nets")
    from trainer.pilots import make_pilot

    config = {"IMAGE_W": 320, "IMAGE_H": 240, "IMAGE_DEPTH": 3, "SEQUENCE_LENGTH": 3}
    config.update(MODEL_CATEGORICAL_MAX_THROTTLE_RANGE=0.5, MEM_DEPTH=0)
    pilot = make_pilot(model_type, config)
    picture_bytes = 320 * 240 * 3 * max(1, pilot.sequence_length)
    exact = bound_bytes(pilot.net, batch_size=128, batch_bytes=128 * picture_bytes)
    estimate = estimate_bytes(config, model_type)
    training = exact - peak_bytes() - OVERHEAD_BYTES
    assert abs(estimate - OVERHEAD_BYTES - PROCESS_BYTES - training) < 0.1 * training
