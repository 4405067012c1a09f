"""Before any work: the names and files of a training, and everything that is wrong with them."""

import datetime
import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from ..car import database
from ..car.car import Car, check_writable
from ..car.job import Plan
from ..car.model_files import default_model_path, is_keras_model, plan_models
from ..car.runtime import Runtime
from ..car.training_config import check_training_config
from ..errors import BadInput
from ..tubs.files import FolderFiles
from ..tubs.paths import find_tubs
from ..tubs.reader import Tub, read_tub
from ..tuning import TYPE

DEFAULT_MAX_EPOCHS = 100  # donkeycar's own


class NoTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no model {path} to transfer from.", "Give --transfer the path of a model that exists."
        )


class NotATransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not a model that Keras wrote.",
            "Give --transfer an .h5 or .keras file, or a SavedModel folder.",
        )


class LiteTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} cannot be trained further: a .tflite can only drive.",
            "Give --transfer the Keras model of the same name.",
        )


class SeveralInstances(BadInput):
    def __init__(self, count: int, place: str) -> None:
        super().__init__(
            f"SAGEMAKER_INSTANCE_COUNT is {count}, but {place} trains alone: a training can have several"
            " machines only on AWS.",
            "Add --instance-count=1 to the command, or set SAGEMAKER_INSTANCE_COUNT = 1 in myconfig.py.",
        )


class TrialsOnSeveral(BadInput):
    def __init__(self, count: int) -> None:
        super().__init__(
            f"SAGEMAKER_INSTANCE_COUNT is {count}, but the trials of one job share one machine.",
            "Add --instance-count=1 to the command, or give each trial a job of its own: --full.",
        )


class TrainOptions(NamedTuple):
    """What the command line of sagemaker-train asks for."""

    tub: Optional[str] = None
    model: Optional[str] = None
    model_type: Optional[str] = None
    transfer: Optional[str] = None
    comment: Optional[str] = None
    detach: bool = False
    dry_run: bool = False
    trials: Sequence[Dict[str, Any]] = ()  # settings to try in the job, by the names of SAGEMAKER_TUNE


def read_tubs(car: Car, named: Optional[str]) -> Dict[str, Tub]:
    """The tubs that --tub names, otherwise those in the car's DATA_PATH, by their paths.

    Raises:
        BadInput
    """
    found = find_tubs(named or "", default=car.data_path, car_path=car.path)
    return {tub.path: read_tub(FolderFiles(tub.path), name=tub.name, path=tub.path) for tub in found}


def make_plan(car: Car, tubs: Mapping[str, Tub], options: TrainOptions) -> Plan:
    """Decides on names and files.

    Raises:
        BadInput: something that was asked for cannot be done on this car.
    """
    check_instance_count(car)
    if options.trials and car.settings.instance_count > 1:
        raise TrialsOnSeveral(car.settings.instance_count)
    check_training_config(car.config.values, donkeycar=car.runtime.donkeycar)
    model_type = options.model_type or default_type(car)
    asked = car.resolve(options.model) if options.model else choose_model_path(car)
    files = plan_models(asked, model_type=model_type, runtime=car.runtime, config=car.config.values)
    check_writable(os.path.dirname(files.base))
    return Plan(
        model_type=model_type,
        base=files.base,
        models=files.models,
        tubs=list(tubs),
        transfer=find_transfer_model(car, options.transfer) if options.transfer else None,
        comment=options.comment,
        records=sum(tub.estimate_records() for tub in tubs.values()),
        max_epochs=max_epochs(car),
        trial_types=sorted({str(values[TYPE]) for values in options.trials if TYPE in values}),
    )


def max_epochs(car: Car) -> int:
    epochs = car.config.get("MAX_EPOCHS")
    return epochs if isinstance(epochs, int) else DEFAULT_MAX_EPOCHS


def check_instance_count(car: Car) -> None:
    """
    Raises:
        SeveralInstances
    """
    settings = car.settings
    if settings.instance_count > 1 and settings.backend != "aws":
        place = settings.host if settings.backend == "ssh" else "this machine"
        raise SeveralInstances(settings.instance_count, str(place))


def default_type(car: Car) -> str:
    """The model type where none is asked for: what the car's manage.py drives by default."""
    return car.config.get("DEFAULT_MODEL_TYPE") or _usual_type(car.runtime)


def _usual_type(runtime: Runtime) -> str:
    return "categorical" if runtime.donkeycar < (2, 5) else "linear"


def choose_model_path(car: Car) -> str:
    """donkeycar's own pilot_YY-MM-DD_N, with the ending where this donkeycar needs one."""
    existing = os.listdir(car.models_path) if os.path.isdir(car.models_path) else []
    path = default_model_path(
        car.models_path,
        today=datetime.date.today(),
        extension="",
        database_numbers=database.read_numbers(car.database_path),
        existing_names=existing + [job.plan.name for job in car.ledger.pending()],
    )
    return path + ".h5" if car.runtime.donkeycar < (3, 0) else path


def find_transfer_model(car: Car, named: str) -> str:
    """
    Raises:
        NoTransferModel, LiteTransferModel, NotATransferModel
    """
    path = car.resolve(named)
    if path.endswith(".tflite"):
        raise LiteTransferModel(car.display(path))
    if not os.path.exists(path):
        raise NoTransferModel(car.display(path))
    if not is_keras_model(path):
        raise NotATransferModel(car.display(path))
    return path
