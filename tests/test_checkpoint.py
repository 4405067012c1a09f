"""The state that a training goes on from: whole, of this training, or not at all."""

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


def test_a_state_comes_back_as_it_was(checkpoint):
    """Every number, and the type of each array."""
    state = checkpoint.read(*SHAPES)
    assert (state.best_epoch, state.finished, state.seconds, state.epochs) == (1, False, 12.5, 2)
    np.testing.assert_equal(state.history, STATE.history)
    for group in ("weights", "optimizer", "best_weights"):
        for ours, theirs in zip(getattr(state, group), getattr(STATE, group)):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape


def test_none_is_not_worth_a_word(tmp_path, capsys):
    """Every job begins without one."""
    assert Checkpoint(str(tmp_path), TRAINING).read(*SHAPES) is None
    assert capsys.readouterr().out == ""


def assert_left_out(checkpoint, capsys, why):
    assert checkpoint.read(*SHAPES) is None
    assert capsys.readouterr().out == (f"[donkey] The checkpoint is left out, training starts anew: {why}\n")


def test_another_trainings_is_left_out(checkpoint, tmp_path, capsys):
    """Other records, settings or versions: its epochs are not ours."""
    assert_left_out(Checkpoint(str(tmp_path), dict(TRAINING, seed=2)), capsys, "it is of another training")


@pytest.mark.parametrize(
    "change, why",
    [
        ({"weights": STATE.weights[:1]}, "it is of another net"),
        ({"best_weights": []}, "it is of another net"),
        ({"optimizer": STATE.optimizer[::-1]}, "it is of another net"),
        ({"best_epoch": 3}, "its history is not whole"),
        ({"history": {"loss": [0.5], "val_loss": []}}, "its history is not whole"),
        ({"history": {"val_loss": [0.5]}}, "'loss'"),
    ],
)
def test_one_that_does_not_fit_is_left_out(checkpoint, capsys, change, why):
    """Shapes and lengths are held against the net before anything is put into it."""
    checkpoint.write(STATE._replace(**change))
    assert_left_out(checkpoint, capsys, why)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_half_of_one_is_left_out(checkpoint, capsys, kept):
    """As an interrupted copy leaves it."""
    with open(checkpoint.path, "rb") as file:
        body = file.read()
    with open(checkpoint.path, "wb") as file:
        file.write(body[: int(len(body) * kept)])
    assert_left_out(checkpoint, capsys, "File is not a zip file")


def test_a_flipped_bit_is_noticed(checkpoint, capsys):
    """Weights with a wrong number would train on as if nothing had been."""
    with open(checkpoint.path, "rb") as file:
        body = bytearray(file.read())
    body[body.index(np.float32(0.25).tobytes() * 6)] ^= 1
    with open(checkpoint.path, "wb") as file:
        file.write(body)
    assert checkpoint.read(*SHAPES) is None
    assert "Bad CRC-32" in capsys.readouterr().out


def test_one_that_would_fill_the_memory_is_left_out(checkpoint, capsys):
    """Ours are not packed; a packed one may unpack to anything."""
    with zipfile.ZipFile(checkpoint.path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", b"\0" * 10**7)
    assert_left_out(checkpoint, capsys, "it is packed")


def test_no_python_object_is_unpickled(checkpoint, capsys):
    """What comes back from a bucket runs nothing here."""
    np.savez(checkpoint.path, about=np.array([{}], dtype=object))
    assert checkpoint.read(*SHAPES) is None
    assert "allow_pickle=False" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # numpy drops its zip
def test_a_write_that_is_broken_off_leaves_the_old_one(checkpoint, tmp_path):
    """The new one takes its place when it is whole."""

    class Unwritable:
        def __array__(self, *_arguments, **_options):
            raise OSError("No space left on device")

    with pytest.raises(OSError):
        checkpoint.write(STATE._replace(weights=[Unwritable()]))
    assert checkpoint.read(*SHAPES).epochs == 2
