"""sagemaker-rollback: brings an earlier version of a model back."""

import argparse
import os
from typing import List, Optional

from ..car import database
from ..car.backups import find_backup, find_last_changed
from ..car.car import Car
from ..car.drive_line import drive_command
from ..car.job import Outcome
from ..car.ledger import Entry
from ..car.model_files import model_name
from ..car.model_history import find_job_of
from ..car.model_swap import NothingToRollBack, previous_sets, roll_back
from ..interrupts import deferred_interrupts
from ..ui import PlainUi, format_time, make_ui
from ._options import add_car_options, open_the_car

HELP = (
    "Brings the version of a model before the current one back, its plot, history and report included. "
    "Running it again goes back one version further, and in the end to where it began."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(default: the one that changed last)")
    parser.add_argument("--forward", action="store_true", help="undo a rollback: go one version forward")
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    roll_model_back(car, ui, model=arguments.model, forward=arguments.forward)
    return 0


def roll_model_back(car: Car, ui: PlainUi, *, model: Optional[str], forward: bool = False) -> None:
    """
    Args:
        model: its path or name; None for the one that changed last.
        forward: undoes a rollback.
    Raises:
        NothingToRollBack, ModelNotInstalled, ModelNotRestored, BackupDamaged, DatabaseNotWritten
    """
    _find(car, model)  # before the lock's file is written: nothing changes in a car without a backup
    with car.lock("sagemaker-rollback", on_wait=lambda holder: ui.print(f"Waiting for {holder} to finish")):
        backup = _find(car, model)  # again: the process that was waited for may have changed another model
        with deferred_interrupts():
            paths = roll_back(backup, forward=forward)
            entry = find_job_of(car, paths)
            has_entry = database.put_entry_first(
                car.database_path, model_name(paths[0]), time_s=entry.job.started if entry else None
            )
    _report(car, ui, paths, entry)
    if not has_entry and os.path.exists(car.database_path):
        ui.warn(f"{car.display(car.database_path)} has an entry only for the other model of that name")
    versions = len(previous_sets(backup))
    if versions == 1:
        ui.print("Run the same command again to undo this.")
    else:
        ui.print(
            f"{versions} other versions are kept. Undo this with --forward, or go further back with the same"
            " command."
        )


def _report(car: Car, ui: PlainUi, paths: List[str], entry: Optional[Entry]) -> None:
    """What came back, and how to drive it; its files where no job of this car has made it."""
    if entry is None:
        ui.print(f"Restored {', '.join(car.display(path) for path in paths)}")
        return
    plan, outcome = entry.job.plan, entry.outcome or Outcome("")
    parts = [f"the {plan.model_type} model that was trained on {format_time(entry.job.started)}"]
    if outcome.val_loss is not None:
        parts.append(f"validation loss {outcome.val_loss:.4f}")
    if outcome.steering_error is not None:
        parts.append(f"steering off by {outcome.steering_error:.3f}")
    if outcome.verdict:
        parts.append(f"verdict {outcome.verdict.level}")
    ui.print(f"Restored {car.display(plan.base)}: {', '.join(parts)}")
    form = outcome.form or plan.models[0][1]
    ui.print(f"Drive it{', once it is copied to the car' if car.settings.car else ''}:")
    ui.print(f"  {drive_command(car, plan, form)}")


def _find(car: Car, model: Optional[str]) -> str:
    backup = find_backup(car, model) if model else find_last_changed(car)
    if backup is None:
        raise NothingToRollBack(model)
    return backup
