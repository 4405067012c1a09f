"""Which job `--attach` and sagemaker-stop mean: from this car's ledger, otherwise from the bucket."""

import os
import tempfile
from typing import List, Optional, Set

from ..car.car import Car
from ..car.job import Job
from ..car.launch_file import read_launch_file
from ..car.ledger import Ledger, NoPendingJob
from ..cloud.cloud import Cloud
from ..cloud.job_queue import own_name
from ..cloud.request import JobKeys
from ..cloud.tuning import TUNING_PREFIX, tuning_of
from ..errors import BadInput
from ..ui import PlainUi

MAX_BYTES = 2**20  # of launch.json


class NoPendingTuning(BadInput):
    def __init__(self, name: Optional[str]) -> None:
        what = f"This car has launched no tuning named {name}." if name else "This car has no pending tuning."
        super().__init__(what, "`python manage.py sagemaker-tune` starts one, on AWS.")


def find_job(car: Car, cloud: Cloud, ui: PlainUi, *, name: Optional[str]) -> Job:
    """The job named, or the newest one of this car that is pending.

    A job that another car launched has to be named.

    Raises:
        NoPendingJob
    """
    if name:
        name = own_name(name)  # AWS's console and its e-mails have the name of the training job
        cloud.reach(name)
        job = _read_ledger(car, name) or _read_bucket(car, cloud, ui, name, any_car=True)
        if job is None:
            raise NoPendingJob(name)
        return job
    pending = car.ledger.pending()
    if pending:
        cloud.reach(pending[0].name)
        return pending[0]
    for running in _running_names(cloud) if car.id or car.settings.folder else []:
        job = _read_bucket(car, cloud, ui, running, any_car=False)
        if job:
            return job
    raise NoPendingJob(None)


def find_published(car: Car, cloud: Cloud, ui: PlainUi, *, since: float, ignored: Set[str]) -> Set[str]:
    """The names of this car's jobs that have ended with a model and that its ledger does not know yet.

    They were started on other machines; afterwards the ledger has them.

    Args:
        since: how old they may be, in seconds since the epoch.
        ignored: jobs not to look at; gets those of other cars.
    """
    states = cloud.list_jobs(since=since)
    known = {entry.job.name for entry in car.ledger.entries()}  # after the states: a job is there first
    published = set()
    for state in states:
        is_new = state.name not in known and state.name not in ignored
        is_recent = state.created is None or state.created >= since
        if is_new and is_recent and state.status in ("Completed", "Stopped"):
            if _read_bucket(car, cloud, ui, state.name, any_car=False):
                published.add(state.name)
            else:
                ignored.add(state.name)
    return published


def find_backend(car: Car, name: Optional[str]) -> str:
    """Where the job that is meant runs, as far as the ledger knows: the owner need not repeat --local."""
    job = _read_ledger(car, own_name(name)) if name else next(iter(car.ledger.pending()), None)
    return job.backend if job else car.settings.backend


def find_tuning(car: Car, cloud: Cloud, ui: PlainUi, *, name: Optional[str]) -> Job:
    """The tuning named, or the newest one of this car that is pending; another machine may have launched it.

    Raises:
        NoPendingTuning
    """
    pending = car.tunings.pending()
    if name:
        job = _read_tuning(car, name) or _read_bucket(car, cloud, ui, name, any_car=True, ledger=car.tunings)
    else:
        job = pending[0] if pending else None
    if job is None:
        raise NoPendingTuning(name)
    return job


def is_tuning(name: str) -> bool:
    return name.startswith(TUNING_PREFIX) and tuning_of(name) is None


def _read_tuning(car: Car, name: str) -> Optional[Job]:
    try:
        return car.tunings.read(name).job
    except NoPendingJob:
        return None


def _read_ledger(car: Car, name: str) -> Optional[Job]:
    try:
        return car.ledger.read(name).job
    except NoPendingJob:
        return None


def _running_names(cloud: Cloud) -> List[str]:
    return [state.name for state in cloud.list_jobs() if state.is_running]


def _find_keys(car: Car, cloud: Cloud, name: str, *, any_car: bool) -> Optional[JobKeys]:
    """In the car's folder; where any car's job is meant, also where cars without a folder keep theirs."""
    for folder in [car.settings.folder] + [None] * bool(car.settings.folder and any_car):
        keys = JobKeys(cloud.bucket, car.settings.prefix, name, folder)
        size = cloud.list_objects(keys.launch).get(keys.launch)
        if size is not None and size <= MAX_BYTES:
            return keys
    return None


def _read_bucket(
    car: Car, cloud: Cloud, ui: PlainUi, name: str, *, any_car: bool, ledger: Optional[Ledger] = None
) -> Optional[Job]:
    """From what the machine that launched the job left beside it.

    Args:
        ledger: that gets to know it; None for that of jobs.
    """
    keys = _find_keys(car, cloud, os.path.basename(name), any_car=any_car)
    if keys is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "launch.json")
        cloud.download(keys.launch, path, advance=lambda count: None)
        with open(path, "rb") as file:
            found = read_launch_file(file.read(), car, keys=keys)
    is_own = found is not None and (bool(keys.folder) or car.id is not None and found.car_id == car.id)
    if found is None or not (is_own or any_car):
        return None
    if not is_own:
        ui.warn(
            f"{name} was launched by another car, {found.car_name} ({found.car_id})"
            if found.car_id
            else f"{name} was launched by an earlier version, in a car named {found.car_name}"
        )
    car.ensure_state()
    (ledger or car.ledger).write(found.job)
    return found.job
