"""Which job `--attach` and sagemaker-stop mean: from this car's ledger, otherwise from the bucket."""

import os
from typing import Optional

from ..car.car import Car
from ..car.job import Job
from ..car.launch_file import read_launch_file
from ..car.ledger import NoPendingJob
from ..cloud.cloud import Cloud
from ..cloud.request import JobKeys


def find_job(car: Car, cloud: Cloud, *, name: Optional[str]) -> Job:
    """The job named, or the newest one that is pending.

    Raises:
        NoPendingJob
    """
    try:
        return _find_in_ledger(car, name)
    except NoPendingJob:
        names = [name] if name else [state.name for state in cloud.list_jobs() if state.is_running]
        for each in names:
            job = _find_in_bucket(car, cloud, each)
            if job:
                car.ledger.write(job)
                return job
        raise


def _find_in_ledger(car: Car, name: Optional[str]) -> Job:
    if name:
        return car.ledger.read(name).job
    pending = car.ledger.pending()
    if not pending:
        raise NoPendingJob(None)
    return pending[0]


def _find_in_bucket(car: Car, cloud: Cloud, name: str) -> Optional[Job]:
    """From what the machine that started the job left beside it; None where that was another car."""
    keys = JobKeys(cloud.bucket, car.settings.prefix, name)
    if keys.launch not in cloud.list_objects(keys.launch):
        return None
    folder = car.state_path("incoming", keys.job)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "launch.json")
    cloud.download(keys.launch, path, advance=lambda count: None)
    with open(path, "rb") as file:
        return read_launch_file(file.read(), car, keys=keys)
