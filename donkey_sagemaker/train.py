"""The story of sagemaker-train: pack, upload, launch, watch, check, install."""

import contextlib
import datetime
import hashlib
import json
import os
import shutil
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import __version__, contract
from .car import check, database, ledger
from .car.archive import Artifact, unpack
from .car.ledger import Launch, Ledger
from .car.models import default_model_path, install_files, model_name, recover
from .car.runtime import Runtime, bare_type, find_runtime, plan_models
from .car.workplace import Car
from .cloud.code import build_trainer
from .cloud.request import JobKeys, make_job_name, make_manifest, make_request
from .errors import BadInput, DonkeySagemakerError, JobFailed
from .tubs.files import FolderFiles
from .tubs.paths import find_tubs
from .tubs.reader import Tub, read_tub
from .tubs.shards import PackReport, pack
from .ui import PlainUi, format_bytes, format_seconds

LAST_LINES = 20  # of the log, shown when a job fails

Sleep = Callable[[float], None]


class NoGoodRecords(BadInput):
    def __init__(self, paths: List[str], report: PackReport) -> None:
        why = ", ".join("{} x {}".format(count, reason) for reason, count in report.set_aside.most_common())
        super().__init__(
            "{} {} no record that can be trained on{}.".format(
                ", ".join(paths), "holds" if len(paths) == 1 else "hold", " ({})".format(why) if why else ""
            ),
            "Name a tub with good records: --tub=PATH.",
        )


class NoTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            "There is no model {} to transfer from.".format(path), "Give --transfer a model that exists."
        )


class LiteTransferModel(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            "{} cannot be trained further: a .tflite is for driving alone.".format(path),
            "Give --transfer the model of the same name that Keras wrote.",
        )


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


class Wish(NamedTuple):
    """What the command line asks for."""

    tub: Optional[str]
    model: Optional[str]
    model_type: Optional[str]
    transfer: Optional[str]
    comment: Optional[str]
    detach: bool


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


# Before the job


def plan_launch(car: Car, cloud: Any, runtime: Runtime, wish: Wish) -> Launch:
    """Names and files of this training; whatever is wrong with them is found here, before any work.

    Raises:
        BadInput
    """
    model_type = wish.model_type or car.config.get("DEFAULT_MODEL_TYPE") or default_type(runtime)
    if wish.model:
        asked = os.path.join(car.path, os.path.expanduser(wish.model))
    else:
        asked = default_model_path(
            car.models_path,
            today=datetime.date.today(),
            extension="",
            database_numbers=database.read_numbers(database_path(car)),
            existing_names=os.listdir(car.models_path) if os.path.isdir(car.models_path) else [],
        )
        if runtime.donkeycar < (3, 0):
            asked += ".h5"
    plan = plan_models(
        asked,
        model_type=model_type,
        donkeycar=runtime.donkeycar,
        config=car.config.values,
        version=runtime.versions["donkeycar"],
    )
    transfer = wish.transfer and os.path.join(car.path, os.path.expanduser(wish.transfer))
    if transfer and transfer.endswith(".tflite"):
        raise LiteTransferModel(car.shown(transfer))
    if transfer and not os.path.exists(transfer):
        raise NoTransferModel(car.shown(transfer))
    now = time.time()
    return Launch(
        job=make_job_name(os.path.basename(plan.base), now=now),
        state=ledger.LAUNCHED,
        backend=car.settings.backend,
        bucket=cloud.bucket,
        prefix=car.settings.prefix,
        started=now,
        model_type=model_type,
        base=plan.base,
        models=plan.models,
        tubs=[],
        transfer=transfer or None,
        comment=wish.comment,
        val_loss=None,
    )


def default_type(runtime: Runtime) -> str:
    """What manage.py of a car without DEFAULT_MODEL_TYPE drives."""
    return "categorical" if runtime.donkeycar < (2, 5) else "linear"


def database_path(car: Car) -> str:
    return os.path.join(car.models_path, "database.json")


def send_shards(
    car: Car, cloud: Any, ui: PlainUi, keys: JobKeys, tubs: List[Tub], launch: Launch
) -> List[str]:
    """Packs the tubs and puts into the bucket what it does not hold yet.

    Returns:
        SHA-256 of every shard of this job.
    Raises:
        NoGoodRecords
    """
    report = PackReport()
    size = (car.config.get("IMAGE_W", 160), car.config.get("IMAGE_H", 120))
    there = cloud.list_objects(keys.shards)
    shards: List[str] = []
    sent, sent_bytes = 0, 0
    started = time.monotonic()
    with ui.bar("Sending pictures", sum(tub.count_records() for tub in tubs)) as advance:
        for tub in tubs:
            for shard in pack(tub, report=report, size=size):
                key = keys.shard(shard.sha256)
                if key not in there:
                    cloud.put(key, shard.body)
                    sent, sent_bytes = sent + 1, sent_bytes + len(shard.body)
                shards.append(shard.sha256)
                advance(shard.records)
    tell_report(ui, report, size)
    if not report.records:
        raise NoGoodRecords([car.shown(path) for path in launch.tubs], report)
    ui.say(
        "Sent {} of {} shards, {} in {:.1f} s{}".format(
            sent,
            len(shards),
            format_bytes(sent_bytes),
            time.monotonic() - started,
            "" if sent == len(shards) else "; the bucket has the others already",
        )
    )
    return shards


def tell_report(ui: PlainUi, report: PackReport, size: Tuple[int, int]) -> None:
    ui.say(
        "{} good records{}".format(
            report.records, ", {} deleted".format(report.deleted) if report.deleted else ""
        )
    )
    for reason, count in report.set_aside.most_common():
        ui.warn("set aside: {} x {} ({})".format(count, reason, ", ".join(report.examples[reason])))
    if report.other_size:
        ui.warn(
            "{} pictures are not {}x{} (IMAGE_W x IMAGE_H); they are resized".format(report.other_size, *size)
        )


def send_job(
    car: Car,
    cloud: Any,
    runtime: Runtime,
    keys: JobKeys,
    launch: Launch,
    *,
    names: Dict[str, str],
    shards: List[str],
) -> Dict[str, Any]:
    """Puts the job's own files into the bucket, and makes the request."""
    modules = custom_modules(car)
    description = {
        "format": 1,
        "plugin": __version__,
        "name": os.path.basename(launch.base),
        "type": bare_type(launch.model_type),
        "models": [(os.path.basename(launch.base) + ending, form) for ending, form in launch.models],
        "transfer": os.path.basename(launch.transfer) if launch.transfer else None,
        "tubs": {name: car.shown(path) for name, path in names.items()},
        "custom_modules": {key: os.path.basename(path) for key, path in modules.items()},
        "car": runtime.describe(),
    }
    bodies = {contract.JOB_NAME: json.dumps(description, indent=1).encode("utf-8")}
    paths = [os.path.join(car.path, contract.CONFIG_NAME)] + list(modules.values())
    for path in paths:
        bodies[os.path.basename(path)] = read_bytes(path)
    myconfig_path = os.path.join(car.path, car.myconfig)
    if os.path.exists(myconfig_path):
        bodies[contract.MYCONFIG_NAME] = read_bytes(myconfig_path)
    if launch.transfer:
        bodies.update(read_tree(launch.transfer))
    for name, body in bodies.items():
        cloud.put(keys.car(name), body)
    trainer = build_trainer()
    trainer_sha256 = hashlib.sha256(trainer).hexdigest()
    cloud.put(keys.code(trainer_sha256), trainer)
    cloud.put(keys.manifest, json.dumps(make_manifest(keys, shards)).encode("utf-8"))
    return make_request(
        keys,
        car.settings,
        image=cloud.image,
        role_arn=cloud.role_arn,
        trainer_sha256=trainer_sha256,
        tags=dict(car.settings.tags, car=os.path.basename(car.path), model=os.path.basename(launch.base)),
    )


def custom_modules(car: Car) -> Dict[str, str]:
    """Files of the owner's own transformations, by the config's name for them (CUSTOM_x_MODULE)."""
    return {
        name: value
        for name, value in car.config.values.items()
        if name.startswith("CUSTOM")
        and name.endswith("_MODULE")
        and isinstance(value, str)
        and os.path.isfile(value)
    }


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_tree(path: str) -> Dict[str, bytes]:
    """A model's bytes by its name; those of a SavedModel folder by their names below it."""
    name = os.path.basename(path)
    if not os.path.isdir(path):
        return {name: read_bytes(path)}
    bodies = {}
    for child in sorted(os.listdir(path)):
        for below, body in read_tree(os.path.join(path, child)).items():
            bodies[name + "/" + below] = body
    return bodies


# From the running job to the car


def finish(car: Car, cloud: Any, ui: PlainUi, launch: Launch, runtime: Runtime, *, sleep: Sleep) -> None:
    """Watches the job, then fetches, checks and installs its model. Ctrl-C detaches, wherever it comes."""
    jobs = Ledger(car.scratch("jobs"))
    keys = JobKeys(launch.bucket, launch.prefix, launch.job)
    try:
        ended = watch(cloud, ui, launch.job, sleep=sleep)
        if ended.state["TrainingJobStatus"] == "Failed" or "ModelArtifacts" not in ended.state:
            jobs.write(launch._replace(state=ledger.FAILED))
            if ended.state["TrainingJobStatus"] == "Stopped":
                raise StoppedEmpty(launch.job)
            reason = ended.state.get("FailureReason", "it ended without a model")
            raise TrainingFailed(launch.job, reason, ended.last_lines)
        folder = car.scratch("incoming", launch.job)
        archive_path = fetch(cloud, ui, keys, ended.state, folder)
        artifact = unpack(archive_path, os.path.join(folder, "unpacked"))
        tell_training(ui, artifact)
        check_models(car, ui, launch, runtime, artifact, archive_path)
        install(car, ui, launch, runtime, artifact)
        jobs.write(launch._replace(state=ledger.INSTALLED, val_loss=artifact.metrics.get("val_loss")))
        shutil.rmtree(folder)
    except KeyboardInterrupt:
        raise Detached(launch.job) from None


class Ended(NamedTuple):
    state: Dict[str, Any]  # as DescribeTrainingJob tells it
    last_lines: List[str]


def watch(cloud: Any, ui: PlainUi, job: str, *, sleep: Sleep) -> Ended:
    """Shows states and epochs until the job has ended and its log is drained."""
    lines: List[str] = []
    position, last_state = 0, ""
    with ui.epochs() as show:
        while True:
            state = cloud.describe_job(
                job
            )  # before the log: what was printed before its end is all there then
            new_lines, position = cloud.read_log(job, position)
            for line in new_lines:
                progress = contract.parse_progress(line)
                if progress:
                    show(progress)
                elif line.startswith(contract.TOLD):
                    ui.say(line[len(contract.TOLD) :])
                lines = (lines + [line])[-LAST_LINES:]
            if state["SecondaryStatus"] != last_state:
                last_state = state["SecondaryStatus"]
                ui.say("State: " + last_state)
            if state["TrainingJobStatus"] not in ("InProgress", "Stopping") and not new_lines:
                return Ended(state, lines)
            sleep(cloud.poll_s)


def fetch(cloud: Any, ui: PlainUi, keys: JobKeys, state: Dict[str, Any], folder: str) -> str:
    """Downloads the archive into a folder of this job's own."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    path = os.path.join(folder, "model.tar.gz")
    size = cloud.list_objects(keys.archive).get(keys.archive, 0)
    with ui.bar("Fetching the model", size) as advance:
        cloud.download(keys.archive, path, advance=advance)
    return path


def tell_training(ui: PlainUi, artifact: Artifact) -> None:
    metrics = artifact.metrics
    if not metrics:
        return
    ui.say(
        "Trained {} epochs in {}: best validation loss {:.4f} in epoch {}".format(
            metrics["epochs"], format_seconds(metrics["seconds"]), metrics["val_loss"], metrics["best_epoch"]
        )
    )


def check_models(
    car: Car, ui: PlainUi, launch: Launch, runtime: Runtime, artifact: Artifact, archive_path: str
) -> None:
    """Drives each format that this car can load; says which it cannot.

    Raises:
        ModelRefused
    """
    models = [model for model in artifact.models if runtime.loads(model.format)]
    for model in artifact.models:
        if model not in models:
            ui.warn("{} is not checked: this Python has nothing that loads it".format(model.format))
    if not models:
        return
    with_time = check.check_models(
        models,
        model_type=artifact.type or bare_type(launch.model_type),
        samples_path=artifact.path_of("samples"),
        archive_path=archive_path,
        car_path=car.path,
        myconfig=car.myconfig,
    )
    for checked in with_time:
        ui.say(
            "Driven by this car's donkeycar as {}: {}, {:.0f} ms a picture".format(
                checked.form,
                "like in training"
                if checked.largest_difference is None
                else "off by at most {:.1e}".format(checked.largest_difference),
                checked.ms,
            )
        )


def install(car: Car, ui: PlainUi, launch: Launch, runtime: Runtime, artifact: Artifact) -> None:
    """Swaps the new files in, and tells the pilot database and the user."""
    pairs = [(model.path, launch.base + ending_for(model.format, launch)) for model in artifact.models]
    for role, ending in (("plot", ".png"), ("history", ".history.json")):
        path = artifact.path_of(role)
        if path:
            pairs.append((path, base_name(launch) + ending))
    with undisturbed():
        install_files(pairs, backup_folder=car.scratch("previous", os.path.basename(base_name(launch))))
        if runtime.donkeycar >= (4, 2):
            enter_pilot(car, ui, launch, runtime, artifact, model_path=pairs[0][1])
    ui.say("Installed {}".format(", ".join(car.shown(target) for _, target in pairs)))
    ui.say("Drive it:")
    ui.say("  " + drive_line(car, launch, runtime, artifact))


def ending_for(form: str, launch: Launch) -> str:
    """As planned; a foreign image's lone model goes under the very name that was asked for."""
    for ending, planned in launch.models:
        if planned == form:
            return ending
    return launch.models[0][0]


def base_name(launch: Launch) -> str:
    """The path that a model's further files share: donkeycar 2 keeps the ending in the model's own."""
    return os.path.join(os.path.dirname(launch.base), model_name(launch.base))


def enter_pilot(
    car: Car, ui: PlainUi, launch: Launch, runtime: Runtime, artifact: Artifact, *, model_path: str
) -> None:
    """The pilot's entry in models/database.json, as this generation's `donkey train` writes it."""
    added = database.add_entry(
        database_path(car),
        database.make_entry(
            model_path=model_path,
            model_type=launch.model_type,
            pilot=artifact.pilot or bare_type(launch.model_type),
            tub_paths=launch.tubs,
            time_s=time.time(),
            history=artifact.history,
            transfer=launch.transfer,
            comment=launch.comment,
            config=car.config.values,
            donkeycar_version=runtime.donkeycar,
        ),
    )
    if added.unreadable_path:
        ui.warn(
            "the pilot database was unreadable; it is kept as {}".format(car.shown(added.unreadable_path))
        )


def drive_line(car: Car, launch: Launch, runtime: Runtime, artifact: Artifact) -> str:
    """What to type to drive with the new model: on a Pi the .tflite, which takes a fifth of the time."""
    forms = [model.format for model in artifact.models]
    form = forms[0]
    if "tflite" in forms and (runtime.machine.startswith(("arm", "aarch64")) or not runtime.loads(form)):
        form = "tflite"
    words = ["python manage.py drive --model", car.shown(launch.base + ending_for(form, launch))]
    if runtime.donkeycar >= (3, 0):
        words.append(
            "--type {}{}".format("tflite_" if form == "tflite" else "", bare_type(launch.model_type))
        )
    return " ".join(words)
