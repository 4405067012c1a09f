"""Power cuts in every verb that changes a car: the same command then leaves one correct model.

The car has the small donkeycar, and its jobs deliver a model that was made before, so that it takes seconds.
"""

import json
import os
import random
import shutil
import sys
import time

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")
pytest.importorskip("numpy")

from aws_owner import canned_container, push_own_image
from fuzz_car import artifact, listed
from killing import RUN, RUN_LOCAL, Scene, configure_account
from small_donkeycar import MEAN, install_small_donkeycar, write_samples
from tub_factory import make_v2

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills process groups, reads /proc"),
]
SEED = 7
KILLS = {"rollback": 12, "local": 9, "local with its job": 5, "stop": 6, "two": 5, "aws": 4}
OLD = b"the old model"
TRAIN = ("train", "--model", "models/pilot.tflite")
LOCAL = 'SAGEMAKER_BACKEND = "local"\nSAGEMAKER_PYTHON = {!r}\nSAGEMAKER_TRUST_MODEL = True\n'
# In place of the trainer's Python: it has everything that is asked for, and delivers what was made before
PYTHON = '#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {} {} {} {} train\n'


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What a container leaves: a model for the small donkeycar."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "pilot.tflite").write_text(MEAN)
    write_samples(str(folder / "samples.npz"), shape=(120, 160, 3))
    files = [
        listed("pilot.tflite", (folder / "pilot.tflite").read_bytes(), "model", "tflite"),
        listed("samples.npz", (folder / "samples.npz").read_bytes(), "samples"),
    ]
    (folder / "artifact.json").write_text(json.dumps(artifact(files=files)))
    return folder


class Kills:
    """Makes scenes, and chooses the moments: one in each part of what an undisturbed run takes."""

    def __init__(self, folder, trained, aws=None):
        self._folder, self._trained, self._aws = folder, trained, aws
        self._count = 0
        self._dice = random.Random(SEED)

    def make_scene(self, *, behaviour="trains"):
        self._count += 1
        folder = self._folder / str(self._count)
        environment = self._aws.environment if self._aws else {}
        scene = Scene(folder, environment=environment, code=RUN if self._aws else RUN_LOCAL)
        make_v2(scene.car / "data", 6)
        (scene.car / "models").mkdir()
        (scene.car / "models" / "pilot.tflite").write_bytes(OLD)
        (scene.car / "config.py").write_text("IMAGE_W, IMAGE_H, IMAGE_DEPTH = 160, 120, 3\nMAX_EPOCHS = 2\n")
        install_small_donkeycar(scene.car)
        if self._aws:
            self._aws.reset()
            configure_account(scene.car, self._aws)
            push_own_image(self._aws, canned_container(self._trained, behaviour))
        else:
            python = folder / "python"
            command = canned_container(self._trained, behaviour)
            python.write_text(PYTHON.format(*command))
            python.chmod(0o755)
            (scene.car / "myconfig.py").write_text(LOCAL.format(str(python)))
        return scene

    def moments(self, count, work):
        """`count` times in seconds, from the start to the end of the work."""
        started = time.monotonic()
        work()
        took_s = time.monotonic() - started
        return [took_s * (number + self._dice.random()) / count for number in range(count)]


@pytest.fixture
def kills(tmp_path, trained):
    return Kills(tmp_path, trained)


def check_car(scene, *, jobs=1):
    """One correct model, the old one in the backup, one job that made it, and nothing left behind."""
    line = scene.output()
    assert (scene.car / "models" / "pilot.tflite").read_text() == MEAN, line
    kept = list((scene.car / ".sagemaker" / "previous" / "pilot").glob("*/pilot.tflite"))
    assert [path.read_bytes() for path in kept] == [OLD], line
    states = sorted(entry["state"] for entry in scene.ledger())
    assert states == ["failed"] * (len(states) - 1) + ["installed"], line
    assert len(states) <= jobs, line
    database = scene.car / "models" / "database.json"
    if database.exists():
        assert [entry["Name"] for entry in json.loads(database.read_text())] == ["pilot"], line
    started = scene.car / ".sagemaker" / "local" / "jobs"
    assert not started.exists() or 1 <= len(os.listdir(str(started))) <= jobs, line
    assert scene.leftovers() == [], line
    assert sorted(os.listdir(str(scene.car / "models")))[-1] == "pilot.tflite"


def is_done(scene):
    return any(entry["state"] == "installed" for entry in scene.ledger())


def train_again(scene):
    if not is_done(scene):
        assert scene.run(*TRAIN) == 0, scene.output()


@pytest.mark.parametrize("with_job", [False, True], ids=["the command", "the job as well"])
def test_local_training(kills, with_job):
    """A job that was killed with the command has failed, and a new one takes its place."""
    count = KILLS["local with its job" if with_job else "local"]
    undisturbed = kills.make_scene()
    for moment in kills.moments(count, lambda: train_again(undisturbed)):
        scene = kills.make_scene()
        scene.kill(scene.start(*TRAIN), after=moment)
        if with_job:
            scene.kill_jobs()
        assert (scene.car / "models" / "pilot.tflite").read_bytes() in (OLD, MEAN.encode())
        train_again(scene)
        check_car(scene, jobs=1 + with_job)


def test_a_job_killed_after_its_model_was_stored(kills):
    """It has failed all the same: nobody attaches to it, and the same command trains anew."""
    scene = kills.make_scene()
    assert scene.run(*TRAIN, "--detach") == 0, scene.output()
    (folder,) = scene.car.glob(".sagemaker/local/jobs/*")
    path = folder / "job.json"
    deadline = time.monotonic() + 60
    while not (path.exists() and "Completed" in path.read_text()):
        assert time.monotonic() < deadline, scene.output()
        time.sleep(0.05)
    state = json.loads(path.read_text())
    assert state["ModelArtifacts"]
    state.update(TrainingJobStatus="InProgress", SecondaryStatus="Packing the model")  # it was killed then
    path.write_text(json.dumps(state))
    train_again(scene)
    check_car(scene, jobs=2)
    assert len(scene.ledger()) == 2


def test_stop_and_install(kills):
    """The job is stopped once, and what it has learned is installed."""

    def stop(scene):
        code = scene.run("stop", "--install")
        assert code == 0 or (code == 2 and is_done(scene)), scene.output()

    def detach():
        scene = kills.make_scene(behaviour="waits")
        assert scene.run(*TRAIN, "--detach") == 0, scene.output()
        return scene

    undisturbed = detach()
    for moment in kills.moments(KILLS["stop"], lambda: stop(undisturbed)):
        scene = detach()
        scene.kill(scene.start("stop", "--install"), after=moment)
        stop(scene)
        check_car(scene)


def test_two_processes_in_one_car(kills):
    """One of them is killed: the other one goes on, with the same job."""
    undisturbed = kills.make_scene()
    for moment in kills.moments(KILLS["two"], lambda: train_again(undisturbed)):
        scene = kills.make_scene()
        victim, other = scene.start(*TRAIN), scene.start(*TRAIN)
        scene.kill(victim, after=moment)
        assert other.wait() == 0, scene.output()
        check_car(scene)


def test_rollback(kills, tmp_path):
    """The model is the old one or the new one, never none; the other one is the backup."""
    template = kills.make_scene()
    train_again(template)

    def make():
        scene = Scene(tmp_path / f"rollback-{random.getrandbits(64):x}")
        shutil.copytree(str(template.car), str(scene.car))
        return scene

    both = {OLD, MEAN.encode()}
    undisturbed = make()
    for moment in kills.moments(KILLS["rollback"], lambda: undisturbed.run("rollback")):
        scene = make()
        scene.kill(scene.start("rollback"), after=moment)
        path = scene.car / "models" / "pilot.tflite"
        before = path.read_bytes()
        assert before in both
        assert scene.run("rollback", "pilot") == 0, scene.output()
        (kept,) = (scene.car / ".sagemaker" / "previous" / "pilot").glob("*/pilot.tflite")
        assert {path.read_bytes(), kept.read_bytes()} == both
        assert scene.leftovers() == []


def test_training_on_aws(tmp_path, trained, aws):
    """One job is paid for."""
    kills = Kills(tmp_path, trained, aws)
    undisturbed = kills.make_scene()
    for moment in kills.moments(KILLS["aws"], lambda: train_again(undisturbed)):
        scene = kills.make_scene()
        scene.kill(scene.start(*TRAIN), after=moment)
        train_again(scene)
        check_car(scene)
        created = [each for each in aws.requests("sagemaker", "CreateTrainingJob") if each["status"] == 200]
        assert len(created) == 1
