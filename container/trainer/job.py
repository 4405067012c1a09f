"""Reads what this job has to do: hyperparameters, job.json and the car's own config."""

import contextlib
import json
import os
import sys
from types import MappingProxyType
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from donkey_sagemaker import contract
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tuning import TYPE, Trials, WrongParameters, choose_tuned, read_trials

from .opt_ml import JobUnreadable, OptMl
from .views import Camera


class UnknownChoice(BadInput):
    """The car is newer than this trainer."""

    def __init__(self, name: str, value: Any, *, known: Sequence[str]) -> None:
        super().__init__(
            f"This trainer does not know the {name} {value!r}.",
            f"Set SAGEMAKER_{name.upper()} to one of {', '.join(known)}, or update the training image.",
        )


class WrongTrial(BadInput):
    def __init__(self, why: str) -> None:
        super().__init__(
            f"This is no trial of the tuning that the car has launched: {why}.",
            "Start the tuning again with `python manage.py sagemaker-tune`.",
        )


class Job(NamedTuple):
    """Everything that the trainer needs to know, except the records."""

    name: str  # base name of the model's files
    model_type: str  # without a tflite_ or tensorrt_ prefix
    models: List[Tuple[str, str]]  # wanted (file name, format); the first is required
    transfer_path: Optional[str]  # the model to start from
    slide: int
    min_throttle: Optional[float]
    floor_throttle: Optional[float]
    autopilot: str  # of records that it drove: "skip", "pilot" or "user"
    seed: int
    tub_paths: Dict[str, str]  # the user's own path of each tub, for messages
    config: Dict[str, Any]  # UPPER_CASE values of config.py, myconfig.py and the hyperparameters
    car_versions: Dict[str, str] = {}  # of the car's packages, by distribution name
    takeover_weight: int = 1  # how many times the records after a takeover count
    validation: str = contract.FRAMES  # one of contract.VALIDATIONS
    recipe: str = contract.DONKEYCAR  # one of contract.RECIPES
    camera: Camera = Camera(**contract.CAMERA)
    turning_radius_m: Optional[float] = None  # None: as the tub shows it
    driving_proof: bool = False  # whether the finished model drives along the tub
    lane_m: float = contract.LANE_M
    tuned: Dict[str, Any] = {}  # what SageMaker has chosen, if this is a trial of a tuning
    trial: Dict[str, Any] = {}  # what this job has chosen from its trials
    tried: Optional[List[Dict[str, Any]]] = None  # the results of those, the best first


class JobSource(NamedTuple):
    """What the car and SageMaker have given the job."""

    car: str  # the folder of channel `car`
    description: Dict[str, Any]  # job.json
    hyperparameters: Dict[str, Any]
    config: Dict[str, Any]

    @property
    def trials(self) -> Optional[Trials]:
        """Settings to try in this job, if it is to do so."""
        return read_trials(self.description.get("tuning", {}))


def read_source(opt_ml: OptMl) -> JobSource:
    """Reads channel `car` and the hyperparameters.

    Raises:
        JobUnreadable: job.json is missing or damaged, or the config raises an error.
    """
    car = opt_ml.channel(contract.CAR_CHANNEL)
    description = _read_description(os.path.join(car, contract.JOB_NAME))
    config = _read_config(car, description.get("custom_modules", {}))
    return JobSource(car, description, opt_ml.hyperparameters(), config)


def read_job(opt_ml: OptMl) -> Job:
    """As read_source and make_job.

    Raises:
        JobUnreadable, UnknownChoice, WrongTrial
    """
    return make_job(read_source(opt_ml))


def make_job(source: JobSource, trial: Mapping[str, Any] = MappingProxyType({})) -> Job:
    """
    Args:
        trial: hyperparameters in place of the job's own.
    Raises:
        UnknownChoice, WrongTrial
    """
    description, hyperparameters = source.description, {**source.hyperparameters, **trial}
    config = dict(source.config)
    config.update({name: value for name, value in hyperparameters.items() if name.isupper()})
    transfer = description.get("transfer")
    tuning = description.get("tuning", {})
    tuned = _choose_tuned(tuning, hyperparameters)
    model_type = {**tuned, **trial}.get(TYPE, description["type"])
    models = tuning.get("models", {}).get(model_type, description["models"])
    return Job(
        name=os.path.basename(description["name"]),
        model_type=model_type,
        models=[(os.path.basename(name), form) for name, form in models],
        transfer_path=os.path.join(source.car, os.path.basename(transfer)) if transfer else None,
        slide=int(hyperparameters.get("with_slide") or 0),
        min_throttle=hyperparameters.get("min_throttle"),
        floor_throttle=hyperparameters.get("floor_throttle"),
        autopilot=hyperparameters.get("autopilot", "user"),  # which is all that earlier versions did
        seed=int(hyperparameters.get("seed", 1)),
        tub_paths=dict(description.get("tubs", {})),
        config=config,
        car_versions=dict(description.get("car", {}).get("versions", {})),
        # The first of each is what earlier versions did
        takeover_weight=int(hyperparameters.get("takeover_weight", 1)),
        validation=_choose(hyperparameters, "validation", contract.VALIDATIONS),
        recipe=_choose(hyperparameters, "recipe", contract.RECIPES),
        camera=Camera(**dict(contract.CAMERA, **(hyperparameters.get("camera") or {}))),
        turning_radius_m=hyperparameters.get("turning_radius_m"),
        driving_proof=bool(hyperparameters.get("driving_proof", False)),
        lane_m=float(hyperparameters.get("lane_m") or contract.LANE_M),
        tuned=tuned,
        trial=dict(trial),
    )


def _choose_tuned(tuning: Dict[str, Any], hyperparameters: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return choose_tuned(tuning.get("parameters", {}), hyperparameters)
    except WrongParameters as error:
        raise WrongTrial(str(error)) from error


def _choose(hyperparameters: Dict[str, Any], name: str, known: Sequence[str]) -> str:
    """The value of a hyperparameter, the first known one if there is none.

    Raises:
        UnknownChoice
    """
    value = hyperparameters.get(name, known[0])
    if value not in known:
        raise UnknownChoice(name, value, known=known)
    return str(value)


def _read_description(path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            description = json.load(file)
        for name, kind in (("name", str), ("type", str), ("models", list)):
            if not isinstance(description[name], kind):
                raise ValueError(f"{name!r} is not a {kind.__name__}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobUnreadable(path, repr(error)) from error
    return description


def _read_config(car: str, custom_modules: Dict[str, str]) -> Dict[str, Any]:
    """Runs config.py, then myconfig.py, which overrides it, as every donkeycar does.

    Both find what lies beside them, as they do in the car's folder.
    """
    config: Dict[str, Any] = {}
    if car not in sys.path:
        sys.path.insert(0, car)  # for good: a function of the config may import when it is called
    for name in (contract.CONFIG_NAME, contract.MYCONFIG_NAME):
        path = os.path.join(car, name)
        if not os.path.exists(path):
            continue
        names: Dict[str, Any] = {"__file__": path, "__name__": "config"}
        with open(path, "rb") as file:
            source = file.read()
        try:
            with _working_in(car):
                exec(compile(source, path, "exec"), names)
        except Exception as error:  # the owner's own code may raise anything
            raise JobUnreadable(path, f"{type(error).__name__}: {error}") from error
        config.update({key: value for key, value in names.items() if key.isupper()})
    # The module of a custom transformation is beside the config here, whatever its path on the car.
    for key, file_name in custom_modules.items():
        config[key] = os.path.join(car, os.path.basename(file_name))
    return config


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
