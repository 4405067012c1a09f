"""Training: the best model, the early stop, SIGTERM, and going on where another process was interrupted."""

import os
import subprocess
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from donkey_sagemaker.contract import parse_progress

tensorflow = pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from trainer.checkpoint import Checkpoint  # noqa: E402
from trainer.feed import Examples, Feed  # noqa: E402
from trainer.fit import NothingLearned, fit  # noqa: E402
from trainer.optimizer_state import get_optimizer_state  # noqa: E402
from trainer.pictures import PictureStore  # noqa: E402

try:
    import keras
except ImportError:
    from tensorflow import keras

EXAMPLES = 12
TRAINING = {"of": "this test"}


def make_pilot():
    """Two weights and a bias under Adam, at zero: nothing is drawn at random."""
    inputs = keras.layers.Input(shape=(2,), name="in")
    net = keras.models.Model(inputs, keras.layers.Dense(1, kernel_initializer="zeros", name="out")(inputs))
    net.compile(optimizer="adam", loss="mse")
    return SimpleNamespace(net=net, keras=keras)


def make_feed(target=1.0):
    inputs = np.arange(2 * EXAMPLES, dtype=np.float32).reshape(EXAMPLES, 2) / EXAMPLES
    examples = Examples({"in": inputs}, {"out": np.full((EXAMPLES, 1), target, np.float32)})
    return Feed(examples, PictureStore(1, (1, 1, 3)), picture_inputs=[], divisor=1.0, batch_size=4)


class Run:
    """One call of fit, and what came of it."""

    def __init__(self, folder, *, epochs, checkpoints=True, validation=1.0, stop_after=None, **config):
        self.pilot = make_pilot()
        self.delivered = []
        stop = threading.Event()

        def deliver(fitted):
            self.delivered.append(fitted.best_epoch)
            if fitted.best_epoch == stop_after:
                stop.set()

        self.fitted = fit(
            self.pilot,
            make_feed(),
            make_feed(validation),
            config=dict({"USE_EARLY_STOP": False}, MAX_EPOCHS=epochs, **config),
            log_folder=str(folder / "logs"),
            stop=stop,
            checkpoint=Checkpoint(str(folder), TRAINING) if checkpoints else None,
            deliver=deliver,
        )


def test_each_epoch_that_is_the_best_is_delivered_and_told(tmp_path, capfd):
    """The line comes after the delivery: who reads it knows that the model is safe."""
    run = Run(tmp_path, epochs=3)
    told = [parse_progress(line) for line in capfd.readouterr().out.splitlines() if "epoch=" in line]
    assert run.delivered == [1, 2, 3] and run.fitted.best_epoch == 3 and not run.fitted.stopped
    assert [(each.epoch, each.epochs) for each in told] == [(1, 3), (2, 3), (3, 3)]
    assert [each.val_loss for each in told] == pytest.approx(run.fitted.history["val_loss"], rel=1e-4)
    assert run.fitted.images == 3 * EXAMPLES


def test_an_interrupted_training_ends_like_one_that_was_not(tmp_path):
    """Weights, optimizer and history go on: the same losses to the last digit, the same best epoch."""
    (tmp_path / "whole").mkdir()
    whole = Run(tmp_path / "whole", epochs=5)
    first = Run(tmp_path, epochs=5, stop_after=2)
    assert first.fitted.stopped and len(first.fitted.history["loss"]) in (1, 2)
    second = Run(tmp_path, epochs=5)
    assert second.fitted.history == whole.fitted.history
    assert second.delivered == [len(first.fitted.history["loss"])] + [
        epoch for epoch in whole.delivered if epoch > len(first.fitted.history["loss"])
    ]
    for ours, theirs in zip(second.pilot.net.get_weights(), whole.pilot.net.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_the_net_ends_with_the_weights_of_its_best_epoch(tmp_path):
    """Also when a later epoch was worse: here the validation wants the opposite of the training."""
    run = Run(tmp_path, epochs=3, validation=-9.0)
    assert run.fitted.best_epoch == 1 and run.delivered == [1]
    again = make_pilot().net
    again.set_weights(run.pilot.net.get_weights())
    loss = float(np.mean((again.predict(make_feed().examples.inputs["in"]) + 9.0) ** 2))
    assert loss == pytest.approx(run.fitted.history["val_loss"][0], rel=1e-5)


def test_early_stop_counts_the_epochs_before_an_interruption(tmp_path):
    """The patience that was used up stays used up."""
    (tmp_path / "whole").mkdir()
    rule = {"USE_EARLY_STOP": True, "EARLY_STOP_PATIENCE": 2, "MIN_DELTA": 0.0, "validation": -9.0}
    whole = Run(tmp_path / "whole", epochs=50, **rule)
    epochs = len(whole.fitted.history["loss"])
    assert epochs in (3, 4)  # Keras 2.0 waits one longer
    Run(tmp_path, epochs=2, **dict(rule, USE_EARLY_STOP=False))
    unfinish(tmp_path)
    assert len(Run(tmp_path, epochs=50, **rule).fitted.history["loss"]) == epochs


def unfinish(folder):
    """The checkpoint of a training that ran out of epochs as one of a training that was interrupted."""
    checkpoint = Checkpoint(str(folder), TRAINING)
    net = make_pilot().net
    shapes = [array.shape for array in net.get_weights()], [a.shape for a in get_optimizer_state(net)]
    checkpoint.write(checkpoint.read(*shapes)._replace(finished=False))


def test_a_training_that_was_done_is_not_trained_again(tmp_path, capfd):
    """Interrupted between the last epoch and the archive: the model is delivered once more."""
    first = Run(tmp_path, epochs=2)
    capfd.readouterr()
    second = Run(tmp_path, epochs=2)
    assert second.delivered == [2] and second.fitted.history == first.fitted.history
    assert capfd.readouterr().out == "[donkey] Going on from the checkpoint after epoch 2\n"


def test_without_a_folder_for_checkpoints_none_is_written(tmp_path):
    """A job that asked for none."""
    Run(tmp_path, epochs=1, checkpoints=False)
    assert sorted(os.listdir(str(tmp_path))) == ["logs"]


def test_a_stop_in_the_first_epoch_leaves_nothing(tmp_path):
    """There is no model that was ever validated."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(NothingLearned) as failure:
        fit(
            make_pilot(),
            make_feed(),
            make_feed(),
            config={"MAX_EPOCHS": 3},
            log_folder=str(tmp_path / "logs"),
            stop=stop,
            checkpoint=None,
            deliver=lambda fitted: None,
        )
    assert failure.value.what == "No model was learned: it was stopped before the first epoch ended."


@pytest.mark.skipif(
    tensorflow.__version__.startswith("1.") or hasattr(keras, "ops"), reason="Keras 2.0 and 3 wait anyhow"
)
def test_no_batch_waits_for_the_metrics_of_the_one_before(tmp_path, monkeypatch):
    """To hand them over as numbers, Keras would wait for the GPU after each."""
    given = []
    pilot = make_pilot()
    monkeypatch.setattr(pilot.net, "fit", lambda *feeds, callbacks, **settings: given.extend(callbacks))
    with pytest.raises(NothingLearned):
        fit(
            pilot,
            make_feed(),
            make_feed(),
            config={"EARLY_STOP_PATIENCE": 3},
            log_folder=str(tmp_path),
            stop=threading.Event(),
            checkpoint=None,
            deliver=given.append,
        )
    told = keras.callbacks.CallbackList(given, model=pilot.net)
    assert len(given) == 3 and told._batch_hooks_support_tf_logs


def test_a_loss_that_is_not_a_number_is_told(tmp_path):
    """Instead of a model that drives into the wall."""
    with pytest.raises(NothingLearned) as failure:
        Run(tmp_path, epochs=2, validation=float("nan"))
    assert failure.value.what == ("No model was learned: the validation loss is not a number in any epoch.")


@pytest.mark.skipif(not tensorflow.__version__.startswith("1."), reason="later Keras takes steps at once")
def test_two_trainings_of_a_car_of_2018_are_the_same():
    """To the last digit, where Keras 2.0 by itself changes weights that other gradients still read."""
    from trainer.classic_pilot import ClassicPilot

    random = np.random.RandomState(1)
    pictures = random.randint(0, 256, (64, 120, 160, 3)).astype(np.float32)
    targets = [random.rand(64), random.rand(64)]
    ends = []
    for _ in range(2):
        ClassicPilot.keras.backend.clear_session()
        tensorflow.set_random_seed(1)
        np.random.seed(1)
        pilot = ClassicPilot("linear", {})
        pilot.compile()
        losses = [pilot.net.train_on_batch(pictures, targets) for _ in range(4)]
        ends.append((losses, pilot.net.get_weights()))
    (losses, weights), (again, others) = ends
    assert losses == again and losses[-1] < losses[0]
    for ours, theirs in zip(weights, others):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.generations
@pytest.mark.parametrize("name", ["dk22", "dk50", "dk54"])
def test_every_keras_does_the_same(name, generation_python, repo_path):
    """All of the above with Keras 2.0, 2.9 and 3."""
    command = [generation_python(name), "-m", "pytest", "-q", "-m", "not generations", __file__]
    done = subprocess.run(command, cwd=repo_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
