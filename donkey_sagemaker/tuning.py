"""The trials of a tuning: what car and container agree on. Standard library only.

SageMaker chooses a value of each parameter and passes it as a hyperparameter. Both sides accept only values
of the parameters that the car has written into job.json. SageMaker compares trials by one number, which the
trainer prints. The trials of one job, by contrast, are all listed in its job.json.
"""

import json
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

TYPE = "DEFAULT_MODEL_TYPE"  # the parameter that is the type of the model
METRIC = "objective"
METRIC_REGEX = r"objective=(\S+)"

# Any model that drove is better than one that did not. SageMaker keeps 32 bits of each number, so the two
# ranges must be close; logarithms keep them apart, whatever the loss is.
_NOT_DRIVEN = 20.0
_LOG_FROM = 10.0  # times the lower end of a range: from there on, values are spread by their magnitude
_ROUNDING = 1e-6  # a number of a range may leave it by so much of its end, in AWS's decimals

Parameter = Dict[str, Any]  # {"values": [...]}, or {"low": ..., "high": ...}, whole numbers if both are


# After these parts of a whole training, the trials of one job are compared, and a KEPT_PART of them goes on
BRIEFLY, LONGER = 0.05, 0.2
KEPT_PART = 0.25
FEWEST_PICTURES = 1200  # after which some nets steer, in batches of 32


class Trial(NamedTuple):
    """Settings to try in a job."""

    description: str  # for messages
    hyperparameters: Dict[str, Any]  # in place of the job's own


class Trials(NamedTuple):
    """All that one job tries."""

    trials: List[Trial]
    rounds: List[int]  # after so many epochs they are compared, and some of them go on


class WrongParameters(Exception):
    """The hyperparameters of a trial are not those of its tuning. The text is a clause."""


def objective(*, val_loss: Optional[float], driving_loss: Optional[float]) -> float:
    """The lower the better: how a model drove, otherwise its validation loss; infinite without either."""
    if driving_loss is not None and math.isfinite(driving_loss):
        return math.log1p(max(driving_loss, 0.0))
    if val_loss is not None and math.isfinite(val_loss):
        return _NOT_DRIVEN + math.log1p(max(val_loss, 0.0))
    return math.inf


def format_objective(value: float) -> str:
    """The line for METRIC_REGEX; SageMaker takes the last one as the trial's result."""
    return f"objective={value:.9g}"


def is_wide(low: float, high: float) -> bool:
    """Whether the values of a range are spread by their magnitude."""
    return low > 0 and high / low >= _LOG_FROM


def plan_rounds(epochs: int, *, examples: int) -> List[int]:
    """After how many epochs the trials of a job are compared.

    Args:
        epochs: that a whole training is likely to take.
        examples: of an epoch; 0 where that is not known.
    """
    fewest = math.ceil(FEWEST_PICTURES / examples) if examples else 1
    brief = max(int(BRIEFLY * epochs), fewest)
    rounds = (brief, max(int(LONGER * epochs), 2 * brief))
    return sorted({min(each, max(1, epochs // 2)) for each in rounds})


def count_kept(trials: int) -> int:
    """How many of so many trials go on after a comparison that is not the last one."""
    return max(1, math.ceil(KEPT_PART * trials))


def count_trial_epochs(trials: int, rounds: Sequence[int]) -> int:
    """How many epochs the trials of a job take beside those of the model, which continues one of them."""
    total, before = 0, 0
    for epochs in rounds:
        total += trials * (epochs - before)
        trials, before = count_kept(trials), epochs
    return total - before


def describe_trials(trials: Trials) -> Dict[str, Any]:
    """For job.json."""
    return {"trials": [list(trial) for trial in trials.trials], "rounds": trials.rounds}


def read_trials(tuning: Mapping[str, Any]) -> Optional[Trials]:
    """The same from job.json; None if the job tries nothing."""
    if "trials" not in tuning:
        return None
    return Trials([Trial(*each) for each in tuning["trials"]], list(tuning["rounds"]))


def make_parameter(choices: Any) -> Parameter:
    """
    Args:
        choices: as in SAGEMAKER_TUNE: a list of values, or (lowest, highest).
    """
    if isinstance(choices, list):
        return {"values": choices}
    low, high = choices
    return {"low": low, "high": high}


def choose_tuned(parameters: Mapping[str, Parameter], hyperparameters: Mapping[str, Any]) -> Dict[str, Any]:
    """The value of each parameter in this trial.

    Args:
        hyperparameters: decoded; any others are left out.
    Raises:
        WrongParameters: a value is missing, or it is none that the parameter can have.
    """
    tuned = {}
    for name, parameter in parameters.items():
        if name not in hyperparameters:
            raise WrongParameters(f"{name} is missing")
        value = hyperparameters[name]
        if not _is_possible(value, parameter):
            raise WrongParameters(f"{name} cannot be {value!r:.60}")
        tuned[name] = value
    return tuned


def _is_possible(value: Any, parameter: Parameter) -> bool:
    if "values" in parameter:
        return any(_text(value) == _text(each) for each in parameter["values"])
    low, high = parameter["low"], parameter["high"]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(low, int) and isinstance(high, int):
        return isinstance(value, int) and low <= value <= high
    slack = _ROUNDING * max(abs(low), abs(high))
    return bool(low - slack <= value <= high + slack)


def _text(value: Any) -> str:
    """Equal for equal values of the same type only: True is not 1."""
    return json.dumps(value, sort_keys=True)
