"""Trials in one job: many settings are trained briefly, the best of them for longer, the best to the end.

The models are compared by a short drive along the tub, otherwise by their validation losses (successive
halving). Each trial is trained as a job with its settings would be, and continues where it was. Tubs and
pictures are read once for all of them.
"""

import math
import os
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from donkey_sagemaker.atomic import write_json
from donkey_sagemaker.contract import TRYING, driving_loss
from donkey_sagemaker.tuning import Trials, count_kept, describe_trials, objective
from donkey_sagemaker.untrusted_json import parse_json

from .checkpoint import Checkpoint, Shape, State
from .dataset import make_dataset
from .driving_proof import BriefProver
from .fit import NothingLearned, fit
from .job import Job, JobSource, make_job
from .log import log, muted
from .opt_ml import OptMl
from .pilots import new_pilot
from .reading import Inputs
from .tensorflow_versions import keras, set_seeds

CHOICE_NAME = "trial.json"  # in checkpoints/: what an interrupted job has chosen


class HeldState(Checkpoint):
    """A checkpoint that is held in memory."""

    def __init__(self, state: Optional[State] = None) -> None:
        self.state = state

    def write(self, state: State) -> None:
        self.state = state

    def read(self, weights: Sequence[Shape], optimizer: Sequence[Shape]) -> Optional[State]:
        return self.state


class Tried(NamedTuple):
    """A trial as it is now."""

    number: int  # counted from 1
    job: Job
    state: Optional[State] = None  # to continue from
    epochs: int = 0  # 0 if it has learned nothing
    val_loss: float = math.inf
    times_off_per_100_m: Optional[float] = None  # None if it has not driven
    mean_distance_m: Optional[float] = None
    steers: bool = False  # or how it drove says nothing about it

    @property
    def has_driven(self) -> bool:
        return self.times_off_per_100_m is not None

    @property
    def objective(self) -> float:
        drove = None
        if self.steers and self.times_off_per_100_m is not None and self.mean_distance_m is not None:
            drove = driving_loss(self.times_off_per_100_m, self.mean_distance_m)
        return objective(val_loss=self.val_loss, driving_loss=drove)

    def describe(self) -> str:
        """To go on from the trial's name."""
        if not self.epochs:
            return "learned nothing"
        drove = ""
        if self.times_off_per_100_m is not None:
            drove = f"off the line {self.times_off_per_100_m:.1f} times in 100 m, "
            drove += "" if self.steers else "as with constant steering, "
        return f"{drove}validation loss {self.val_loss:.4f} after {count(self.epochs, 'epoch')}"

    def summarize(self, trials: Trials) -> Dict[str, Any]:
        """For artifact.json."""
        return {
            "number": self.number,
            "settings": trials.trials[self.number - 1].description,
            "epochs": self.epochs,
            "val_loss": self.val_loss if self.epochs else None,
            "times_off_per_100_m": self.times_off_per_100_m,
        }


class Choice:
    """The number of the trial that an interrupted job has chosen, in checkpoints/ if the job has that."""

    def __init__(self, opt_ml: OptMl, trials: Trials) -> None:
        has_folder = os.path.isdir(opt_ml.checkpoints)
        self._path = os.path.join(opt_ml.checkpoints, CHOICE_NAME) if has_folder else None
        self._trials = describe_trials(trials)

    def read(self) -> Optional[int]:
        if self._path is None or not os.path.exists(self._path):
            return None
        try:
            with open(self._path, "rb") as file:
                choice = parse_json(file.read())
            number = choice["number"]
            numbers = range(1, len(self._trials["trials"]) + 1)
            if choice["trials"] != self._trials or type(number) is not int or number not in numbers:
                raise ValueError("it is of another tuning")
        except (OSError, KeyError, TypeError, ValueError) as error:
            log(f"The choice of an earlier run is ignored, and all trials begin again: {error}")
            return None
        return number

    def write(self, number: int) -> None:
        if self._path is not None:
            write_json(self._path, {"number": number, "trials": self._trials})


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def choose_trial(inputs: Inputs, opt_ml: OptMl, *, stop: threading.Event) -> Tuple[Inputs, Optional[State]]:
    """The inputs with the settings of the best trial, and its state so far, to continue from.

    Where the job is to try nothing, they stay as they are.

    An interrupted job that has chosen already does not try again; it has a checkpoint of its own.

    Raises:
        NothingLearned: by no trial.
        UnknownChoice
    """
    source = inputs.source
    trials = source.trials if source else None
    if source is None or trials is None:
        return inputs, None
    choice = Choice(opt_ml, trials)
    number, state, tried = choice.read(), None, []
    if number is None:
        ranked = try_all(source, trials, inputs, stop=stop)
        number, state = ranked[0].number, ranked[0].state
        tried = [each.summarize(trials) for each in ranked]
        choice.write(number)
    best = trials.trials[number - 1]
    log(f"The best is trial {number}: {best.description}. It is trained to the end")
    job = make_job(source, best.hyperparameters)._replace(tried=tried)
    return inputs._replace(job=job), state


def try_all(source: JobSource, trials: Trials, inputs: Inputs, *, stop: threading.Event) -> List[Tried]:
    """All trials as they are in the end, the best first.

    Raises:
        NothingLearned
    """
    prover = BriefProver()
    given_up: List[Tried] = []
    alive = [
        Tried(number, make_job(source, trial.hyperparameters))
        for number, trial in enumerate(trials.trials, 1)
    ]
    most = most_epochs(trials, alive[0].job)
    reached = 0
    for number, epochs in enumerate(trials.rounds):
        if number:
            kept = count_kept(len(alive))
            given_up, alive = [each._replace(state=None) for each in alive[kept:]] + given_up, alive[:kept]
        while reached < epochs and not stop.is_set():
            reached = epochs
            log(f"{TRYING} {count(len(alive), 'trial')}, up to epoch {epochs}")
            for place, tried in enumerate(alive):
                if stop.is_set():
                    break
                with muted():
                    alive[place] = train_on(tried, inputs, epochs=epochs, prover=prover, stop=stop)
                description = trials.trials[tried.number - 1].description
                log(f"Trial {tried.number}/{len(trials.trials)}: {alive[place].describe()}: {description}")
            if not any(each.steers for each in alive) and any(each.has_driven for each in alive):
                epochs = max(epochs, min(2 * epochs, most))  # too early to tell them apart
        alive.sort(key=lambda each: each.objective)
    if alive[0].epochs == 0 and stop.is_set():
        raise NothingLearned("it was stopped during the first epoch", "Start the tuning again.")
    if alive[0].epochs == 0:
        raise NothingLearned(
            "the validation loss was not a number in any trial",
            "Try lower values of LEARNING_RATE in SAGEMAKER_TUNE, or check the records for extreme values.",
        )
    return alive + given_up


def most_epochs(trials: Trials, job: Job) -> int:
    """For how many epochs all trials are trained if none of them learns to steer before."""
    return min(2 * trials.rounds[-1], int(job.config.get("MAX_EPOCHS", 100)) // 2)


def train_on(
    tried: Tried, inputs: Inputs, *, epochs: int, prover: BriefProver, stop: threading.Event
) -> Tried:
    """The trial after it was trained up to so many epochs, and has driven."""
    job = tried.job._replace(config=dict(tried.job.config, MAX_EPOCHS=epochs))
    keras.backend.clear_session()  # of the trial before
    set_seeds(job.seed)
    pilot = new_pilot(job)
    if job.transfer_path:
        pilot.load(job.transfer_path)
    pilot.compile()
    inputs = inputs._replace(job=job)
    dataset = make_dataset(pilot, inputs, keeps_pictures=True)
    held = HeldState(tried.state)
    try:
        fitted = fit(
            pilot.net,
            dataset.training_feed(seed=job.seed),
            dataset.feed(dataset.validation),
            config=job.config,
            log_folder="",
            stop=stop,
            checkpoint=held,
            deliver=lambda fitted: None,
            shows_progress=False,
        )
    except NothingLearned:
        return tried
    history = fitted.history["val_loss"]
    tried = tried._replace(state=held.state, epochs=len(history), val_loss=history[fitted.best_epoch - 1])
    brief = prover.prove(pilot, dataset, inputs, stop=stop)
    if brief is None or not brief.proof.metres:
        return tried._replace(times_off_per_100_m=None, mean_distance_m=None, steers=False)
    return tried._replace(
        times_off_per_100_m=100 * brief.proof.times_off / brief.proof.metres,
        mean_distance_m=brief.proof.mean_distance_m,
        steers=brief.steers,
    )
