"""What sagemaker-tune tries: the settings, their values, and which result is better."""

import math
import random
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..car.car import Car
from ..car.job import Bill, Job
from ..contract import DONKEYCAR, ROBUST, driving_loss
from ..errors import BadInput
from ..tuning import TYPE, is_wide, objective

Space = Mapping[str, Any]  # name -> a list of values, or (lowest, highest)


class NoOptuna(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "sagemaker-tune chooses what to try with Optuna, which is not installed in this Python.",
            "Install it: `pip install optuna`.",
        )


def default_space(car: Car) -> Dict[str, Any]:
    """For a car that has no SAGEMAKER_TUNE."""
    space: Dict[str, Any] = {
        "LEARNING_RATE": (0.0003, 0.01),
        "BATCH_SIZE": [32, 64, 128, 256],
        TYPE: ["linear", "categorical"],
        "SAGEMAKER_SLIDE": [0, 1, 2],
        "SAGEMAKER_RECIPE": [DONKEYCAR, ROBUST],
    }
    if car.runtime.donkeycar >= (5, 0):
        space["AUGMENTATIONS"] = [[], ["BRIGHTNESS", "BLUR"]]
    return space


def complete(values: Mapping[str, Any], car: Car) -> Dict[str, Any]:
    """What else has to be set: donkeycar ignores LEARNING_RATE unless OPTIMIZER names one."""
    needs_optimizer = "LEARNING_RATE" in values and not (
        values.get("OPTIMIZER") or car.config.get("OPTIMIZER")
    )
    return dict(values, OPTIMIZER="adam") if needs_optimizer else dict(values)


class Result(NamedTuple):
    """A trial that has ended; None where something is not known."""

    number: int
    values: Dict[str, Any]
    job: Job
    bill: Bill
    epochs: Optional[int] = None
    val_loss: Optional[float] = None
    times_off_per_100_m: Optional[float] = None
    mean_distance_m: Optional[float] = None
    has_model: bool = False
    was_stopped: bool = False
    reason: str = ""  # for a failure, as the cloud reports it

    @property
    def objective(self) -> float:
        """The lower the better; infinite if nothing is known."""
        drove = None
        if self.times_off_per_100_m is not None and self.mean_distance_m is not None:
            drove = driving_loss(self.times_off_per_100_m, self.mean_distance_m)
        return objective(val_loss=self.val_loss, driving_loss=drove)


def rank(results: Sequence[Result]) -> List[Result]:
    """The best first; those without a model last."""
    return sorted(results, key=lambda each: (not each.has_model, each.objective, each.number))


def draw_trials(space: Space, count: int, *, seed: int) -> List[Dict[str, Any]]:
    """What each trial tries. The first one has the car's own settings.

    The others cover each setting evenly: every value of a list comes equally often, and a range is cut into
    as many parts as there are trials, of which each gets one (a Latin hypercube). What comes twice, where
    there are few values, is left out.
    """
    others = count - 1
    chance = random.Random(seed)
    columns = {}
    for name, choices in space.items():
        parts = [(part + chance.random()) / others for part in range(others)]
        columns[name] = [_value_at(part, choices) for part in parts]
        chance.shuffle(columns[name])
    trials: List[Dict[str, Any]] = [{}]
    for place in range(others):
        values = {name: columns[name][place] for name in space}
        if values not in trials:
            trials.append(values)
    return trials


def _value_at(part: float, choices: Any) -> Any:
    """The value of a setting at this part of its list or range, from 0 to below 1."""
    if isinstance(choices, list):
        return choices[min(int(part * len(choices)), len(choices) - 1)]
    low, high = choices
    are_whole = isinstance(low, int) and isinstance(high, int)
    end = high + 1 if are_whole else high
    value = low * (end / low) ** part if is_wide(low, high) else low + (end - low) * part
    return min(int(value), high) if are_whole else value


class Chooser:
    """Chooses the values of each trial from the results of those before. The first one has the car's own.

    Raises:
        NoOptuna
    """

    def __init__(self, space: Space, *, seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise NoOptuna from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._space = space
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
        )
        self._trials: Dict[int, Any] = {}

    def choose(self, number: int) -> Dict[str, Any]:
        """The values of trial `number`, which counts from 1."""
        if number == 1:
            return {}
        trial = self._trials[number] = self._study.ask()
        return {name: self._suggest(trial, name, choices) for name, choices in self._space.items()}

    def _suggest(self, trial: Any, name: str, choices: Any) -> Any:
        if isinstance(choices, list):
            return choices[trial.suggest_categorical(name, list(range(len(choices))))]
        low, high = choices
        by_magnitude = is_wide(low, high)
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, log=by_magnitude)
        return trial.suggest_float(name, low, high, log=by_magnitude)

    def is_hopeless(self, number: int, epoch: int, val_loss: float) -> bool:
        """Whether to stop a trial after that epoch, as most others were better by then.

        The losses of models of different types cannot be compared, so none is stopped where both are tried.
        """
        trial = self._trials.get(number)
        if trial is None or TYPE in self._space or not math.isfinite(val_loss):
            return False
        trial.report(val_loss, epoch)
        return bool(trial.should_prune())

    def learn(self, number: int, objective: float, *, was_stopped: bool) -> None:
        trial = self._trials.pop(number, None)
        states = self._optuna.trial.TrialState
        if trial is None:
            return
        if was_stopped:
            self._study.tell(trial, state=states.PRUNED)
        elif math.isfinite(objective):
            self._study.tell(trial, objective)
        else:
            self._study.tell(trial, state=states.FAIL)


def describe_values(values: Mapping[str, Any]) -> str:
    if not values:
        return "the car's own settings"
    return ", ".join(f"{name}={_short(value)}" for name, value in values.items())


def describe_space(space: Space) -> str:
    parts = []
    for name, choices in space.items():
        is_list = isinstance(choices, list)
        values = ", ".join(map(str, choices)) if is_list else f"{choices[0]:g} to {choices[1]:g}"
        parts.append(f"{name}: {values}")
    return "; ".join(parts)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
