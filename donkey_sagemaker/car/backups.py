"""Where models are kept that are not installed.

`.sagemaker/previous/KEY` has the earlier versions of one model, `kept_aside/JOB` one that the car is better
off without.
"""

import os
from typing import List, Optional, Tuple

from .car import Car
from .job import Job
from .model_files import model_name
from .model_swap import PENDING_NAME, PREVIOUS_NAME, BackupDamaged, interrupted_set, previous_sets

KEPT_ASIDE_NAME, UNPACKED_NAME = "kept_aside", "unpacked"


def kept_folder(car: Car, job: Job) -> str:
    """The folder of a model that was kept aside; its files are in UNPACKED_NAME there."""
    return os.path.join(car.path, KEPT_ASIDE_NAME, os.path.basename(job.name))


def backup_folder(car: Car, base: str) -> str:
    """The backup folder of a model; models of one name in two folders have one each.

    Args:
        base: path of the model, with or without an ending.
    """
    folder, name = os.path.split(os.path.abspath(base))
    key = model_name(name).replace("%", "%25")
    if folder != os.path.abspath(car.models_path):
        key = os.path.relpath(folder, car.path).replace("%", "%25").replace(os.sep, "%2F") + "%2F" + key
    return car.state_path("previous", key)


def find_backup(car: Car, model: str) -> Optional[str]:
    """The backup folder of a model that the user named, by its path or just its name; None if it has none."""
    base = car.resolve(model)
    if os.path.basename(model.rstrip("/" + os.sep)) == model.rstrip("/" + os.sep):
        base = os.path.join(car.models_path, os.path.basename(base))
    folder, name = os.path.split(base)
    name = model_name(name)
    if not name or name.startswith(".") or base in (car.path, os.path.abspath(car.models_path)):
        return None
    # Earlier versions kept the backups of all folders by the model's name alone.
    for path in (backup_folder(car, base), car.state_path("previous", name)):
        if _keeps_files_of(path, folder):
            return path
    return None


def find_last_changed(car: Car) -> Optional[str]:
    """The backup folder of the model whose files were swapped last, even if that swap was interrupted."""
    parent = car.state_path("previous")
    found: List[Tuple[int, str]] = []
    for name in os.listdir(parent) if os.path.isdir(parent) else []:
        for list_name in (PENDING_NAME, PREVIOUS_NAME):
            list_path = os.path.join(parent, name, list_name)
            if os.path.isfile(list_path):
                found.append((os.stat(list_path).st_mtime_ns, os.path.join(parent, name)))
    return max(found)[1] if found else None


def _keeps_files_of(path: str, models_folder: str) -> bool:
    try:
        interrupted = interrupted_set(path)
        kept = [interrupted] if interrupted else previous_sets(path)
    except BackupDamaged:
        return True  # rolling back reports it
    return any(each.models_path == os.path.abspath(models_folder) for each in kept)
