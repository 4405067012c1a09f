"""Training itself: stops early or on request, continues from a checkpoint, ends with the best weights."""

import importlib.util
import threading
from typing import Any, Callable, Dict, List, Optional

from donkey_sagemaker.errors import JobFailed

from .callbacks import EarlyStop, EpochRecorder, Fitted, StopOnRequest, StopRequested
from .checkpoint import Checkpoint, State
from .feed import Feed
from .log import log
from .replicas import Replicas
from .tensorflow_versions import get_optimizer_state, keras, run_fit, set_optimizer_state


class NothingLearned(JobFailed):
    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"The training produced no model: {why}.", fix)


def fit(
    net: Any,
    training: Feed,
    validation: Feed,
    *,
    config: Dict[str, Any],
    log_folder: str,
    stop: threading.Event,
    checkpoint: Optional[Checkpoint],
    deliver: Callable[[Fitted], Any],
    replicas: Optional[Replicas] = None,
    shows_progress: bool = True,
    is_trial: bool = False,
) -> Fitted:
    """Trains a compiled net as donkeycar does, and leaves it with the weights of its best epoch.

    Args:
        config: MAX_EPOCHS, USE_EARLY_STOP, EARLY_STOP_PATIENCE and MIN_DELTA, as in donkeycar.
        log_folder: for TensorBoard.
        stop: ends the training after the running batch. An epoch that it interrupts does not count.
        checkpoint: holds the state after each epoch. Training continues from it if there is one already.
        deliver: called after each epoch that is the best so far, while the net has its weights.
        replicas: made the net, and trains it on several devices.
        shows_progress: whether to print each epoch and write TensorBoard's files.
        is_trial: whether SageMaker compares this training with others.
    Raises:
        NothingLearned: it was stopped during the first epoch, or the validation loss is never a number.
    """
    epochs = int(config.get("MAX_EPOCHS", 100))
    state = _restore(net, checkpoint)
    recorder = EpochRecorder(
        state,
        epochs=epochs,
        images=len(training.examples),
        batches=training.steps,
        stop=stop,
        checkpoint=checkpoint,
        deliver=deliver,
        shows_progress=shows_progress,
        is_trial=is_trial,
    )
    if state is not None:
        log(f"Continuing from the checkpoint after epoch {state.epochs}")
        if recorder.best_weights:
            net.set_weights(recorder.best_weights)
            deliver(recorder.fitted())
            net.set_weights(state.weights)
    if state is None or not (state.finished or state.epochs >= epochs):
        callbacks = [StopOnRequest(stop), recorder]
        if config.get("USE_EARLY_STOP", True):
            callbacks.insert(0, EarlyStop(config, val_losses=state.history["val_loss"] if state else []))
        _run(
            net,
            training,
            validation,
            first_epoch=state.epochs if state else 0,
            epochs=epochs,
            callbacks=callbacks,
            log_folder=log_folder if shows_progress else None,
            run=replicas.run_fit if replicas else run_fit,
        )
    if not recorder.best_weights:
        if stop.is_set():
            raise NothingLearned("it was stopped during the first epoch", "Start the training again.")
        raise NothingLearned(
            "the validation loss was not a number in any epoch",
            'Set OPTIMIZER = "adam" and LEARNING_RATE = 0.0003 in myconfig.py, or check the records for'
            " extreme values.",
        )
    net.set_weights(recorder.best_weights)
    return recorder.fitted()


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
    net: Any,
    training: Feed,
    validation: Feed,
    *,
    first_epoch: int,
    epochs: int,
    callbacks: List[Any],
    log_folder: Optional[str],
    run: Callable[..., None],
) -> None:
    boards = []
    if log_folder and importlib.util.find_spec("tensorboard"):  # TensorFlow 2.21 no longer installs it
        # write_graph would run the net once more, only to draw it.
        boards.append(keras.callbacks.TensorBoard(log_dir=log_folder, write_graph=False))
    try:
        training.start_workers()
        run(
            net,
            training,
            validation,
            initial_epoch=first_epoch,
            epochs=epochs,
            callbacks=callbacks + boards,
            verbose=0,
        )
    except StopRequested:
        for board in boards:
            board.on_train_end(None)
    except Exception as error:
        if training.failure is not None:
            raise training.failure from error
        raise
    finally:
        training.stop_workers()
