"""Between upload and watching: the requests, the preflight, and a job that is started exactly once."""

import hashlib
import json
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .. import __version__
from ..car.car import Car
from ..car.job import FAILED, Job, Outcome, Plan
from ..car.launch_file import make_launch_file
from ..cloud.cloud import Cloud
from ..cloud.errors import NoCapacity, NoQuota, NoSuchJob, Unreachable
from ..cloud.images import Image
from ..cloud.request import JobKeys, make_job_name, make_request
from ..errors import DonkeySagemakerError, add_note
from ..interrupts import deferred_interrupts
from ..ui import PlainUi
from .detach import Detaching
from .estimate import describe_bill
from .job_files import JobFiles
from .upload import Uploaded

ABANDONED_S = 3600  # a launch that AWS does not know and that is older will never become a job


def choose_images(cloud: Cloud, generation: str, types: Sequence[str]) -> Dict[str, Image]:
    """The image for each instance type that may be tried, in the order to try."""
    return {each: cloud.choose_image(generation, instance_type=each) for each in types}


def make_requests(
    car: Car, cloud: Cloud, plan: Plan, keys: JobKeys, files: JobFiles, images: Mapping[str, Image]
) -> List[Dict[str, Any]]:
    """The request for each instance type that may be tried, in the order to try.

    Args:
        images: by instance type.
    """
    return [
        make_request(
            keys,
            car.settings,
            instance_type=instance_type,
            image=image,
            role_arn=cloud.role_arn,
            code_prefix=keys.code(files.code_sha256),
            tags={"car": car.name, "model": plan.name, "donkey-sagemaker": __version__},
        )
        for instance_type, image in images.items()
    ]


def preflight(
    cloud: Cloud, ui: PlainUi, requests: List[Dict[str, Any]], *, are_named: bool
) -> List[Dict[str, Any]]:
    """Checks, without changing anything, for what would make the job fail once it is billed.

    Args:
        are_named: the owner chose the types, and wants to know which of them have no quota.
    Returns:
        the requests that can be tried: a type without quota is left out where another one has it.
    Raises:
        BadInput, CloudRefused: what is wrong.
    """
    refused: Dict[str, NoQuota] = {}
    for finding in cloud.preflight(requests):
        if isinstance(finding.error, NoQuota):
            refused[finding.error.instance_type] = finding.error
        elif finding.error:
            raise finding.error
        elif not finding.checked:
            ui.warn(f"{finding.subject}: {finding.text}")
    allowed = [request for request in requests if instance_type(request) not in refused]
    if not allowed:
        raise refused[instance_type(requests[0])]
    for error in refused.values() if are_named else ():
        ui.warn(error.what)
    return allowed


def instance_type(request: Dict[str, Any]) -> str:
    return request["ResourceConfig"]["InstanceType"]


def make_job(
    car: Car,
    plan: Plan,
    keys: JobKeys,
    requests: List[Dict[str, Any]],
    files: JobFiles,
    uploaded: Uploaded,
    *,
    is_named: bool,
) -> Job:
    """The job that these requests start.

    Args:
        is_named: the user chose the model's name.
    """
    return Job(
        name=keys.job,
        backend=car.settings.backend,
        bucket=keys.bucket,
        prefix=keys.prefix,
        folder=keys.folder,
        started=time.time(),
        plan=plan,
        requests=requests,
        fingerprint=make_fingerprint(plan, keys.job, requests, files, uploaded.sha256s, is_named=is_named),
        set_aside=uploaded.set_aside,
    )


def make_fingerprint(
    plan: Plan,
    job_name: str,
    requests: List[Dict[str, Any]],
    files: JobFiles,
    sha256s: List[str],
    *,
    is_named: bool,
) -> str:
    """Equal for two jobs that would train the same, whenever they are made.

    Args:
        is_named: the user chose the model's name. Otherwise a name with today's date makes no difference.
    """
    car_files = {name: body.decode("latin-1") for name, body in files.car.items()}
    parts = [requests, plan.comment, car_files, files.code_sha256, sha256s]
    text = json.dumps(parts, sort_keys=True).replace(job_name, "")
    if not is_named:
        text = text.replace(plan.name, "")
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Resumable(NamedTuple):
    """A job for the same training that was interrupted before its start, or that runs already."""

    job: Job
    is_started: bool  # the cloud knows it


def find_resumable(car: Car, cloud: Cloud, job: Job) -> Optional[Resumable]:
    """Finds the job that already trains the same, so that nothing is paid for twice.

    Other launches that never became a job are removed from the ledger on the way.
    """
    for other in car.ledger.pending():
        if (other.backend, other.bucket) != (job.backend, job.bucket):
            continue
        is_same = other.fingerprint == job.fingerprint
        try:
            state = cloud.describe_job(other.name)
        except NoSuchJob:
            if is_same:
                return Resumable(other, is_started=False)
            if time.time() - other.started > ABANDONED_S:
                car.ledger.remove(other.name)
            continue
        if not (state.is_running or state.has_model):
            car.ledger.write(other, Outcome(FAILED))  # nothing of it is left to attach to
        elif is_same:
            return Resumable(other, is_started=True)
    return None


def submit(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    *,
    detaching: Detaching,
    objects: Callable[[], Mapping[str, bytes]] = dict,
) -> Job:
    """Starts the job, on the first of its instance types that AWS accepts.

    Args:
        detaching: gets the job's name at the very moment from which on an interrupt leaves a job behind.
        objects: what the job reads beside the shards, by key.
    Returns:
        the job as the ledger has it now.
    """
    car.ensure_id()
    car.ledger.write(job)  # first: a job that nobody knows about is paid for and lost
    try:
        for key, body in objects().items():
            cloud.put(key, body)
        job = _start(car, cloud, ui, job, detaching)
    except Unreachable:
        raise  # it may have been started; the same command finds out
    except (DonkeySagemakerError, OSError):
        car.ledger.remove(job.name)
        raise
    ui.print(f"Job {job.name} is running {cloud.place}")
    ui.print_links(cloud.job_links(job.name))
    return job


def _start(car: Car, cloud: Cloud, ui: PlainUi, job: Job, detaching: Detaching) -> Job:
    while True:
        cloud.put(job.keys.launch, make_launch_file(job, car))
        try:
            with deferred_interrupts() as arrived:
                cloud.start_job(job.requests[0])
                detaching.job = job.name
        except Unreachable as error:
            add_note(
                error,
                f"The job {job.name} may have been started: the same command finds out and attaches to it.",
            )
            raise
        except NoCapacity as error:
            if len(job.requests) == 1:
                raise
            ui.warn(error.what)
            job = job._replace(requests=job.requests[1:])
            car.ledger.write(job)
            continue
        detaching.bill = describe_bill(cloud, job)
        if arrived:
            raise KeyboardInterrupt
        return job


def make_successor(job: Job) -> Job:
    """The job that tries the next instance type, under a new name: AWS accepts each name once."""
    now = time.time()
    name = make_job_name(job.plan.name, now=now)
    requests = [dict(request, TrainingJobName=name) for request in job.requests[1:]]
    return job._replace(name=name, started=now, requests=requests)
