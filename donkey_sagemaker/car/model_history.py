"""What is known about each model that this car has trained.

It comes from donkeycar's database.json, from the history beside the model, and from the ledger of jobs. None
of them is trusted to be complete: another program, or a person, may have written it.
"""

import math
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..ui import format_time, format_usd
from ..untrusted_file import read_file
from ..untrusted_json import parse_json
from .car import Car
from .database import read_entries
from .job import KEPT_ASIDE
from .ledger import Entry
from .model_files import model_name

_HISTORY = ".history.json"
_MAX_BYTES = 2**20  # of a history


class Model(NamedTuple):
    """What is known about one model; empty where nothing is."""

    name: str
    details: List[Tuple[str, str]]  # (what, value) to be shown
    trained: float  # seconds since the epoch; 0 where it is not known
    val_loss: List[float]  # by epoch; NaN where an epoch has none

    @property
    def best(self) -> float:
        return min((loss for loss in self.val_loss if math.isfinite(loss)), default=math.nan)


def find_models(car: Car) -> List[Model]:
    """Every model that has a history, the newest first."""
    trainings = {
        model_name(entry.job.plan.base): entry
        for entry in car.ledger.entries()[::-1]
        if entry.state != KEPT_ASIDE  # its model is not the one in the models folder
    }
    pilots = {str(pilot.get("Name")): pilot for pilot in read_entries(car.database_path)[::-1]}
    files = os.listdir(car.models_path) if os.path.isdir(car.models_path) else []
    names = set(pilots) | {name[: -len(_HISTORY)] for name in files if name.endswith(_HISTORY)}
    models = [
        make_model(
            name,
            pilots.get(name, {}),
            trainings.get(name),
            read_history(os.path.join(car.models_path, os.path.basename(name) + _HISTORY)),
        )
        for name in names
    ]
    return sorted((model for model in models if model.val_loss), key=lambda model: -model.trained)


def make_model(name: str, pilot: Dict[str, Any], training: Optional[Entry], history: Any) -> Model:
    """
    Args:
        pilot: its entry in donkeycar's database; empty where it has none.
        training: its entry in the ledger.
        history: by metric, used where the database has none.
    """
    plan = training.job.plan if training else None
    trained = _number(pilot.get("Time") or (training and training.job.started))
    val_loss = _losses(pilot.get("History")) or _losses(history)
    cost = _number(training and training.outcome and training.outcome.bill.cost_usd)
    details = [
        ("trained", format_time(trained)),
        ("type", pilot.get("Type") or (plan and plan.model_type)),
        ("data", pilot.get("Tubs") or (plan and ", ".join(plan.tubs))),
        ("comment", pilot.get("Comment") or (plan and plan.comment)),
        ("started from", pilot.get("Transfer") or (plan and os.path.basename(plan.transfer or ""))),
        ("cost", format_usd(cost) if math.isfinite(cost) else None),
        ("epochs", len(val_loss)),
    ]
    return Model(
        name,
        [(what, str(value)) for what, value in details if value],
        trained if math.isfinite(trained) else 0.0,
        val_loss,
    )


def read_history(path: str) -> Any:
    """The content of the file beside a model; None where it is missing or damaged."""
    try:
        return parse_json(read_file(path, max_bytes=_MAX_BYTES))
    except (OSError, ValueError):
        return None


def _losses(history: Any) -> List[float]:
    """The validation losses in a history that anybody may have written; none where no epoch has one."""
    values = history.get("val_loss") if isinstance(history, dict) else None
    losses = [_number(value) for value in values] if isinstance(values, list) else []
    return losses if any(map(math.isfinite, losses)) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else math.nan
