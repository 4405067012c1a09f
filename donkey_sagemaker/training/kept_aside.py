"""Where a new model is kept that the car is better off without: `kept_aside/JOB` in the car's folder.

Nothing there is ever cleaned up. Its owner installs it anyway, or deletes the folder.
"""

import contextlib
import os
import shlex
import shutil
from typing import Optional

from ..car.backups import KEPT_ASIDE_NAME, kept_folder
from ..car.car import Car
from ..car.job import Job
from ..contract import MYCONFIG_NAME
from ..errors import JobFailed

ARCHIVE_NAME = "model.tar.gz"


class ModelKeptAside(JobFailed):
    """
    Args:
        flaw: as a clause, such as "it steers no better than a constant".
        folder: as the user would type it.
        command: installs the model anyway.
    """

    def __init__(self, flaw: str, *, folder: str, command: str) -> None:
        super().__init__(
            f"The new model was not installed: {flaw}. Nothing in the car has changed.",
            f"The new one is in {folder}. Install it anyway with `{command}`.",
        )


def find_kept(car: Car, job: Job) -> Optional[str]:
    """The folder that keeps this job's archive; None if there is none."""
    folder = kept_folder(car, job)
    return folder if os.path.isfile(os.path.join(folder, ARCHIVE_NAME)) else None


def keep_aside(car: Car, job: Job, folder: str) -> None:
    """Moves the folder of a download to where it stays."""
    target = kept_folder(car, job)
    if os.path.abspath(folder) == target:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):  # of a model that was kept aside and whose archive was deleted since
        shutil.rmtree(target)
    shutil.move(folder, target)


def remove_if_empty(car: Car) -> None:
    """Removes the folder of all models that were kept aside, once the last of them was installed."""
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(car.path, KEPT_ASIDE_NAME))


def install_command(car: Car, job: Job) -> str:
    words = ["python", "manage.py", "sagemaker-train", f"--attach={job.name}", "--install=always"]
    if car.myconfig != MYCONFIG_NAME:
        words.append(f"--myconfig={car.myconfig}")
    return " ".join(map(shlex.quote, words))
