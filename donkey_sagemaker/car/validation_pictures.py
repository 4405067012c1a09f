"""The validation pictures of the last trainings, `.sagemaker/validation/JOB.npz`, to compare models on."""

import os
from typing import Optional

from .. import atomic
from .car import Car

MAX_BYTES = 16 * 2**20  # the trainer's have up to 8 MB
_KEPT = 10  # trainings; the oldest are forgotten


def keep_validation(car: Car, job_name: str, path: str) -> None:
    """Keeps what an archive has as its validation pictures."""
    if os.path.getsize(path) > MAX_BYTES:
        return
    folder = car.state_path("validation")
    os.makedirs(folder, exist_ok=True)
    with open(path, "rb") as file:
        atomic.write_bytes(_path(car, job_name), file.read())
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    for old in sorted(filter(os.path.isfile, paths), key=os.path.getmtime, reverse=True)[_KEPT:]:
        os.remove(old)


def find_validation(car: Car, job_name: str) -> Optional[str]:
    """The pictures of a training; None if they were not kept."""
    path = _path(car, job_name)
    return path if os.path.isfile(path) else None


def _path(car: Car, job_name: str) -> str:
    return car.state_path("validation", os.path.basename(job_name) + ".npz")
