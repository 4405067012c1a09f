"""The trainer as SageMaker runs it: a process over a /opt/ml, signals, exit codes, what it leaves."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading

import pytest

from opt_ml_factory import make_opt_ml, write
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
def test_a_stopped_job_ends_at_once_with_its_best_model(python, make_base, tmp_path):
    """SIGTERM in the middle of an epoch: exit code 0, and the archive of the epochs that were whole."""
    container = TrainerProcess([python, TRAIN_PATH, "train"], make_base(epochs=10000))
    container.read_until("epoch=2/10000")
    container.process.send_signal(signal.SIGTERM)
    stopper = threading.Timer(60, container.process.kill)  # SageMaker's patience is 120 s
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
def test_a_killed_job_leaves_a_right_archive_and_another_goes_on(python, make_base, tmp_path):
    """As spot does it: the model so far is whole, and the epochs of both make as many as were asked for."""
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
def test_a_job_that_is_not_quite_ours(python, make_base, tmp_path):
    """Bare hyperparameters, half of a resourceconfig.json, half of a checkpoint, an image for a GPU and none.

    It is trained all the same, from the start and on the CPU, and output/data has all that it should.
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
def test_a_full_disk_is_told(python, make_base, tmp_path, folder):
    """The cause first, and what to set; a model that was whole before stays."""
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


def test_a_command_that_is_not_train_is_refused(tmp_path):
    """`serve`, say: exit code 2, and nothing is made."""
    code, container = run(str(tmp_path), "serve")
    assert code == 2
    assert container.lines == ["Unknown command: serve. This image only has `train`."]
    assert os.listdir(str(tmp_path)) == []


def test_only_the_first_of_several_machines_trains(tmp_path):
    """The others end well and leave nothing, so that one model comes back."""
    resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    write(str(tmp_path), "input/config/resourceconfig.json", json.dumps(resources).encode())
    code, container = run(str(tmp_path))
    assert code == 0
    assert container.lines == [
        "[donkey] algo-2 does not train, because algo-1 does: more machines would not be faster"
    ]
    assert not os.path.exists(str(tmp_path / "model"))


def test_the_cause_of_a_failure_comes_first(tmp_path):
    """SageMaker keeps the first 1,024 characters of output/failure; a Python with a broken numpy will do."""
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
    """On any x86, unless who runs the container says otherwise; a numpy that tells it will do."""
    write(str(tmp_path), "input/config/hyperparameters.json", b"[]")
    write(
        str(tmp_path),
        "modules/numpy.py",
        b"import os\nraise ImportError(os.environ['TF_ENABLE_ONEDNN_OPTS'])",
    )
    modules = os.pathsep.join([str(tmp_path / "modules")] + sys.path)
    _code, container = run(str(tmp_path), PYTHONPATH=modules, **environ)
    assert container.failure().splitlines()[0] == "ImportError: " + expected


def test_a_job_without_data_says_so(tmp_path):
    """No zip in the channel train."""
    pytest.importorskip("donkeycar", reason="needs a trainer's environment")
    pytest.importorskip("tensorflow", reason="needs a trainer's environment")
    write(str(tmp_path), "input/data/car/job.json", b'{"name": "p", "type": "linear", "models": []}')
    code, container = run(str(tmp_path))
    assert code == 1
    assert container.failure() == (
        f"There are no zip files of records in {tmp_path}/input/data/train. "
        "Start the job with `python manage.py sagemaker-train`, which uploads them.\n"
    )
