"""The trainer as SageMaker runs it: a process with a /opt/ml, its signals, exit codes and output."""

import json
import os
import platform
import queue
import re
import signal
import subprocess
import sys
import threading

import pytest

from crew import free_ports
from opt_ml_factory import make_opt_ml, write
from trainer.cluster import ADDRESSES, Place, meet
from trainer_process import TRAIN_PATH, TrainerProcess

MODELS = {
    "dk22": ("categorical", [("pilot", "hdf5")]),
    "dk50": ("linear", [("pilot.savedmodel", "savedmodel")]),
    "dk53": ("linear", [("pilot.savedmodel", "savedmodel")]),
    "dk54": ("linear", [("pilot.keras", "keras")]),
}


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path, generation_python):
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([generation_python("py313"), draw, "--out", path, "--records", "48"])
    return path


@pytest.fixture(params=sorted(MODELS))
def generation(request):
    return request.param


@pytest.fixture
def python(generation, generation_python):
    return generation_python(generation)


@pytest.fixture
def make_base(tmp_path, generation, tub_path):
    def make(*, epochs, name="ml", **options):
        model_type, models = MODELS[generation]
        return make_opt_ml(
            str(tmp_path / name),
            tub_path,
            model_type=model_type,
            models=models,
            config=f"MAX_EPOCHS = {epochs}\n",
            **options,
        )

    return make


@pytest.mark.generations
def test_stopped_job_ends_with_its_best_model(python, make_base, tmp_path):
    """After SIGTERM in the middle of an epoch: exit code 0, and an archive of the completed epochs."""
    container = TrainerProcess([python, TRAIN_PATH, "train"], make_base(epochs=10000))
    container.read_until("epoch=2/10000")
    container.process.send_signal(signal.SIGTERM)
    stopper = threading.Timer(60, container.process.kill)  # SageMaker waits 120 s
    stopper.start()
    assert container.end() == 0, "\n".join(container.lines)
    stopper.cancel()
    artifact = container.unpack(tmp_path / "archive")
    assert artifact.metrics["stopped"] is True
    assert artifact.metrics["epochs"] == len(container.epochs())
    assert artifact.metrics["val_loss"] == pytest.approx(container.epochs()[-1].best_val_loss, rel=1e-4)
    assert "[donkey] Stop requested: keeping the best model so far" in container.lines
    assert {"history.json", "report.html", "tensorboard"} <= set(
        os.listdir(os.path.join(container.base, "output", "data"))
    )


@pytest.mark.generations
def test_killed_job_is_continued_by_another(python, make_base, tmp_path):
    """As on spot instances: the model so far is complete, and both jobs together train all epochs."""
    base = make_base(epochs=4, checkpoints=True)
    first = TrainerProcess([python, TRAIN_PATH], base)
    first.read_until("epoch=2/4")
    first.process.kill()
    first.end()
    artifact = first.unpack(tmp_path / "killed")
    assert artifact.metrics["epochs"] in (1, 2, 3) and len(artifact.models) == 1
    second = TrainerProcess([python, TRAIN_PATH], base)
    assert second.end() == 0, "\n".join(second.lines)
    (done,) = [line for line in second.lines if "from the checkpoint" in line]
    before = int(done.rpartition(" ")[2])
    assert before in (2, 3)
    assert [progress.epoch for progress in second.epochs()] == list(range(before + 1, 5))
    artifact = second.unpack(tmp_path / "whole")
    assert artifact.metrics["epochs"] == len(artifact.history["val_loss"]) == 4
    assert artifact.history["val_loss"][:2] == pytest.approx(
        [progress.val_loss for progress in first.epochs()[:2]], rel=1e-4
    )
    best_epoch = artifact.metrics["best_epoch"]
    assert artifact.history["val_loss"][best_epoch - 1] == min(artifact.history["val_loss"])
    assert not [name for name in os.listdir(os.path.join(base, "model")) if name.startswith("epoch-")]


@pytest.mark.generations
@pytest.mark.parametrize("generation", ["dk22", "dk54"])
def test_unusual_job(python, make_base, tmp_path):
    """Plain hyperparameters, half of a resourceconfig.json, half of a checkpoint, an image for a missing GPU.

    The job trains anyway, from the beginning and on the CPU, and output/data is complete.
    """
    base = make_base(epochs=1, checkpoints=True)
    hyperparameters = {"with_slide": "2", "sagemaker_region": "eu-west-1", "seed": "1"}
    write(base, "input/config/hyperparameters.json", json.dumps(hyperparameters).encode())
    write(base, "input/config/resourceconfig.json", b'{"current_host": "algo-1"}')
    write(base, "checkpoints/training.npz", b"PK\x03\x04 and no more")
    container = TrainerProcess([python, TRAIN_PATH, "train"], base, DONKEY_IMAGE="dk54-gpu")
    assert container.end() == 0, "\n".join(container.lines)
    for line in (
        r"Warning: this image is for a GPU and the machine has none; training on the CPU",
        r"Training on CPU, \d+ cores?",
        r"\d+ examples to train, \d+ to validate; left out: 8 no command 2 frames later",
        r"The checkpoint is ignored and training starts from the beginning: .+",
    ):
        assert [each for each in container.lines if re.fullmatch(r"\[donkey\] " + line, each)], line
    assert container.unpack(tmp_path / "archive").metrics["epochs"] == 1
    left = set(os.listdir(os.path.join(base, "output", "data")))
    assert {"history.json", "loss.png", "report.html", "tensorboard"} <= left


@pytest.mark.generations
@pytest.mark.parametrize(
    "generation, folder",
    [(name, "model") for name in MODELS] + [("dk22", "checkpoints"), ("dk54", "checkpoints")],
)
def test_full_disk(python, make_base, tmp_path, folder):
    """The cause comes first, then what to set; a model that was complete before is kept."""
    if os.getuid():
        pytest.skip("only root can mount a small disk")
    base = make_base(epochs=2, checkpoints=True)
    small = os.path.join(base, folder)
    subprocess.check_call(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small])
    try:
        container = TrainerProcess([python, TRAIN_PATH], base)
        assert container.end() == 1
    finally:
        subprocess.check_call(["umount", small])
    cause = container.failure().splitlines()[0]
    assert re.match("The disk of the training machine is full at .*ml", cause), container.failure()
    assert cause.endswith(". Set SAGEMAKER_VOLUME_GB to a larger number, or train on fewer records.")
    if folder != "model":
        artifact = container.unpack(tmp_path / "archive")
        assert len(artifact.models) == 1 and artifact.metrics["epochs"] == 1


def run(base, *arguments, **environ):
    container = TrainerProcess([sys.executable, TRAIN_PATH] + list(arguments), base, **environ)
    return container.end(), container


def test_other_command(tmp_path):
    """A command such as `serve` ends with exit code 2 and writes nothing."""
    code, container = run(str(tmp_path), "serve")
    assert code == 2
    assert container.lines == ["Unknown command: serve. This image only has `train`."]
    assert os.listdir(str(tmp_path)) == []


def test_cause_of_a_failure_reaches_the_other_instances(tmp_path):
    """Here the first instance has no job to read. The others would wait for it, billed, for ever."""
    hosts = ["algo-1", "algo-2"]
    ports = dict(zip(hosts, free_ports(2)))
    addresses = {host: f"127.0.0.1:{port}" for host, port in ports.items()}
    place = Place("algo-2", hosts)
    causes = queue.Queue()
    resources = {"current_host": "algo-1", "hosts": hosts}
    write(str(tmp_path), "input/config/resourceconfig.json", json.dumps(resources).encode())
    environ = {ADDRESSES: json.dumps(addresses)}
    container = TrainerProcess([sys.executable, TRAIN_PATH], str(tmp_path), **environ)
    crew = meet(place, causes.put, environ=environ, meet_s=60.0)
    assert container.end() == 1
    (cause, _, _) = container.failure().partition("\n")
    assert causes.get(timeout=10) == f"algo-1 failed: {cause}"
    crew.close()


def test_cause_of_a_failure_comes_first(tmp_path):
    """SageMaker keeps the first 1,024 characters of output/failure. A broken numpy makes the trainer fail."""
    write(str(tmp_path), "input/config/hyperparameters.json", b"[]")
    write(str(tmp_path), "modules/numpy.py", b"raise ImportError('libopenblas.so.0: no such file')")
    modules = os.pathsep.join([str(tmp_path / "modules")] + sys.path)
    code, container = run(str(tmp_path), PYTHONPATH=modules)
    assert code == 1
    first, second = container.failure().splitlines()[:2]
    assert (first, second) == (
        "ImportError: libopenblas.so.0: no such file",
        "Traceback (most recent call last):",
    )


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="TensorFlow's own choice there")
@pytest.mark.parametrize("environ, expected", [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_tensorflow_uses_onednn(tmp_path, environ, expected):
    """On x86 by default, unless the environment says otherwise. A broken numpy reports the variable."""
    write(str(tmp_path), "input/config/hyperparameters.json", b"[]")
    write(
        str(tmp_path),
        "modules/numpy.py",
        b"import os\nraise ImportError(os.environ['TF_ENABLE_ONEDNN_OPTS'])",
    )
    modules = os.pathsep.join([str(tmp_path / "modules")] + sys.path)
    _code, container = run(str(tmp_path), PYTHONPATH=modules, **environ)
    assert container.failure().splitlines()[0] == "ImportError: " + expected


def test_job_without_data(tmp_path):
    """There is no zip in the channel train."""
    pytest.importorskip("donkeycar", reason="needs a trainer's environment")
    pytest.importorskip("tensorflow", reason="needs a trainer's environment")
    write(str(tmp_path), "input/data/car/job.json", b'{"name": "p", "type": "linear", "models": []}')
    code, container = run(str(tmp_path))
    assert code == 1
    assert container.failure() == (
        f"There are no zip files of records in {tmp_path}/input/data/train. "
        "Start the job with `python manage.py sagemaker-train`, which uploads them.\n"
    )
