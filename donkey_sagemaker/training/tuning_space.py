"""SAGEMAKER_TUNE as the trainer's hyperparameters, checked beforehand."""

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..car.car import Car
from ..car.check import NAMES_OF_PILOTS
from ..car.job import Plan
from ..car.model_files import plan_models
from ..car.overrides import override
from ..car.runtime import bare_type
from ..car.training_config import NAMES_OF_TRANSFORMATIONS, check_training_config
from ..cloud.request import HYPERPARAMETERS
from ..contract import decode_hyperparameters
from ..errors import BadInput
from ..setting_kinds import AUTO
from ..settings import SETTINGS, Setting
from ..tuning import TYPE, Parameter, Trial, Trials, describe_trials, make_parameter, plan_rounds
from .tune_space import Space, complete, describe_values

MOST_CHARS = 256  # of a value, as JSON
_FIXED = ("driving_proof",)  # or the results could not be compared
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}


class CannotTune(BadInput):
    """
    Args:
        why: a clause.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"A tuning cannot try values of {name}: {why}.",
            "Change or remove it in SAGEMAKER_TUNE in myconfig.py, or give each trial a job of its own on"
            " this machine: --full --local.",
        )


class NeededToDrive(BadInput):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"A tuning cannot try values of {name}: the car itself must have the same when it drives.",
            f"Remove it from SAGEMAKER_TUNE, set {name} in myconfig.py, and train once with each value.",
        )


def check_space(space: Space) -> None:
    """Checks what no kind of tuning can try.

    Raises:
        NeededToDrive, CannotTune
    """
    for name in space:
        if name in NAMES_OF_PILOTS or name in NAMES_OF_TRANSFORMATIONS:
            raise NeededToDrive(name)
    for value in space.get(TYPE, []):
        _check_type(value)


class TuningSpace(NamedTuple):
    """What a tuning tries, by the trainer's names."""

    parameters: Dict[str, Parameter]
    fixed: Dict[str, Any]  # hyperparameters that are the same in all trials
    models: Dict[str, List[Tuple[str, str]]]  # (ending, format) of the files of each type

    @property
    def stops_early(self) -> bool:
        """Not where there are several types, whose losses cannot be compared."""
        return TYPE not in self.parameters

    def describe(self, plan: Plan) -> Dict[str, Any]:
        """For the trainer, in job.json."""
        return {"parameters": self.parameters, "models": _name_files(self.models, plan)}


def make_tuning_space(car: Car, space: Space, plan: Plan) -> TuningSpace:
    """
    Args:
        plan: of a trial with the car's own settings.
    Raises:
        BadInput: a value that a trial could not have; those of sagemaker-train for wrong settings.
    """
    parameters: Dict[str, Parameter] = {}
    fixed = {name: value for name, value in complete(space, car).items() if name not in space}
    models = {}
    for name, choices in space.items():
        values = choices if isinstance(choices, list) else list(choices)
        for value in values:
            _check_value(car, name, value)
        if name == TYPE:
            models = {each: plan_of_trial(car, plan, each).models for each in values}
        hyperparameter = _hyperparameter(name)
        if isinstance(choices, list) and len(choices) == 1:
            fixed[hyperparameter] = choices[0]
        else:
            parameters[hyperparameter] = make_parameter(choices)
    if not parameters:
        raise CannotTune(", ".join(space) or TYPE, "there is only one value of each")
    return TuningSpace(parameters, fixed, models)


def make_trials(car: Car, plan: Plan, trials: Sequence[Mapping[str, Any]], *, epochs: int) -> Dict[str, Any]:
    """What one job is to try, for job.json.

    Args:
        plan: of a training with the car's own settings.
        trials: what each tries, by the names of SAGEMAKER_TUNE.
        epochs: that a whole training is likely to take.
    Raises:
        BadInput: as make_tuning_space.
    """
    listed, models = [], {}
    for values in trials:
        for name, value in values.items():
            _check_value(car, name, value)
        if TYPE in values:
            models[values[TYPE]] = plan_of_trial(car, plan, values[TYPE]).models
        sent = {_hyperparameter(name): value for name, value in complete(values, car).items()}
        listed.append(Trial(describe_values(values), sent))
    split = car.config.get("TRAIN_TEST_SPLIT")
    part = split if isinstance(split, float) and 0 < split < 1 else 0.8
    rounds = plan_rounds(epochs, examples=int(part * plan.records))
    return dict(describe_trials(Trials(listed, rounds)), models=_name_files(models, plan))


def with_largest_batch(config: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """The config of the trial that needs most memory."""
    sizes = [values.get("BATCH_SIZE", config.get("BATCH_SIZE")) for values in trials]
    known = [size for size in sizes if isinstance(size, int)]
    return dict(config, **({"BATCH_SIZE": max(known)} if known else {}))


def trained_plan(car: Car, plan: Plan, model_type: Optional[str]) -> Plan:
    """The plan of a job that has tried several types, once it has chosen this one.

    Raises:
        UnsupportedType
    """
    if model_type not in plan.trial_types:
        return plan
    return plan_of_trial(car, plan, model_type)


def read_values(texts: Mapping[str, str]) -> Dict[str, Any]:
    """What a trial tries, by the names of SAGEMAKER_TUNE.

    Args:
        texts: its tuned hyperparameters, as SageMaker returns them.
    """
    names = {name: _setting_of(attribute).variable for attribute, name in HYPERPARAMETERS.items()}
    return {names.get(name, name): value for name, value in decode_hyperparameters(dict(texts)).items()}


def plan_of_trial(car: Car, plan: Plan, model_type: Optional[str]) -> Plan:
    """The plan of a trial whose model is of that type, with the files that a training of it would make.

    Raises:
        UnsupportedType
    """
    if model_type is None or bare_type(model_type) == bare_type(plan.model_type):
        return plan
    asked = plan.base + plan.models[0][0]
    files = plan_models(asked, model_type=model_type, runtime=car.runtime, config=car.config.values)
    return plan._replace(model_type=model_type, models=files.models)


def _name_files(models: Mapping[str, List[Tuple[str, str]]], plan: Plan) -> Dict[str, List[Tuple[str, str]]]:
    """(name, format) of the files of each type, from (ending, format)."""
    return {
        model_type: [(plan.name + ending, form) for ending, form in files]
        for model_type, files in models.items()
    }


def _check_value(car: Car, name: str, value: Any) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CannotTune(name, f"{value!r:.60} cannot be sent ({error})") from error
    if len(text) > MOST_CHARS:
        raise CannotTune(name, f"{value!r:.60}... is longer than {MOST_CHARS} characters")
    if name == TYPE:
        _check_type(value)
        return
    setting = _BY_VARIABLE.get(name)
    if setting:
        _hyperparameter(name)
        if value == AUTO or not setting.kind.accepts(value):
            raise CannotTune(name, f"{value!r:.60} is not {setting.kind.expected}")
        return
    values = override(car.config, {name: value}).values
    check_training_config(values, donkeycar=car.runtime.donkeycar)


def _check_type(value: Any) -> None:
    if not isinstance(value, str) or bare_type(value) != value:
        raise CannotTune(TYPE, f"{value!r:.60} is not a type without a prefix, such as linear")


def _hyperparameter(name: str) -> str:
    """The trainer's name.

    Raises:
        CannotTune: it is a setting that the trainer does not read.
    """
    setting = _BY_VARIABLE.get(name)
    if setting is None:
        return name
    if setting.attribute not in HYPERPARAMETERS or setting.attribute in _FIXED:
        raise CannotTune(name, "all trials of a tuning have the same one")
    return HYPERPARAMETERS[setting.attribute]


def _setting_of(attribute: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.attribute == attribute)
