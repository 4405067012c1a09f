"""The story of sagemaker-train: plan, pack and upload, launch, watch, check, install."""

import contextlib
import os
import shutil
import signal
import time
from typing import Any, Callable, Iterator, List, Optional

from .car import ledger
from .car.archive import unpack
from .car.ledger import Launch, Ledger
from .car.models import recover
from .car.runtime import Runtime, bare_type, find_runtime
from .car.workplace import Car
from .cloud.request import JobKeys
from .cloud.watch import watch
from .errors import DonkeySagemakerError, JobFailed
from .installing import check_models, fetch, install, tell_training
from .planning import Wish, plan_launch
from .sending import send_job, send_shards
from .tubs.files import FolderFiles
from .tubs.paths import find_tubs
from .tubs.reader import read_tub
from .ui import PlainUi

Sleep = Callable[[float], None]


class TrainingFailed(JobFailed):
    def __init__(self, job: str, reason: str, log: List[str]) -> None:
        cause = reason.partition("\nTraceback (most recent call last):")[0]  # the log has it whole
        text = "The job {} failed: {}".format(job, cause.strip())
        if log:
            text += "\nThe last lines of its log:\n" + "\n".join("  " + line for line in log)
        super().__init__(text, "Mend what it names and train again; nothing in the car has changed.")


class StoppedEmpty(JobFailed):
    def __init__(self, job: str) -> None:
        super().__init__(
            "The job {} was stopped before it had learned anything.".format(job),
            "Train again with `python manage.py sagemaker-train`.",
        )


class Detached(DonkeySagemakerError):
    """Ctrl-C while a job runs: the job goes on."""

    exit_code = 130

    def __init__(self, job: str) -> None:
        super().__init__(
            "Detached: the job {} goes on.".format(job),
            "Come back to it with `python manage.py sagemaker-train --attach`, or end it with "
            "`python manage.py sagemaker-stop`.",
        )


def train(car: Car, cloud: Any, ui: PlainUi, wish: Wish, *, sleep: Sleep = time.sleep) -> None:
    """From tubs to a model that this car has driven."""
    recover_models(car)
    runtime = find_runtime()
    launch = plan_launch(car, cloud, runtime, wish)
    found = find_tubs(wish.tub or "", default=car.data_path, car_path=car.path)
    tubs = [read_tub(FolderFiles(tub.path), name=tub.name, path=tub.path) for tub in found]
    launch = launch._replace(tubs=[tub.path for tub in found])
    keys = JobKeys(launch.bucket, launch.prefix, launch.job)
    ui.say(
        "Training a {} model for donkeycar {} from {}".format(
            bare_type(launch.model_type),
            runtime.versions["donkeycar"],
            ", ".join(map(car.shown, launch.tubs)),
        )
    )
    shards = send_shards(car, cloud, ui, keys, tubs, launch)
    request = send_job(
        car, cloud, runtime, keys, launch, names={tub.name: tub.path for tub in found}, shards=shards
    )
    jobs = Ledger(car.scratch("jobs"))
    with undisturbed() as interrupts:
        jobs.write(launch)  # first: a job that nobody knows of is paid for and lost
        try:
            cloud.start_job(request)
        except (DonkeySagemakerError, OSError):
            jobs.remove(launch.job)
            raise
        ui.say("Job {} is running {}".format(launch.job, cloud.place))
    if interrupts:
        raise Detached(launch.job)
    if wish.detach:
        ui.say("Come back to it with `python manage.py sagemaker-train --attach`")
        return
    finish(car, cloud, ui, launch, runtime, sleep=sleep)


def attach(car: Car, cloud: Any, ui: PlainUi, *, name: Optional[str], sleep: Sleep = time.sleep) -> None:
    """Goes on with a job that was detached from, up to the installed model."""
    recover_models(car)
    launch = Ledger(car.scratch("jobs")).waiting(name)
    ui.say("Job {}".format(launch.job))
    finish(car, cloud, ui, launch, find_runtime(), sleep=sleep)


def finish(car: Car, cloud: Any, ui: PlainUi, launch: Launch, runtime: Runtime, *, sleep: Sleep) -> None:
    """Watches the job, then fetches, checks and installs its model. Ctrl-C detaches, wherever it comes."""
    jobs = Ledger(car.scratch("jobs"))
    try:
        ended = watch(cloud, ui, launch.job, sleep=sleep)
        if ended.state["TrainingJobStatus"] == "Failed" or "ModelArtifacts" not in ended.state:
            jobs.write(launch._replace(state=ledger.FAILED))
            if ended.state["TrainingJobStatus"] == "Stopped":
                raise StoppedEmpty(launch.job)
            reason = ended.state.get("FailureReason", "it ended without a model")
            raise TrainingFailed(launch.job, reason, ended.last_lines)
        folder = car.scratch("incoming", launch.job)
        archive_path = fetch(cloud, ui, JobKeys(launch.bucket, launch.prefix, launch.job), folder)
        artifact = unpack(archive_path, os.path.join(folder, "unpacked"))
        tell_training(ui, artifact)
        check_models(car, ui, launch, runtime, artifact, archive_path)
        with undisturbed():
            install(car, ui, launch, runtime, artifact)
            jobs.write(launch._replace(state=ledger.INSTALLED, val_loss=artifact.metrics.get("val_loss")))
            shutil.rmtree(folder)
    except KeyboardInterrupt:
        raise Detached(launch.job) from None


@contextlib.contextmanager
def undisturbed() -> Iterator[List[int]]:
    """A moment's work that Ctrl-C must not cut in two; yields the interrupts that came meanwhile."""
    interrupts: List[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def recover_models(car: Car) -> None:
    """Undoes whatever swap a power cut broke off, of any model."""
    folder = car.scratch("previous")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        recover(os.path.join(folder, name))
