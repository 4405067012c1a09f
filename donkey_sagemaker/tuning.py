"""The trials of a SageMaker tuning job: what car and container agree on.

SageMaker chooses a value of each parameter and passes it as a hyperparameter. Both sides accept only values
of the parameters that the car has written into job.json. SageMaker compares trials by one number, which the
trainer prints. Standard library only.
"""

import json
import math
from typing import Any, Dict, Mapping, Optional

TYPE = "DEFAULT_MODEL_TYPE"  # the parameter that is the type of the model
METRIC = "objective"
METRIC_REGEX = r"objective=(\S+)"

# Any model that drove is better than one that did not. SageMaker keeps 32 bits of each number, so the two
# ranges must be close; logarithms keep them apart, whatever the loss is.
_NOT_DRIVEN = 20.0
_LOG_FROM = 10.0  # times the lower end of a range: from there on, values are spread by their magnitude
_ROUNDING = 1e-6  # a number of a range may leave it by so much of its end, in AWS's decimals

Parameter = Dict[str, Any]  # {"values": [...]}, or {"low": ..., "high": ...}, whole numbers if both are


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
