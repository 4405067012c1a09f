"""The end of a training: for whoever has left the terminal, and for the programs that started it."""

import contextlib
import json
import os
import subprocess
from typing import Any, Dict, Iterator, NamedTuple, Optional

from ..car.car import Car
from ..car.check import ModelRejected
from ..car.job import LAUNCHED
from ..car.ledger import Entry, NoPendingJob
from ..errors import DonkeySagemakerError
from ..ui import PlainUi, without_nan
from .detach import Detaching

PLANNED, NOT_STARTED, RUNNING, REJECTED = "planned", "not started", "running", "rejected"
COMMAND_LIMIT_S = 60  # for SAGEMAKER_ON_END
_STANDARD_ERROR = 2
_GOES_ON = (RUNNING, PLANNED, NOT_STARTED)


class Announce(NamedTuple):
    """How the end of a training is announced, beside what is printed anyway."""

    as_json: bool = False
    bell: bool = True
    dry_run: bool = False


BY_DEFAULT = Announce()


@contextlib.contextmanager
def announced_end(car: Car, ui: PlainUi, detaching: Detaching, announce: Announce) -> Iterator[None]:
    """However a training ends: rings, runs SAGEMAKER_ON_END, and prints one line of JSON, each if wanted.

    Args:
        detaching: knows the job, once there is one.
    """
    error: Optional[BaseException] = None
    try:
        yield
    except BaseException as caught:
        error = caught
        raise
    finally:
        result = describe_end(car, detaching.job, error, dry_run=announce.dry_run)
        if result["state"] not in _GOES_ON:
            if announce.bell:
                ui.bell()
            if car.settings.on_end:
                run_command(ui, car.settings.on_end, result, car_path=car.path)
        if announce.as_json:
            ui.print_exactly(json.dumps(without_nan(result)))


def describe_end(
    car: Car, name: Optional[str], error: Optional[BaseException], *, dry_run: bool
) -> Dict[str, Any]:
    """What --json prints, and what SAGEMAKER_ON_END gets to know.

    Args:
        name: of the job; None if none was started.
        error: what ended the command.
    """
    entry = _find(car, name) if name else None
    state = entry.state if entry else LAUNCHED
    if isinstance(error, ModelRejected):
        state = REJECTED
    elif name is None:
        state = PLANNED if dry_run and error is None else NOT_STARTED
    elif state == LAUNCHED:
        state = RUNNING
    plan = entry.job.plan if entry else None
    outcome = entry.outcome if entry else None
    paths = [plan.base + ending for ending, _form in plan.models] if plan else []
    return {
        "job": name,
        "state": state,
        "model": car.display(plan.base) if plan else None,
        "files": [car.display(path) for path in paths if os.path.exists(path)],
        "type": plan.model_type if plan else None,
        "epochs": outcome.epochs if outcome else None,
        "val_loss": outcome.val_loss if outcome else None,
        "billed_s": outcome.bill.billed_s if outcome else None,
        "cost_usd": outcome.bill.cost_usd if outcome else None,
        "error": error.what if isinstance(error, DonkeySagemakerError) else error and type(error).__name__,
    }


def _find(car: Car, name: str) -> Optional[Entry]:
    try:
        return car.ledger.read(name)
    except NoPendingJob:
        return None


def run_command(ui: PlainUi, command: str, result: Dict[str, Any], *, car_path: str) -> None:
    """Runs the owner's own command in the car's folder. Whatever becomes of it, the training is done.

    What comes from elsewhere, such as a name, reaches it only through environment variables, so that a shell
    never takes it for a command. What it prints goes to standard error.
    """
    variables = {
        "DONKEY_JOB": result["job"],
        "DONKEY_STATE": result["state"],
        "DONKEY_MODEL": result["model"],
        "DONKEY_COST_USD": result["cost_usd"],
    }
    environment = dict(os.environ)
    environment.update({name: "" if value is None else str(value) for name, value in variables.items()})
    try:
        code = subprocess.call(
            command,
            shell=True,
            cwd=car_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=_STANDARD_ERROR,
            timeout=COMMAND_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        ui.warn(f"SAGEMAKER_ON_END was ended after {COMMAND_LIMIT_S} s: {command}")
        return
    except KeyboardInterrupt:
        ui.warn(f"SAGEMAKER_ON_END was interrupted: {command}")
        return
    except (OSError, ValueError) as error:
        ui.warn(f"SAGEMAKER_ON_END could not be run ({error}): {command}")
        return
    if code:
        ui.warn(f"SAGEMAKER_ON_END ended with exit code {code}: {command}")
