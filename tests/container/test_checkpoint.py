"""The checkpoint of a training: complete and of this training, or not used at all."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from trainer.checkpoint import Checkpoint, State

TRAINING = {"shards": ["aa.zip"], "seed": 1}
SHAPES = [(2, 3), (3,)], [(), (2, 3)]
STATE = State(
    history={"loss": [0.5, 0.4], "val_loss": [0.6, float("nan")]},
    best_epoch=1,
    finished=False,
    seconds=12.5,
    weights=[np.ones((2, 3), np.float32), np.zeros(3, np.float32)],
    optimizer=[np.array(7, np.int64), np.full((2, 3), 0.25, np.float32)],
    best_weights=[np.full((2, 3), 2, np.float32), np.ones(3, np.float32)],
)


@pytest.fixture
def checkpoint(tmp_path):
    checkpoint = Checkpoint(str(tmp_path), TRAINING)
    checkpoint.write(STATE)
    return checkpoint


def test_a_state_survives_writing_and_reading(checkpoint):
    """Every number, and the type of each array."""
    state = checkpoint.read(*SHAPES)
    assert (state.best_epoch, state.finished, state.seconds, state.epochs) == (1, False, 12.5, 2)
    np.testing.assert_equal(state.history, STATE.history)
    for group in ("weights", "optimizer", "best_weights"):
        for ours, theirs in zip(getattr(state, group), getattr(STATE, group)):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape


def test_a_missing_checkpoint_is_not_reported(tmp_path, capsys):
    """Every job starts without one."""
    assert Checkpoint(str(tmp_path), TRAINING).read(*SHAPES) is None
    assert capsys.readouterr().out == ""


def assert_ignored(checkpoint, capsys, why):
    assert checkpoint.read(*SHAPES) is None
    assert capsys.readouterr().out == (
        f"[donkey] The checkpoint is ignored and training starts from the beginning: {why}\n"
    )


def test_the_checkpoint_of_another_training_is_ignored(checkpoint, tmp_path, capsys):
    """That is, of other records, settings or versions."""
    assert_ignored(
        Checkpoint(str(tmp_path), dict(TRAINING, seed=2)), capsys, "it belongs to another training"
    )


@pytest.mark.parametrize(
    "change, why",
    [
        ({"weights": STATE.weights[:1]}, "it belongs to another net"),
        ({"best_weights": []}, "it belongs to another net"),
        ({"optimizer": STATE.optimizer[::-1]}, "it belongs to another net"),
        ({"best_epoch": 3}, "its history is incomplete"),
        ({"history": {"loss": [0.5], "val_loss": []}}, "its history is incomplete"),
        ({"history": {"val_loss": [0.5]}}, "'loss'"),
    ],
)
def test_a_state_that_does_not_fit_is_ignored(checkpoint, capsys, change, why):
    """Shapes and lengths are compared with the net before anything is put into it."""
    checkpoint.write(STATE._replace(**change))
    assert_ignored(checkpoint, capsys, why)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_ignored(checkpoint, capsys, kept):
    """An interrupted copy leaves such a file."""
    with open(checkpoint.path, "rb") as file:
        body = file.read()
    with open(checkpoint.path, "wb") as file:
        file.write(body[: int(len(body) * kept)])
    assert_ignored(checkpoint, capsys, "File is not a zip file")


def test_a_flipped_bit_is_noticed(checkpoint, capsys):
    """Otherwise training would continue with a wrong weight."""
    with open(checkpoint.path, "rb") as file:
        body = bytearray(file.read())
    body[body.index(np.float32(0.25).tobytes() * 6)] ^= 1
    with open(checkpoint.path, "wb") as file:
        file.write(body)
    assert checkpoint.read(*SHAPES) is None
    assert "Bad CRC-32" in capsys.readouterr().out


def test_a_file_that_would_fill_the_memory_is_ignored(checkpoint, capsys):
    """Checkpoints are not compressed, and a compressed file may unpack to any size."""
    with zipfile.ZipFile(checkpoint.path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", b"\0" * 10**7)
    assert_ignored(checkpoint, capsys, "it is compressed")


def test_no_python_object_is_unpickled(checkpoint, capsys):
    """A file from a bucket runs no code here."""
    np.savez(checkpoint.path, about=np.array([{}], dtype=object))
    assert checkpoint.read(*SHAPES) is None
    assert "allow_pickle=False" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # numpy drops its zip
def test_a_failed_write_keeps_the_old_checkpoint(checkpoint, tmp_path):
    """The new file replaces it only when it is complete."""

    class Unwritable:
        def __array__(self, *_arguments, **_options):
            raise OSError("No space left on device")

    with pytest.raises(OSError):
        checkpoint.write(STATE._replace(weights=[Unwritable()]))
    assert checkpoint.read(*SHAPES).epochs == 2


def test_killed_writers_leave_one_half_written_file(checkpoint, tmp_path, repo_path):
    """A spot job may be killed many times, and each file that it leaves in checkpoints/ is uploaded."""
    code = (
        "import os, sys\n"
        "from donkey_sagemaker.atomic import open_atomic\n"
        "with open_atomic(sys.argv[1], only_writer=True) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    for _ in range(3):
        subprocess.call([sys.executable, "-c", code, checkpoint.path], cwd=repo_path)
    assert sorted(os.listdir(str(tmp_path))) == [".training.npz.part", "training.npz"]
    assert checkpoint.read(*SHAPES).epochs == 2
    checkpoint.write(STATE)
    assert os.listdir(str(tmp_path)) == ["training.npz"]
