"""The story of sagemaker-train: plan, look, pack and upload, launch, watch, check, install."""

import os
import shutil
import time
from typing import Any, Callable, List, Optional, Tuple

from .. import atomic
from ..aws.errors import NoSuchJob
from ..car import ledger
from ..car.archive import unpack
from ..car.car import Car
from ..car.ledger import Launch, Ledger, NoSuchLaunch, read_description
from ..car.model_swap import recover
from ..car.runtime import Runtime, bare_type, find_runtime, parse_runtime
from ..cloud.failures import explain_failure
from ..cloud.request import JobKeys
from ..errors import JobFailed
from ..interrupts import undisturbed
from ..training.estimate import Estimator, make_work
from ..training.install import check_models, fetch, install, tell_training
from ..training.launch import (
    Detached,
    choose_images,
    find_twin,
    follow,
    instance_type,
    keys_of,
    look_before,
    make_fingerprint,
    make_requests,
    start,
    tell_dry_run,
)
from ..training.plan import Wish, plan_launch
from ..training.upload import make_parcel, send_job, send_shards
from ..training.watch import RUNNING, Ended, make_meter, watch
from ..tubs.files import FolderFiles
from ..tubs.paths import find_tubs
from ..tubs.reader import read_tub
from ..ui import PlainUi, format_seconds, format_usd

Sleep = Callable[[float], None]


class TrainingFailed(JobFailed):
    def __init__(self, job: str, state: Any, log: List[str]) -> None:
        cause, fix = explain_failure(state.get("FailureReason", "it ended without a model"), log)
        text = f"The job {job} failed: {cause}"
        if log:
            text += "\nThe last lines of its log:\n" + "\n".join("  " + line for line in log)
        super().__init__(text, fix)


class StoppedEmpty(JobFailed):
    def __init__(self, job: str) -> None:
        super().__init__(
            f"The job {job} was stopped before it had learned anything.",
            "Train again with `python manage.py sagemaker-train`.",
        )


def train(
    car: Car, cloud: Any, ui: PlainUi, wish: Wish, *, debug: bool = False, sleep: Sleep = time.sleep
) -> None:
    """From tubs to a model that this car has driven."""
    clear_leftovers(car)
    runtime = the_runtime(car)
    launch = plan_launch(car, cloud, runtime, wish)
    found = find_tubs(wish.tub or "", default=car.data_path, car_path=car.path)
    tubs = [read_tub(FolderFiles(tub.path), name=tub.name, path=tub.path) for tub in found]
    launch = launch._replace(tubs=[tub.path for tub in found])
    ui.say(
        "Training a {} model for donkeycar {} from {}".format(
            bare_type(launch.model_type),
            runtime.versions["donkeycar"],
            ", ".join(map(car.shown, launch.tubs)),
        )
    )
    work = make_work(car, model_type=launch.model_type, tubs=tubs)
    launch = launch._replace(records=work.records, max_epochs=work.max_epochs)
    estimator = Estimator(car, cloud, work)
    images = choose_images(cloud, runtime, estimator.choose_types())
    parcel = make_parcel(
        car,
        runtime,
        launch,
        tub_paths={tub.name: tub.path for tub in found},
        images=list(images.values()),
    )
    requests = make_requests(car, cloud, launch, parcel, images)
    requests = look_before(cloud, ui, requests, are_named=not estimator.is_auto)
    launch = launch._replace(requests=requests)
    types = [instance_type(request) for request in requests]
    estimator.tell_choice(ui, types)
    estimator.tell_price(ui, types)
    sent = send_shards(car, cloud, ui, keys_of(launch), tubs, launch, dry_run=wish.dry_run)
    if wish.dry_run:
        tell_dry_run(car, cloud, ui, launch, parcel, sent)
        return
    launch = launch._replace(
        fingerprint=make_fingerprint(launch, parcel, sent.sha256s, named=bool(wish.model)),
        set_aside=sent.set_aside,
    )
    jobs = Ledger(car.scratch("jobs"))
    twin = find_twin(cloud, jobs, launch)
    running: List[str] = []
    try:
        if twin and twin.is_started:
            launch = twin.launch
            ui.say(f"Job {launch.job} is this very training: going on with it")
        else:
            launch = start(
                car,
                cloud,
                ui,
                jobs,
                twin.launch if twin else launch,
                send=lambda each: send_job(cloud, keys_of(each), parcel, sent.sha256s),
                running=running,
            )
        if wish.detach:
            ui.say("Come back to it with `python manage.py sagemaker-train --attach`")
            return
        finish(car, cloud, ui, launch, runtime, debug=debug, sleep=sleep)
    except KeyboardInterrupt:
        if running:
            raise Detached(running[-1]) from None
        raise


def attach(
    car: Car, cloud: Any, ui: PlainUi, *, name: Optional[str], debug: bool = False, sleep: Sleep = time.sleep
) -> None:
    """Goes on with a job that was detached from, here or on another machine, up to the installed model."""
    clear_leftovers(car)
    launch = find_launch(car, cloud, name=name)
    ui.say(f"Job {launch.job}")
    finish(car, cloud, ui, launch, the_runtime(car), debug=debug, sleep=sleep)


def the_runtime(car: Car) -> Runtime:
    """What the car runs: as its owner named it on another machine, else this Python's own."""
    if car.settings.car:
        return parse_runtime(car.settings.car, car_path=car.path)
    return find_runtime()


def find_launch(car: Car, cloud: Any, *, name: Optional[str]) -> Launch:
    """The launch named, or the newest that waits: of this car's ledger, else of what the bucket tells.

    Raises:
        NoSuchLaunch
    """
    jobs = Ledger(car.scratch("jobs"))
    try:
        return jobs.waiting(name)
    except NoSuchLaunch:
        names = (
            [name]
            if name
            else [job["TrainingJobName"] for job in cloud.list_jobs() if job["TrainingJobStatus"] in RUNNING]
        )
        for each in names:
            launch = read_launch(car, cloud, each)
            if launch:
                jobs.write(launch)
                return launch
        raise


def read_launch(car: Car, cloud: Any, name: str) -> Optional[Launch]:
    """What the machine that started the job left beside it in the bucket; None where this car is another."""
    keys = JobKeys(cloud.bucket, car.settings.prefix, name)
    if keys.launch not in cloud.list_objects(keys.launch):
        return None
    folder = car.scratch("incoming", keys.job)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "launch.json")
    cloud.download(keys.launch, path, advance=lambda count: None)
    with open(path, "rb") as file:
        return read_description(file.read(), car, keys=keys, backend=car.settings.backend)


def finish(
    car: Car, cloud: Any, ui: PlainUi, launch: Launch, runtime: Runtime, *, debug: bool, sleep: Sleep
) -> None:
    """Watches the job, then fetches, checks and installs its model. Ctrl-C detaches, wherever it comes."""
    jobs = Ledger(car.scratch("jobs"))
    try:
        launch, ended = watch_to_the_end(car, cloud, ui, jobs, launch, debug=debug, sleep=sleep)
        launch = tell_bill(cloud, ui, launch, ended)
        if ended.state["TrainingJobStatus"] == "Failed" or not ended.has_model:
            jobs.write(launch._replace(state=ledger.FAILED))
            if ended.state["TrainingJobStatus"] == "Stopped":
                raise StoppedEmpty(launch.job)
            raise TrainingFailed(launch.job, ended.state, ended.last_lines)
        folder = car.scratch("incoming", launch.job)
        archive_path = fetch(cloud, ui, keys_of(launch), folder)
        artifact = unpack(archive_path, os.path.join(folder, "unpacked"))
        tell_training(ui, artifact)
        checked = check_models(car, ui, launch, runtime, artifact, archive_path)
        with undisturbed():
            install(car, ui, launch, runtime, artifact, checked)
            shutil.rmtree(folder)
            # Last: until here the same command does all of it again, and changes nothing that is done.
            jobs.write(
                launch._replace(
                    state=ledger.INSTALLED,
                    val_loss=artifact.metrics.get("val_loss"),
                    epochs=artifact.metrics.get("epochs"),
                    trained_s=artifact.metrics.get("seconds"),
                )
            )
    except KeyboardInterrupt:
        raise Detached(launch.job) from None


def watch_to_the_end(
    car: Car, cloud: Any, ui: PlainUi, jobs: Ledger, launch: Launch, *, debug: bool, sleep: Sleep
) -> Tuple[Launch, Ended]:
    """Of this job, or of the one that takes its place where its type of machine was not to be had."""
    while True:
        try:
            ended = watch(cloud, ui, launch.job, whole_log=debug, sleep=sleep)
        except NoSuchJob:
            jobs.remove(launch.job)  # broken off before it was started: nothing to come back to
            raise
        if not ended.lacks_capacity or len(launch.requests) < 2:
            return launch, ended
        following = follow(launch)
        ui.warn(
            f"no capacity for {instance_type(launch.requests[0])}: trying"
            f" {instance_type(following.requests[0])}"
        )
        before = launch
        launch = start(car, cloud, ui, jobs, following, send=lambda each: None, running=[])
        jobs.write(before._replace(state=ledger.FAILED))


def tell_bill(cloud: Any, ui: PlainUi, launch: Launch, ended: Ended) -> Launch:
    """Says what the job took, and gives the launch with it."""
    billed_s = ended.state.get("BillableTimeInSeconds")
    if billed_s is None:
        return launch
    cost = make_meter(cloud, ended.state).cost(billed_s)
    ui.say("Billed {}{}".format(format_seconds(billed_s), "" if cost is None else ": " + format_usd(cost)))
    took_s = ended.state.get("TrainingTimeInSeconds", billed_s)  # more, where it was a spot job
    return launch._replace(billed_s=billed_s, took_s=took_s, cost_usd=cost)


def clear_leftovers(car: Car) -> None:
    """Undoes and removes what a power cut broke off."""
    folder = car.scratch("previous")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        recover(os.path.join(folder, name))
    for folder in (car.path, car.models_path, car.scratch("jobs")):
        atomic.sweep(folder)
    waiting = {launch.job for launch in Ledger(car.scratch("jobs")).all() if launch.state == ledger.LAUNCHED}
    incoming = car.scratch("incoming")
    for name in os.listdir(incoming) if os.path.isdir(incoming) else []:
        if name not in waiting:
            shutil.rmtree(os.path.join(incoming, name))
