"""The Keras callbacks of a training: early stop, a stop on request, and the record of its epochs."""

import math
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from donkey_sagemaker.contract import Progress, Step, format_progress, format_step
from donkey_sagemaker.tuning import format_objective, objective

from .checkpoint import Checkpoint, State
from .log import log
from .tensorflow_versions import get_optimizer_state, keras

STEP_S = 4.0  # between two lines about the running epoch


class Fitted(NamedTuple):
    """The result of the epochs so far."""

    history: Dict[str, List[float]]  # of each metric, by epoch
    best_epoch: int  # counted from 1
    seconds: float
    images: int  # training pictures seen in all epochs
    stopped: bool  # by SIGTERM, before the last epoch


class StopRequested(Exception):
    """Leaves Keras at once; its older versions would finish the epoch."""


class EarlyStop(keras.callbacks.EarlyStopping):
    """Keras's own rule, which also counts the epochs before an interruption.

    Args:
        config: EARLY_STOP_PATIENCE and MIN_DELTA, as in donkeycar.
        val_losses: of the epochs before the interruption.
    """

    def __init__(self, config: Dict[str, Any], *, val_losses: Sequence[float]) -> None:
        super().__init__(
            monitor="val_loss",
            patience=config.get("EARLY_STOP_PATIENCE", 5),
            min_delta=config.get("MIN_DELTA", 0.0005),
        )
        self.val_losses_before = val_losses

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        for epoch, val_loss in enumerate(self.val_losses_before):
            self.on_epoch_end(epoch, {"val_loss": val_loss})


class _BatchCallback(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        # They use no number of a batch, so Keras 2 need not wait for the GPU each time (Keras 3 does anyway).
        self._supports_tf_logs = True


class StopOnRequest(_BatchCallback):
    """Raises StopRequested after the running batch once `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.stop = stop

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.stop.is_set():
            raise StopRequested

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_batch_end(batch)


class EpochRecorder(_BatchCallback):
    """Records each epoch: delivers the model if it is the best so far, saves the state, prints the progress.

    It must come after EarlyStop, which decides whether an epoch is the last one.

    Args:
        state: of the checkpoint that this training continues from.
        images: training pictures per epoch.
        batches: of an epoch.
        deliver: called after each epoch that is the best so far, while the net has its weights.
        is_trial: print also the number by which SageMaker compares the trials of a tuning.
    """

    def __init__(
        self,
        state: Optional[State],
        *,
        epochs: int,
        images: int,
        batches: int,
        stop: threading.Event,
        checkpoint: Optional[Checkpoint],
        deliver: Callable[[Fitted], Any],
        shows_progress: bool = True,
        is_trial: bool = False,
    ) -> None:
        super().__init__()
        self.shows_progress = shows_progress
        self.is_trial = is_trial
        self.epochs = epochs
        self.images = images
        self.batches = batches
        self.stop = stop
        self.checkpoint = checkpoint
        self.deliver = deliver
        self.history: Dict[str, List[float]] = dict(state.history) if state else {}
        self.best_epoch = state.best_epoch if state else 0
        self.best_weights: List[Any] = state.best_weights if state else []
        self.seconds_before = state.seconds if state else 0.0
        self.started = self.epoch_started = self.step_printed = time.time()
        self.epoch = 0  # the running one, counted from 1
        self.rate_from = (self.started, 0)  # the time when so many of its batches were done
        self.is_first_batch = True

    @property
    def best_val_loss(self) -> float:
        return self.history["val_loss"][self.best_epoch - 1] if self.best_epoch else math.inf

    def fitted(self) -> Fitted:
        return Fitted(
            history=self.history,
            best_epoch=self.best_epoch,
            seconds=self.seconds_before + time.time() - self.started,
            images=self.images * len(self.history.get("loss", [])),
            stopped=self.stop.is_set(),
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch_started = self.step_printed = time.time()
        self.rate_from = (self.epoch_started, 0)
        self.epoch = epoch + 1

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.is_first_batch:
            self.is_first_batch = False
            log(f"First step done after {time.time() - self.started:.1f} s")
            self.rate_from = (time.time(), batch + 1)  # most of the first step is preparation
        now = time.time()
        if self.shows_progress and now - self.step_printed > STEP_S and batch:
            self.step_printed = now
            began, batches_before = self.rate_from
            batches_per_s = (batch + 1 - batches_before) / max(now - began, 1e-3)
            step = Step(
                epoch=self.epoch,
                epochs=self.epochs,
                batch=batch + 1,
                batches=self.batches,
                images_per_s=batches_per_s * self.images / self.batches,
                left_s=(self.batches - batch - 1) / batches_per_s,
            )
            print(format_step(step), flush=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        best_val_loss = self.best_val_loss
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        loss, val_loss = self.history["loss"][-1], self.history["val_loss"][-1]
        seconds = time.time() - self.epoch_started
        if val_loss < best_val_loss:
            self.best_epoch = epoch + 1
            self.best_weights = self.model.get_weights()
            self.deliver(self.fitted())
        if self.checkpoint is not None:
            self.checkpoint.write(self._state())
        if not self.shows_progress:
            return
        # The line comes last, so whoever reads it knows that this epoch is safe.
        progress = Progress(
            epoch=epoch + 1,
            epochs=self.epochs,
            loss=loss,
            val_loss=val_loss,
            best_val_loss=self.best_val_loss,
            images=self.images,
            seconds=seconds,
        )
        if self.is_trial and math.isfinite(self.best_val_loss):
            print(format_objective(objective(val_loss=self.best_val_loss, driving_loss=None)), flush=True)
        print(format_progress(progress), flush=True)

    def _state(self) -> State:
        return State(
            history=self.history,
            best_epoch=self.best_epoch,
            finished=bool(self.model.stop_training),
            seconds=self.fitted().seconds,
            weights=self.model.get_weights(),
            optimizer=get_optimizer_state(self.model),
            best_weights=self.best_weights,
        )
