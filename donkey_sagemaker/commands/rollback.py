"""sagemaker-rollback: brings back the files that the last training replaced."""

import argparse
import os
from typing import Optional

from ..car import database
from ..car.backups import find_backup, find_last_changed
from ..car.car import Car
from ..car.model_files import model_name
from ..car.model_swap import NothingToRollBack, roll_back
from ..interrupts import deferred_interrupts
from ..ui import PlainUi, make_ui
from ._options import add_car_options, open_the_car

HELP = "Brings the previous model back, its plot, history and report included. Running it again undoes this."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help="(default: the one that changed last)")
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    roll_model_back(open_the_car(arguments, car_path, ui), ui, model=arguments.model)
    return 0


def roll_model_back(car: Car, ui: PlainUi, *, model: Optional[str]) -> None:
    """
    Args:
        model: its path or name; None for the one that changed last.
    Raises:
        NothingToRollBack, ModelNotInstalled, ModelNotRestored, BackupDamaged, DatabaseNotWritten
    """
    _find(car, model)  # before the lock's file is written: nothing changes in a car without a backup
    with car.lock("sagemaker-rollback", on_wait=lambda holder: ui.print(f"Waiting for {holder} to finish")):
        backup = _find(car, model)  # again: the process that was waited for may have changed another model
        with deferred_interrupts():
            paths = roll_back(backup)
            has_entry = database.swap_newest_entries(car.database_path, model_name(paths[0]))
    ui.print(f"Restored {', '.join(car.display(path) for path in paths)}")
    if not has_entry and os.path.exists(car.database_path):
        ui.warn(f"{car.display(car.database_path)} has an entry only for the other model of that name")
    ui.print("Run the same command again to undo this.")


def _find(car: Car, model: Optional[str]) -> str:
    backup = find_backup(car, model) if model else find_last_changed(car)
    if backup is None:
        raise NothingToRollBack(model)
    return backup
