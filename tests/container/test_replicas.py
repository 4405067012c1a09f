"""A net on several devices of one machine: a processor that TensorFlow takes for two."""

import json
import os
import subprocess
import sys
import threading

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

import tensorflow

from donkey_sagemaker.errors import BadInput
from trainer import replicas, tensorflow_versions
from trainer.bfloat16 import is_faster
from trainer.pilots import make_pilot
from trainer.tensorflow_versions import keras
from trainer_jobs import make_job, read_dataset

pytestmark = pytest.mark.minutes
LIMIT_S = 300


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", "60", "--extras"])
    return path


@pytest.mark.skipif(replicas.IS_TENSORFLOW_1, reason="TensorFlow 1 trains on one device")
def test_two_devices_learn_the_same_as_one(tub_path, repo_path):
    """With a BATCH_SIZE that divides neither the examples nor itself, the losses are those of one device."""
    child = os.path.join(repo_path, "tests", "replica_child.py")
    paths = os.pathsep.join([os.path.join(repo_path, "tests")] + sys.path)
    output = subprocess.check_output(
        [sys.executable, child, tub_path, "14", "linear"],
        env=dict(os.environ, PYTHONPATH=paths, TF_CPP_MIN_LOG_LEVEL="2"),
        timeout=LIMIT_S,
    )
    one, two = json.loads(output.decode().splitlines()[-1])
    assert one["loss"][1] < one["loss"][0]
    assert set(one) == set(two)
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=1e-4), name


@pytest.mark.skipif(replicas.IS_TENSORFLOW_1, reason="TensorFlow 1 trains on one device")
def test_a_processor_trains_as_fast_as_without_replicas(tub_path):
    """Dropout takes its masks from pools, and bfloat16 is used for training only, if it is used at all."""
    job = make_job(BATCH_SIZE=16)
    several = replicas.Replicas(
        tensorflow.distribute.MirroredStrategy(["CPU:0"]), requested=threading.Event()
    )
    net = several.copy(make_pilot(job.model_type, job.config), lambda: make_pilot(job.model_type, job.config))
    dataset = read_dataset(tub_path, job)
    dropouts = [layer for layer in net.layers if type(layer).__name__ == "Dropout"]
    looks = {"train": set(), "test": set()}

    def look(phase):
        options = tensorflow.config.optimizer.get_experimental_options()
        in_bfloat16 = bool(options.get("auto_mixed_precision_onednn_bfloat16"))
        looks[phase].add((all("call" in vars(layer) for layer in dropouts), in_bfloat16))

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            look("train")

        def on_test_batch_end(self, batch, logs=None):
            look("test")

    several.run_fit(
        net,
        dataset.training_feed(seed=1),
        dataset.feed(dataset.validation),
        initial_epoch=0,
        epochs=2,
        callbacks=[Look()],
    )
    assert dropouts and not any("call" in vars(layer) for layer in dropouts)
    assert looks == {"train": {(True, uses_bfloat16(net))}, "test": {(True, False)}}


def uses_bfloat16(net):
    return tensorflow_versions._HAS_BFLOAT16 and is_faster(net)


def test_one_device_needs_no_replicas():
    """The training is the one of always."""
    assert replicas.make_replicas(1, requested=None, crew=None) is None


def test_old_tensorflow_trains_on_one_machine(monkeypatch):
    """Which an image of an owner's own may have; the car knows it only of its own images."""
    monkeypatch.setattr(replicas, "IS_TENSORFLOW_1", True)
    monkeypatch.setattr(replicas, "VERSION", "1.15.5")
    with pytest.raises(BadInput) as error:
        replicas.make_replicas(1, requested=None, crew=object())
    assert str(error.value.what) == "TensorFlow 1.15.5 of this image trains on one machine only."
    assert replicas.make_replicas(4, requested=None, crew=None) is None
