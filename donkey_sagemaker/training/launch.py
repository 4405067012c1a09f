"""Between the upload and the watch: the request, what it may cost, and a job that is started just once."""

import hashlib
import json
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .. import __version__
from ..car import ledger
from ..car.car import Car
from ..car.ledger import Launch, Ledger, describe
from ..car.runtime import Runtime
from ..cloud.errors import NoCapacity, NoQuota, NoSuchJob, Unreachable
from ..cloud.images import Image
from ..cloud.request import JobKeys, make_job_name, make_request
from ..errors import DonkeySagemakerError
from ..interrupts import undisturbed
from ..ui import PlainUi, format_bytes
from .upload import Parcel, Sent, job_files
from .watch import RUNNING

UNBORN_S = 3600  # after which a launch that AWS knows nothing of was given up, and is not just on its way


class Detached(DonkeySagemakerError):
    """Ctrl-C while a job runs: the job goes on."""

    exit_code = 130

    def __init__(self, job: str) -> None:
        super().__init__(
            f"Detached: the job {job} goes on.",
            "Come back to it with `python manage.py sagemaker-train --attach`, or end it with "
            "`python manage.py sagemaker-stop`.",
        )


def keys_of(launch: Launch) -> JobKeys:
    return JobKeys(launch.bucket, launch.prefix, launch.job)


def choose_images(cloud: Any, runtime: Runtime, types: Sequence[str]) -> Dict[str, Image]:
    """The image for each type of machine that may be tried, in the order to try."""
    return {each: cloud.choose_image(runtime.generation, instance_type=each) for each in types}


def make_requests(
    car: Car, cloud: Any, launch: Launch, parcel: Parcel, images: Dict[str, Image]
) -> List[Dict[str, Any]]:
    """The request for each type of machine that may be tried, in the order to try."""
    keys = keys_of(launch)
    return [
        make_request(
            keys,
            car.settings,
            instance_type=instance_type,
            image=image,
            role_arn=cloud.role_arn,
            code_prefix=keys.code(parcel.code_sha256),
            tags={
                "car": car.name,
                "model": os.path.basename(launch.base),
                "donkey-sagemaker": __version__,
            },
        )
        for instance_type, image in images.items()
    ]


def look_before(
    cloud: Any, ui: PlainUi, requests: List[Dict[str, Any]], *, are_named: bool
) -> List[Dict[str, Any]]:
    """Looks, without changing anything, for what would make the job fail once it is paid for.

    Args:
        are_named: the owner chose the types, and is told which of them have no quota.
    Returns:
        the requests that can be tried: a type without quota is left out where another one has it.
    Raises:
        BadInput, CloudRefused: what is wrong.
    """
    refused: Dict[str, NoQuota] = {}
    for finding in cloud.check(requests):
        if isinstance(finding.error, NoQuota):
            refused[finding.error.instance_type] = finding.error
        elif finding.error:
            raise finding.error
        elif not finding.checked:
            ui.warn(f"{finding.subject}: {finding.text}")
    left = [request for request in requests if instance_type(request) not in refused]
    if not left:
        raise refused[instance_type(requests[0])]
    for error in refused.values() if are_named else ():
        ui.warn(error.what)
    return left


def instance_type(request: Dict[str, Any]) -> str:
    return request["ResourceConfig"]["InstanceType"]


def tell_dry_run(car: Car, cloud: Any, ui: PlainUi, launch: Launch, parcel: Parcel, sent: Sent) -> None:
    """Exactly what would be sent."""
    ui.say(json.dumps(launch.requests[0], indent=2, sort_keys=True))
    for request in launch.requests[1:]:
        ui.say(f"Where that has no capacity, the same with {instance_type(request)}")
    objects = dict(sent.bytes_by_key)
    files = job_files(cloud, keys_of(launch), parcel, sent.sha256s)
    files[keys_of(launch).launch] = make_description(launch, car)
    objects.update({key: len(body) for key, body in files.items()})
    ui.say(f"To s3://{launch.bucket}, {format_bytes(sum(objects.values()))}:")
    for key, size in objects.items():
        ui.say(f"  {format_bytes(size):>10}  {key}")


def make_description(launch: Launch, car: Car) -> bytes:
    """The object from which another machine goes on with the job."""
    return json.dumps(describe(launch, car)).encode("utf-8")


def make_fingerprint(launch: Launch, parcel: Parcel, sha256s: List[str], *, named: bool) -> str:
    """Equal for two launches that would train the same, whenever they are made.

    Args:
        named: the user chose the model's name. Else a name of the day is no difference.
    """
    files = {name: body.decode("latin-1") for name, body in parcel.car.items()}
    text = json.dumps([launch.requests, launch.comment, files, parcel.code_sha256, sha256s], sort_keys=True)
    text = text.replace(launch.job, "")
    if not named:
        text = text.replace(os.path.basename(launch.base), "")
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Twin(NamedTuple):
    """A launch of the same training that was broken off, or detached from."""

    launch: Launch
    is_started: bool  # AWS knows its job


def find_twin(cloud: Any, jobs: Ledger, launch: Launch) -> Optional[Twin]:
    """The twin of this launch, so that no job is paid for twice.

    Other launches that never came to be a job are forgotten on the way.
    """
    for other in jobs.all():
        if other.state != ledger.LAUNCHED or (other.backend, other.bucket) != (launch.backend, launch.bucket):
            continue
        is_twin = other.fingerprint == launch.fingerprint
        try:
            state = cloud.describe_job(other.job)
        except NoSuchJob:
            if is_twin:
                return Twin(other, is_started=False)
            if time.time() - other.started > UNBORN_S:
                jobs.remove(other.job)
            continue
        if is_twin and (state["TrainingJobStatus"] in RUNNING or "ModelArtifacts" in state):
            return Twin(other, is_started=True)
    return None


def start(
    car: Car,
    cloud: Any,
    ui: PlainUi,
    jobs: Ledger,
    launch: Launch,
    *,
    send: Callable[[Launch], None],
    running: List[str],
) -> Launch:
    """Starts the job, on the first type of machine that AWS takes.

    Args:
        send: puts what the job reads into the bucket.
        running: gets the job's name in the very moment from which on an interrupt leaves a job behind.
    Returns:
        the launch as it is in the ledger now.
    """
    while True:
        jobs.write(launch)  # first: a job that nobody knows of is paid for and lost
        try:
            send(launch)
            cloud.put(keys_of(launch).launch, make_description(launch, car))
            with undisturbed() as interrupts:
                cloud.start_job(launch.requests[0])
                running.append(launch.job)
            break
        except Unreachable:
            raise  # it may have been started: the same command finds out
        except NoCapacity as error:
            if len(launch.requests) == 1:
                jobs.remove(launch.job)
                raise
            ui.warn(error.what)
            launch = launch._replace(requests=launch.requests[1:])
        except (DonkeySagemakerError, OSError):
            jobs.remove(launch.job)
            raise
    ui.say(f"Job {launch.job} is running {cloud.place}")
    if interrupts:
        raise Detached(launch.job)
    return launch


def follow(launch: Launch) -> Launch:
    """The launch that tries the next type of machine, under a new name: AWS takes each name once."""
    now = time.time()
    job = make_job_name(os.path.basename(launch.base), now=now)
    requests = [dict(request, TrainingJobName=job) for request in launch.requests[1:]]
    return launch._replace(job=job, started=now, requests=requests)
