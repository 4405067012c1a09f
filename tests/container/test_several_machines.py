"""Two trainers with their own /opt/ml train one model together, as SageMaker starts them."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from crew import end_crew, make_bases, start_crew
from trainer.tensorflow_versions import IS_TENSORFLOW_1

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.skipif(IS_TENSORFLOW_1, reason="TensorFlow 1 trains on one machine"),
]
HOSTS = ["algo-1", "algo-2"]
MODELS = [("pilot.h5", "h5")]


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", "60"])
    return path


@pytest.fixture
def bases(tmp_path, tub_path):
    """For 1000 epochs, which a test ends, with a batch that does not divide the examples."""
    return make_bases(
        tmp_path,
        tub_path,
        HOSTS,
        models=MODELS,
        config="MAX_EPOCHS = 1000\nBATCH_SIZE = 18\n",
        checkpoints=True,
    )


def set_epochs(bases, epochs):
    for base in bases:
        path = os.path.join(base, "input", "data", "car", "config.py")
        with open(path, "a") as file:
            file.write(f"MAX_EPOCHS = {epochs}\n")


def files_of(base):
    """What a machine left for SageMaker to upload."""
    return [
        os.path.relpath(os.path.join(folder, name), base)
        for part in ("model", "output", "checkpoints")
        for folder, _folders, names in os.walk(os.path.join(base, part))
        for name in names
    ]


def test_killed_machine_and_restart(bases, tmp_path):
    """The other one ends with the reason; started again, both continue from the leader's checkpoint.

    Its own checkpoint, of a stray epoch, does not count, and it leaves no file.
    """
    leader, other = crew = start_crew(sys.executable, bases, HOSTS)

    def kill(_crew):
        leader.read_until(r"epoch=2/1000")
        other.process.kill()

    assert end_crew(crew, kill) == [1, -signal.SIGKILL]
    assert leader.failure() == (
        "algo-2 ended early (the connection was closed). The log of that machine shows more. Start the"
        " training again.\n"
    )
    trained = len(leader.epochs())
    assert len(leader.unpack(tmp_path / "killed").models) == 1  # of the best epoch so far
    assert files_of(bases[1]) == []

    set_epochs(bases, trained + 2)
    np.savez(os.path.join(bases[1], "checkpoints", "training.npz"), other=np.zeros(3))
    leader, other = crew = start_crew(sys.executable, bases, HOSTS)
    assert end_crew(crew) == [0, 0], "\n".join(leader.lines + other.lines)
    (continued,) = [line for line in leader.lines if "Continuing from the checkpoint after epoch" in line]
    done = int(continued.rpartition(" ")[2])
    assert done in (trained, trained + 1)  # the checkpoint comes before the line
    assert [each.epoch for each in leader.epochs()] == list(range(done + 1, trained + 3))
    assert continued in other.lines and other.epochs() == []
    artifact = leader.unpack(tmp_path / "whole")
    assert artifact.metrics["epochs"] == trained + 2 and [each.format for each in artifact.models] == ["h5"]
    assert files_of(bases[1]) == [os.path.join("checkpoints", "training.npz")]
    share = "2 machines with 2 devices share each batch of 18 (BATCH_SIZE), 9 for each"
    assert f"[donkey] {share}; the learning rate stays as it is" in leader.lines


def test_stop_of_one_machine_stops_both(bases, tmp_path):
    """SageMaker's SIGTERM reaches the machines at different times: they agree on the batch to stop after."""
    leader, other = crew = start_crew(sys.executable, bases, HOSTS)

    def stop(_crew):
        leader.read_until(r"epoch=2/1000")
        other.process.send_signal(signal.SIGTERM)

    assert end_crew(crew, stop) == [0, 0], "\n".join(leader.lines + other.lines)
    artifact = leader.unpack(tmp_path / "archive")
    assert artifact.metrics["stopped"] is True and artifact.metrics["epochs"] == len(leader.epochs())
    assert files_of(bases[1]) == []
