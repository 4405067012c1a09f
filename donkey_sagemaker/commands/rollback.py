"""The story of sagemaker-rollback: the set of files before the last training is put back."""

import os
from typing import Optional

from ..car import database
from ..car.car import Car
from ..car.model_files import model_name
from ..car.model_swap import PREVIOUS_NAME, NothingToRollBack, roll_back
from ..interrupts import undisturbed
from ..ui import PlainUi


def roll_model_back(car: Car, ui: PlainUi, *, model: Optional[str]) -> None:
    """Puts the previous files of a model back, plot and history with them; a second call undoes the first.

    Args:
        model: its path or name; None for the one that changed last.
    Raises:
        NothingToRollBack, ModelNotInstalled, ModelNotRestored, BackupDamaged, DatabaseNotWritten
    """
    name = model_name(os.path.basename(model)) if model else newest_change(car)
    with undisturbed():
        paths = roll_back(car.scratch("previous", name))
        is_told = database.swap_newest_entries(car.database_path, name)
    ui.say("Back: {}".format(", ".join(car.shown(path) for path in paths)))
    if not is_told and os.path.exists(car.database_path):
        ui.warn(f"{car.shown(car.database_path)} tells of the other model of that name only")
    ui.say("The same command again undoes this.")


def newest_change(car: Car) -> str:
    """Name of the model whose files were swapped last.

    Raises:
        NothingToRollBack: none was.
    """
    folder = car.scratch("previous")
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name, PREVIOUS_NAME)
        if os.path.exists(path):
            found.append((os.stat(path).st_mtime_ns, name))
    if not found:
        raise NothingToRollBack(folder)
    return max(found)[1]
