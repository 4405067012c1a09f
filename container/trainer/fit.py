"""Training itself: early stop, best weights, a progress line an epoch, a stop that keeps what was learned."""

import math
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional

import tensorflow

from donkey_sagemaker.contract import Progress, format_progress
from donkey_sagemaker.errors import JobFailed

from .feed import Feed


class NothingLearned(JobFailed):
    def __init__(self, why: str, fix: str) -> None:
        super().__init__("No model was learned: {}.".format(why), fix)


class Fitted(NamedTuple):
    history: Dict[str, List[float]]  # of each metric, by epoch
    best_epoch: int  # counted from 1
    seconds: float
    images: int  # pictures of training seen, all epochs together
    stopped: bool  # by SIGTERM, before its time


def fit(
    pilot: Any,
    training: Feed,
    validation: Feed,
    *,
    config: Dict[str, Any],
    log_folder: str,
    stop: threading.Event,
) -> Fitted:
    """Trains `pilot.net` as donkeycar does, and leaves it with the weights of its best epoch.

    Args:
        config: MAX_EPOCHS, USE_EARLY_STOP, EARLY_STOP_PATIENCE, MIN_DELTA as donkeycar knows them.
        stop: set from outside, ends training after the running batch.
    Raises:
        NothingLearned: stopped before the first epoch ended, or the loss is not a number.
    """
    keras = pilot.keras
    epochs = int(config.get("MAX_EPOCHS", 100))
    watch = _make_watch(keras, epochs=epochs, images=len(training.examples), stop=stop)
    # write_graph would run the net once more, only to draw it.
    callbacks = [watch, keras.callbacks.TensorBoard(log_dir=log_folder, write_graph=False)]
    if config.get("USE_EARLY_STOP", True):
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss",
                patience=config.get("EARLY_STOP_PATIENCE", 5),
                min_delta=config.get("MIN_DELTA", 0.0005),
            )
        )
    started = time.time()
    history = _run(pilot, training, validation, epochs=epochs, callbacks=callbacks)
    if watch.best_weights is None:
        if stop.is_set():
            raise NothingLearned("it was stopped before the first epoch ended", "Start the training again.")
        raise NothingLearned(
            "the validation loss is not a number in any epoch",
            "Lower LEARNING_RATE, or look for wild values among the records.",
        )
    pilot.net.set_weights(watch.best_weights)
    return Fitted(
        history={name: [float(value) for value in values] for name, values in history.items()},
        best_epoch=watch.best_epoch,
        seconds=time.time() - started,
        images=len(training.examples) * len(history.get("loss", [])),
        stopped=stop.is_set(),
    )


def _run(
    pilot: Any, training: Feed, validation: Feed, *, epochs: int, callbacks: List[Any]
) -> Dict[str, List[Any]]:
    if tensorflow.__version__.startswith("1."):
        return pilot.net.fit_generator(
            training.batches(),
            steps_per_epoch=training.steps,
            validation_data=validation.batches(),
            validation_steps=validation.steps,
            epochs=epochs,
            callbacks=callbacks,
            verbose=0,
        ).history
    return pilot.net.fit(
        training.dataset(tensorflow),
        validation_data=validation.dataset(tensorflow),
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    ).history


def _make_watch(keras: Any, *, epochs: int, images: int, stop: threading.Event) -> Any:
    class Watch(keras.callbacks.Callback):
        """Keeps the best weights, prints the progress line, listens for the stop."""

        def __init__(self) -> None:
            super().__init__()
            self.best_weights: Optional[List[Any]] = None
            self.best_val_loss = math.inf
            self.best_epoch = 0
            self.epoch_started = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch_started = time.time()

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            if stop.is_set():
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            val_loss = logs.get("val_loss", math.nan)
            if val_loss < self.best_val_loss:
                self.best_val_loss = val_loss
                self.best_epoch = epoch + 1
                self.best_weights = self.model.get_weights()
            progress = Progress(
                epoch=epoch + 1,
                epochs=epochs,
                loss=logs["loss"],
                val_loss=val_loss,
                best_val_loss=self.best_val_loss,
                images=images,
                seconds=time.time() - self.epoch_started,
            )
            print(format_progress(progress), flush=True)

    return Watch()
