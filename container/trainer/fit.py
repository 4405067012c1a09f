"""Training itself: early stop, best weights, a progress line an epoch, a stop that keeps what was learned."""

import importlib.util
import math
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import tensorflow

from donkey_sagemaker.contract import Progress, format_progress
from donkey_sagemaker.errors import JobFailed

from .checkpoint import Checkpoint, State
from .feed import Feed, take_bytes
from .optimizer_state import get_optimizer_state, set_optimizer_state
from .say import say


class NothingLearned(JobFailed):
    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"No model was learned: {why}.", fix)


class Fitted(NamedTuple):
    history: Dict[str, List[float]]  # of each metric, by epoch
    best_epoch: int  # counted from 1
    seconds: float
    images: int  # pictures of training seen, all epochs together
    stopped: bool  # by SIGTERM, before its time


class _Stopped(Exception):
    """Out of Keras, whose older versions would go on to the end of the epoch."""


def fit(
    pilot: Any,
    training: Feed,
    validation: Feed,
    *,
    config: Dict[str, Any],
    log_folder: str,
    stop: threading.Event,
    checkpoint: Optional[Checkpoint],
    deliver: Callable[[Fitted], Any],
) -> Fitted:
    """Trains `pilot.net` as donkeycar does, and leaves it with the weights of its best epoch.

    Args:
        config: MAX_EPOCHS, USE_EARLY_STOP, EARLY_STOP_PATIENCE, MIN_DELTA as donkeycar knows them.
        stop: set from outside, ends training after the running batch; an epoch that it cuts is not counted.
        checkpoint: where the state is kept after each epoch, and gone on from if there is one.
        deliver: called after each epoch that is the best so far, while the net has its weights.
    Raises:
        NothingLearned: stopped before the first epoch ended, or the loss is not a number.
    """
    keras = pilot.keras
    epochs = int(config.get("MAX_EPOCHS", 100))
    state = _restore(pilot.net, checkpoint)
    learned = _make_learned(
        keras,
        state,
        epochs=epochs,
        images=len(training.examples),
        stop=stop,
        checkpoint=checkpoint,
        deliver=deliver,
    )
    if state is not None:
        say(f"Going on from the checkpoint after epoch {state.epochs}")
        if learned.best_weights:
            pilot.net.set_weights(learned.best_weights)
            deliver(learned.fitted())
            pilot.net.set_weights(state.weights)
    if state is None or not (state.finished or state.epochs >= epochs):
        _run(
            pilot,
            training,
            validation,
            first_epoch=state.epochs if state else 0,
            epochs=epochs,
            callbacks=_early_stop(keras, config, state) + [learned],  # it looks whether this is the last one
            log_folder=log_folder,
        )
    if not learned.best_weights:
        if stop.is_set():
            raise NothingLearned("it was stopped before the first epoch ended", "Start the training again.")
        raise NothingLearned(
            "the validation loss is not a number in any epoch",
            "Lower LEARNING_RATE, or look for wild values among the records.",
        )
    pilot.net.set_weights(learned.best_weights)
    return learned.fitted()


def _restore(net: Any, checkpoint: Optional[Checkpoint]) -> Optional[State]:
    if checkpoint is None:
        return None
    state = checkpoint.read(
        [array.shape for array in net.get_weights()], [array.shape for array in get_optimizer_state(net)]
    )
    if state is not None:
        net.set_weights(state.weights)
        set_optimizer_state(net, state.optimizer)
    return state


def _run(
    pilot: Any,
    training: Feed,
    validation: Feed,
    *,
    first_epoch: int,
    epochs: int,
    callbacks: List[Any],
    log_folder: str,
) -> None:
    boards = []
    if importlib.util.find_spec("tensorboard"):  # from 2.21 on TensorFlow comes without
        # write_graph would run the net once more, only to draw it.
        boards.append(pilot.keras.callbacks.TensorBoard(log_dir=log_folder, write_graph=False))
    settings = {
        "initial_epoch": first_epoch,
        "epochs": epochs,
        "callbacks": callbacks + boards,
        "verbose": 0,
    }
    try:
        training.start_workers()
        if tensorflow.__version__.startswith("1."):
            pilot.net.fit_generator(
                training.batches(),
                steps_per_epoch=training.steps,
                validation_data=validation.batches(),
                validation_steps=validation.steps,
                **settings,
            )
        else:
            take_bytes(pilot.net, training, tensorflow)
            pilot.net.fit(
                training.dataset(tensorflow), validation_data=validation.dataset(tensorflow), **settings
            )
    except _Stopped:
        for board in boards:
            board.on_train_end(None)
    except Exception as error:
        if training.failure is not None:
            raise training.failure from error
        raise
    finally:
        training.stop_workers()


def _early_stop(keras: Any, config: Dict[str, Any], state: Optional[State]) -> List[Any]:
    """Keras's own rule, which went through the epochs before an interruption as well."""
    if not config.get("USE_EARLY_STOP", True):
        return []

    class EarlyStop(keras.callbacks.EarlyStopping):
        def on_train_begin(self, logs: Any = None) -> None:
            super().on_train_begin(logs)
            for epoch, val_loss in enumerate(state.history["val_loss"] if state else []):
                self.on_epoch_end(epoch, {"val_loss": val_loss})

    return [
        EarlyStop(
            monitor="val_loss",
            patience=config.get("EARLY_STOP_PATIENCE", 5),
            min_delta=config.get("MIN_DELTA", 0.0005),
        )
    ]


def _make_learned(
    keras: Any,
    state: Optional[State],
    *,
    epochs: int,
    images: int,
    stop: threading.Event,
    checkpoint: Optional[Checkpoint],
    deliver: Callable[[Fitted], Any],
) -> Any:
    class Learned(keras.callbacks.Callback):
        """What the epochs have come to: kept, delivered and told after each; listens for the stop."""

        def __init__(self) -> None:
            super().__init__()
            # It takes no number of a batch, so Keras 2 need not wait for the GPU after each (Keras 3 does).
            self._supports_tf_logs = True
            self.history: Dict[str, List[float]] = dict(state.history) if state else {}
            self.best_epoch = state.best_epoch if state else 0
            self.best_weights: List[Any] = state.best_weights if state else []
            self.seconds_before = state.seconds if state else 0.0
            self.started = self.epoch_started = time.time()
            self.is_first_batch = True

        @property
        def best_val_loss(self) -> float:
            return self.history["val_loss"][self.best_epoch - 1] if self.best_epoch else math.inf

        def fitted(self) -> Fitted:
            return Fitted(
                history=self.history,
                best_epoch=self.best_epoch,
                seconds=self.seconds_before + time.time() - self.started,
                images=images * len(self.history.get("loss", [])),
                stopped=stop.is_set(),
            )

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch_started = time.time()

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.is_first_batch:
                self.is_first_batch = False
                say(f"First step done after {time.time() - self.started:.1f} s")
            self._listen()

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self._listen()

        def _listen(self) -> None:
            if stop.is_set():
                raise _Stopped

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            best_val_loss = self.best_val_loss
            for name, value in logs.items():
                self.history.setdefault(name, []).append(float(value))
            loss, val_loss = self.history["loss"][-1], self.history["val_loss"][-1]
            seconds = time.time() - self.epoch_started
            if val_loss < best_val_loss:
                self.best_epoch = epoch + 1
                self.best_weights = self.model.get_weights()
                deliver(self.fitted())
            if checkpoint is not None:
                checkpoint.write(self._state(is_last=epoch + 1 == epochs))
            # Told last: who reads it knows that this epoch is safe.
            progress = Progress(
                epoch=epoch + 1,
                epochs=epochs,
                loss=loss,
                val_loss=val_loss,
                best_val_loss=self.best_val_loss,
                images=images,
                seconds=seconds,
            )
            print(format_progress(progress), flush=True)

        def _state(self, *, is_last: bool) -> State:
            return State(
                history=self.history,
                best_epoch=self.best_epoch,
                finished=is_last or bool(self.model.stop_training),
                seconds=self.fitted().seconds,
                weights=self.model.get_weights(),
                optimizer=get_optimizer_state(self.model),
                best_weights=self.best_weights,
            )

    return Learned()
