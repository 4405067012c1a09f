"""Before any work: the names and files of a training, and whatever is wrong with them."""

import datetime
import os
import time
from typing import Any, NamedTuple, Optional

from ..car import database, ledger
from ..car.car import Car, check_writable
from ..car.ledger import Launch
from ..car.model_files import default_model_path, plan_models
from ..car.runtime import Runtime
from ..cloud.request import make_job_name
from ..errors import BadInput


class NoTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no model {path} to transfer from.", "Give --transfer a model that exists."
        )


class LiteTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} cannot be trained further: a .tflite is for driving alone.",
            "Give --transfer the model of the same name that Keras wrote.",
        )


class Wish(NamedTuple):
    """What the command line asks for."""

    tub: Optional[str]
    model: Optional[str]
    model_type: Optional[str]
    transfer: Optional[str]
    comment: Optional[str]
    detach: bool
    dry_run: bool


def plan_launch(car: Car, cloud: Any, runtime: Runtime, wish: Wish) -> Launch:
    """Names and files of this training; whatever is wrong with them is found here, before any work.

    Raises:
        BadInput
    """
    model_type = wish.model_type or car.config.get("DEFAULT_MODEL_TYPE") or default_type(runtime)
    if wish.model:
        asked = os.path.join(car.path, os.path.expanduser(wish.model))
    else:
        asked = default_model_path(
            car.models_path,
            today=datetime.date.today(),
            extension="",
            database_numbers=database.read_numbers(car.database_path),
            existing_names=os.listdir(car.models_path) if os.path.isdir(car.models_path) else [],
        )
        if runtime.donkeycar < (3, 0):
            asked += ".h5"
    plan = plan_models(asked, model_type=model_type, runtime=runtime, config=car.config.values)
    check_writable(os.path.dirname(plan.base))
    transfer = wish.transfer and os.path.join(car.path, os.path.expanduser(wish.transfer))
    if transfer and transfer.endswith(".tflite"):
        raise LiteTransferModel(car.shown(transfer))
    if transfer and not os.path.exists(transfer):
        raise NoTransferModel(car.shown(transfer))
    now = time.time()
    return Launch(
        job=make_job_name(os.path.basename(plan.base), now=now),
        state=ledger.LAUNCHED,
        backend=car.settings.backend,
        bucket=cloud.bucket,
        prefix=car.settings.prefix,
        started=now,
        model_type=model_type,
        base=plan.base,
        models=plan.models,
        tubs=[],
        transfer=transfer or None,
        comment=wish.comment,
        val_loss=None,
    )


def default_type(runtime: Runtime) -> str:
    """What manage.py of a car without DEFAULT_MODEL_TYPE drives."""
    return "categorical" if runtime.donkeycar < (2, 5) else "linear"
