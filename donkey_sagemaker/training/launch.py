"""Between upload and watching: the requests, the preflight, and a job that is started exactly once."""

import hashlib
import json
import random
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .. import __version__
from ..car.car import Car
from ..car.job import FAILED, Job, Outcome, Plan
from ..car.launch_file import make_launch_file
from ..cloud.cloud import Cloud
from ..cloud.errors import NoCapacity, NoQuota, NoSuchJob, Unreachable
from ..cloud.fleet import CAR_TAG, MODEL_TAG, TEAM_TAG
from ..cloud.images import Image, check_count
from ..cloud.job import JobState
from ..cloud.job_queue import is_queued_name
from ..cloud.request import JobKeys, make_job_name, make_request
from ..errors import DonkeySagemakerError, add_note
from ..interrupts import deferred_interrupts
from ..ui import PlainUi, format_seconds
from .detach import Detaching
from .estimate import describe_bill
from .job_files import JobFiles
from .upload import Uploaded

_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S = 60.0, 10.0  # between two tries while the quota is in use
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
    Raises:
        OneMachineImage
    """
    for image in images.values():
        check_count(image, car.settings.instance_count)
    return [
        make_request(
            keys,
            car.settings,
            instance_type=instance_type,
            image=image,
            role_arn=cloud.role_arn,
            code_prefix=keys.code(files.code_sha256),
            tags=make_tags(car, plan),
        )
        for instance_type, image in images.items()
    ]


def make_tags(car: Car, plan: Plan) -> Dict[str, str]:
    """With which AWS, too, sums up what each car and team costs."""
    tags = {CAR_TAG: car.name, MODEL_TAG: plan.name, "donkey-sagemaker": __version__}
    return dict(tags, **{TEAM_TAG: car.settings.team}) if car.settings.team else tags


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
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """Starts the job, on the first of its instance types that AWS accepts.

    If other jobs use all of the quota, it waits for them, as long as SAGEMAKER_QUOTA_WAIT_S allows.

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
        job = _start(car, cloud, ui, job, detaching, QuotaWait(car, ui, sleep))
    except Unreachable:
        raise  # it may have been started; the same command finds out
    except (DonkeySagemakerError, OSError):
        car.ledger.remove(job.name)
        raise
    ui.print(f"Job {job.name} is {f'in the queue {cloud.queue}' if cloud.queue else 'running'} {cloud.place}")
    ui.print_links(cloud.job_links(job.name))
    return job


class QuotaWait:
    """The wait for other jobs to end, at most SAGEMAKER_QUOTA_WAIT_S. Others may use the car meanwhile."""

    def __init__(self, car: Car, ui: PlainUi, sleep: Callable[[float], None]) -> None:
        self._car = car
        self._ui = ui
        self._most_s = car.settings.quota_wait_s
        self._sleep = sleep
        self._waited_s = 0.0

    def wait(self, error: NoCapacity) -> bool:
        """Waits a while; False where that is of no use, or was long enough."""
        is_in_use = isinstance(error, NoQuota) and error.is_in_use
        if not is_in_use or self._waited_s >= self._most_s:
            return False
        if not self._waited_s:
            self._ui.print(
                f"{error.what} Waiting up to {format_seconds(self._most_s)} for other jobs to end."
            )
        # Whoever has waited longer asks more often, and so tends to be served first
        pause_s = max(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S - self._waited_s / 10) * random.uniform(0.5, 1.0)
        with self._car.unlocked():
            self._sleep(min(pause_s, self._most_s - self._waited_s))
        self._waited_s += pause_s
        return True


def _start(car: Car, cloud: Cloud, ui: PlainUi, job: Job, detaching: Detaching, quota_wait: QuotaWait) -> Job:
    while True:
        cloud.put(job.keys.launch, make_launch_file(job, car))
        try:
            with deferred_interrupts() as arrived:
                cloud.start_job(job.requests[0], others=job.requests[1:])
                detaching.job = job.name
        except Unreachable as error:
            add_note(
                error,
                f"The job {job.name} may have been started: the same command finds out and attaches to it.",
            )
            raise
        except NoCapacity as error:
            if len(job.requests) == 1:
                if not quota_wait.wait(error):
                    raise
                car.ledger.write(job)  # whoever used the car meanwhile may have given it up
                continue
            ui.warn(error.what)
            job = job._replace(requests=job.requests[1:])
            car.ledger.write(job)
            continue
        detaching.bill = describe_bill(cloud, job)
        if arrived:
            raise KeyboardInterrupt
        return job


def with_type(job: Job, state: JobState) -> Job:
    """The job with the request for the instance type that AWS has taken as its first."""
    taken = [request for request in job.requests if instance_type(request) == state.instance_type]
    if not state.candidates or not taken:
        return job
    return job._replace(requests=taken + [request for request in job.requests if request not in taken])


def untried_requests(job: Job, state: JobState) -> List[Dict[str, Any]]:
    """Those for instance types that a job which lacks capacity has not tried."""
    return [each for each in job.requests[1:] if instance_type(each) not in state.candidates]


def make_successor(job: Job, requests: Sequence[Dict[str, Any]]) -> Job:
    """The job that tries other instance types, under a new name: AWS accepts each name once.

    Args:
        requests: those to try, at least one.
    """
    now = time.time()
    name = make_job_name(job.plan.name, now=now, is_queued=is_queued_name(job.name))
    requests = [dict(request, TrainingJobName=name) for request in requests]
    return job._replace(name=name, started=now, requests=requests)
