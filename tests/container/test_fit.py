"""Training: the best model, the early stop, SIGTERM, and continuing after an interruption."""

import os
import re
import subprocess
import threading

import numpy as np
import pytest

from donkey_sagemaker.contract import parse_progress, parse_step
from donkey_sagemaker.tuning import METRIC_REGEX, objective

tensorflow = pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from trainer import callbacks, tensorflow_versions  # noqa: E402
from trainer.checkpoint import Checkpoint  # noqa: E402
from trainer.feed import Examples, Feed  # noqa: E402
from trainer.fit import NothingLearned, fit  # noqa: E402
from trainer.pictures import PictureStore  # noqa: E402
from trainer.tensorflow_versions import IS_TENSORFLOW_1, get_optimizer_state, keras  # noqa: E402

pytestmark = pytest.mark.minutes
EXAMPLES = 12
TRAINING = {"of": "this test"}


def make_net():
    """Two weights and a bias, trained by Adam from zero: nothing is random."""
    inputs = keras.layers.Input(shape=(2,), name="in")
    net = keras.models.Model(inputs, keras.layers.Dense(1, kernel_initializer="zeros", name="out")(inputs))
    net.compile(optimizer="adam", loss="mse")
    return net


def make_feed(target=1.0):
    inputs = np.arange(2 * EXAMPLES, dtype=np.float32).reshape(EXAMPLES, 2) / EXAMPLES
    examples = Examples({"in": inputs}, {"out": np.full((EXAMPLES, 1), target, np.float32)})
    return Feed(examples, PictureStore(1, (1, 1, 3)), picture_inputs=[], divisor=1.0, batch_size=4)


class Run:
    """One call of fit and its result."""

    def __init__(
        self, folder, *, epochs, checkpoints=True, validation=1.0, stop_after=None, is_trial=False, **config
    ):
        self.net = make_net()
        self.delivered = []
        stop = threading.Event()

        def deliver(fitted):
            self.delivered.append(fitted.best_epoch)
            if fitted.best_epoch == stop_after:
                stop.set()

        self.fitted = fit(
            self.net,
            make_feed(),
            make_feed(validation),
            config=dict({"USE_EARLY_STOP": False}, MAX_EPOCHS=epochs, **config),
            log_folder=str(folder / "logs"),
            stop=stop,
            checkpoint=Checkpoint(str(folder), TRAINING) if checkpoints else None,
            deliver=deliver,
            is_trial=is_trial,
        )


def test_each_best_epoch_is_delivered_and_reported(tmp_path, capfd):
    """The progress line comes after the delivery, so that whoever reads it knows the model is safe."""
    run = Run(tmp_path, epochs=3)
    reported = [parse_progress(line) for line in capfd.readouterr().out.splitlines() if "epoch=" in line]
    assert run.delivered == [1, 2, 3] and run.fitted.best_epoch == 3 and not run.fitted.stopped
    assert [(each.epoch, each.epochs) for each in reported] == [(1, 3), (2, 3), (3, 3)]
    assert [each.val_loss for each in reported] == pytest.approx(run.fitted.history["val_loss"], rel=1e-4)
    assert run.fitted.images == 3 * EXAMPLES


def test_a_long_epoch_reports_how_far_it_is(tmp_path, capfd, monkeypatch):
    """At most every few seconds; without validation's batches, and each epoch from its beginning."""
    monkeypatch.setattr(callbacks, "STEP_S", 0.0)
    Run(tmp_path, epochs=2)
    lines = capfd.readouterr().out.splitlines()
    steps = [step for step in map(parse_step, lines) if step]
    batches = EXAMPLES // 4
    assert {(step.epochs, step.batches) for step in steps} == {(2, batches)}
    assert [(step.epoch, step.batch) for step in steps] == [
        (epoch, batch) for epoch in (1, 2) for batch in range(2, batches + 1)
    ]
    assert all(step.images_per_s > 0 and step.left_s >= 0 for step in steps) and steps[-1].left_s == 0
    monkeypatch.setattr(callbacks, "STEP_S", 60.0)
    Run(tmp_path, epochs=2, checkpoints=False)
    assert not any(map(parse_step, capfd.readouterr().out.splitlines()))


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path):
    """Weights, optimizer and history continue: the same losses to the last digit, the same best epoch."""
    (tmp_path / "whole").mkdir()
    whole = Run(tmp_path / "whole", epochs=5)
    first = Run(tmp_path, epochs=5, stop_after=2)
    assert first.fitted.stopped and len(first.fitted.history["loss"]) in (1, 2)
    second = Run(tmp_path, epochs=5)
    assert second.fitted.history == whole.fitted.history
    assert second.delivered == [len(first.fitted.history["loss"])] + [
        epoch for epoch in whole.delivered if epoch > len(first.fitted.history["loss"])
    ]
    for ours, theirs in zip(second.net.get_weights(), whole.net.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_the_net_ends_with_the_weights_of_its_best_epoch(tmp_path):
    """Also if a later epoch was worse: here validation expects the opposite of training."""
    run = Run(tmp_path, epochs=3, validation=-9.0)
    assert run.fitted.best_epoch == 1 and run.delivered == [1]
    again = make_net()
    again.set_weights(run.net.get_weights())
    loss = float(np.mean((again.predict(make_feed().examples.inputs["in"]) + 9.0) ** 2))
    assert loss == pytest.approx(run.fitted.history["val_loss"][0], rel=1e-5)


def test_early_stop_counts_the_epochs_before_an_interruption(tmp_path):
    """Patience that was used up before stays used up."""
    (tmp_path / "whole").mkdir()
    rule = {"USE_EARLY_STOP": True, "EARLY_STOP_PATIENCE": 2, "MIN_DELTA": 0.0, "validation": -9.0}
    whole = Run(tmp_path / "whole", epochs=50, **rule)
    epochs = len(whole.fitted.history["loss"])
    assert epochs in (3, 4)  # Keras 2.0 waits one longer
    Run(tmp_path, epochs=2, **dict(rule, USE_EARLY_STOP=False))
    unfinish(tmp_path)
    assert len(Run(tmp_path, epochs=50, **rule).fitted.history["loss"]) == epochs


def unfinish(folder):
    """Turns the checkpoint of a finished training into that of an interrupted one."""
    checkpoint = Checkpoint(str(folder), TRAINING)
    net = make_net()
    shapes = [array.shape for array in net.get_weights()], [a.shape for a in get_optimizer_state(net)]
    checkpoint.write(checkpoint.read(*shapes)._replace(finished=False))


def test_a_finished_training_is_not_repeated(tmp_path, capfd):
    """After an interruption between the last epoch and the archive, the model is only delivered again."""
    first = Run(tmp_path, epochs=2)
    capfd.readouterr()
    second = Run(tmp_path, epochs=2)
    assert second.delivered == [2] and second.fitted.history == first.fitted.history
    assert capfd.readouterr().out == "[donkey] Continuing from the checkpoint after epoch 2\n"


def test_a_job_without_checkpoints_writes_none(tmp_path):
    """The log folder is all that it leaves."""
    Run(tmp_path, epochs=1, checkpoints=False)
    assert sorted(os.listdir(str(tmp_path))) == ["logs"]


def test_a_stop_in_the_first_epoch_leaves_no_model(tmp_path):
    """No model has been validated by then."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(NothingLearned) as raised:
        fit(
            make_net(),
            make_feed(),
            make_feed(),
            config={"MAX_EPOCHS": 3},
            log_folder=str(tmp_path / "logs"),
            stop=stop,
            checkpoint=None,
            deliver=lambda fitted: None,
        )
    assert raised.value.what == "The training produced no model: it was stopped during the first epoch."


@pytest.mark.skipif(IS_TENSORFLOW_1 or hasattr(keras, "ops"), reason="Keras 2.0 and 3 always wait")
@pytest.mark.parametrize("in_bfloat16, count", [(False, 5), (True, 6)])
def test_no_batch_waits_for_the_metrics_of_the_one_before(tmp_path, monkeypatch, in_bfloat16, count):
    """To pass them on as numbers, Keras would wait for the GPU after each batch."""
    given = []
    net = make_net()
    monkeypatch.setattr(tensorflow_versions, "_HAS_BFLOAT16", in_bfloat16)
    monkeypatch.setattr(tensorflow_versions, "is_faster", lambda net: True)
    monkeypatch.setattr(net, "fit", lambda *feeds, callbacks, **settings: given.extend(callbacks))
    with pytest.raises(NothingLearned):
        fit(
            net,
            make_feed(),
            make_feed(),
            config={"EARLY_STOP_PATIENCE": 3},
            log_folder=str(tmp_path),
            stop=threading.Event(),
            checkpoint=None,
            deliver=given.append,
        )
    callbacks = keras.callbacks.CallbackList(given, model=net)
    assert len(given) == count and callbacks._batch_hooks_support_tf_logs  # Keras's own name, which it asks


def test_a_loss_that_is_not_a_number_is_an_error(tmp_path):
    """Otherwise the car would get a model that drives into the wall."""
    with pytest.raises(NothingLearned) as raised:
        Run(tmp_path, epochs=2, validation=float("nan"))
    assert raised.value.what == (
        "The training produced no model: the validation loss was not a number in any epoch."
    )


@pytest.mark.skipif(not IS_TENSORFLOW_1, reason="later versions of Keras do so by themselves")
def test_two_trainings_of_a_car_of_2018_are_equal():
    """To the last digit, although Keras 2.0 changes weights that other gradients still read."""
    from trainer.classic_pilot import ClassicPilot

    random = np.random.RandomState(1)
    pictures = random.randint(0, 256, (64, 120, 160, 3)).astype(np.float32)
    targets = [random.rand(64), random.rand(64)]
    ends = []
    for _ in range(2):
        keras.backend.clear_session()
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
    """All of the above, with Keras 2.0, 2.9 and 3."""
    command = [generation_python(name), "-m", "pytest", "-q", "-m", "not generations", __file__]
    done = subprocess.run(command, cwd=repo_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()


def test_a_trial_of_a_tuning_reports_its_objective(tmp_path, capfd):
    """After each epoch the best loss so far, which orders trials; other trainings print nothing of it."""
    Run(tmp_path / "plain", epochs=1, checkpoints=False)
    assert "objective=" not in capfd.readouterr().out
    run = Run(tmp_path / "trial", epochs=2, checkpoints=False, is_trial=True)
    printed = [re.search(METRIC_REGEX, line) for line in capfd.readouterr().out.splitlines()]
    values = [float(match.group(1)) for match in printed if match]
    expected = [
        objective(val_loss=min(run.fitted.history["val_loss"][: epoch + 1]), driving_loss=None)
        for epoch in range(2)
    ]
    assert values == pytest.approx(expected, rel=1e-7)
