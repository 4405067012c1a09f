"""From the bucket into the car: fetch the archive, check its models, swap them in, tell how to drive."""

import filecmp
import os
import shutil
from typing import Any, List

from ..car import check, database
from ..car.archive import Artifact
from ..car.car import Car
from ..car.check import Checked
from ..car.ledger import Launch
from ..car.model_files import model_name
from ..car.model_swap import install_files
from ..car.runtime import Runtime, bare_type, find_runtime_or_none, why_not_checked
from ..cloud.request import JobKeys
from ..ui import PlainUi, Rate, format_seconds
from .report import complete_report, describe_check


def fetch(cloud: Any, ui: PlainUi, keys: JobKeys, folder: str) -> str:
    """Downloads the archive into a folder of this job's own, where a part of it may be already."""
    os.makedirs(folder, exist_ok=True)
    shutil.rmtree(os.path.join(folder, "unpacked"), ignore_errors=True)
    path = os.path.join(folder, "model.tar.gz")
    size = cloud.list_objects(keys.archive).get(keys.archive, 0)
    rate = Rate()
    with ui.bar("Fetching the model", size) as advance:
        cloud.download(keys.archive, path, advance=lambda count: advance(count, rate.add(count)))
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
) -> List[Checked]:
    """Drives each format that this car can load; says which it cannot.

    Raises:
        ModelRejected
    """
    model_type = artifact.type or bare_type(launch.model_type)
    check.check_settings(artifact.config, car.config.values, model_type=model_type, archive_path=archive_path)
    here = find_runtime_or_none()
    models = []
    for model in artifact.models:
        reason = why_not_checked(model.format, car=runtime, here=here)
        if reason is None:
            models.append(model)
        else:
            ui.warn(f"the {model.format} is not checked: {reason}")
    if not models:
        return []
    all_checked = check.check_models(
        models,
        model_type=model_type,
        samples_path=artifact.path_of("samples"),
        archive_path=archive_path,
        car_path=car.path,
        myconfig=car.myconfig,
    )
    whose = "this machine's" if car.settings.car else "this car's"
    for checked in all_checked:
        ui.say(f"Driven by {whose} donkeycar as {checked.format}: {describe_check(checked)}")
    return all_checked


def install(
    car: Car, ui: PlainUi, launch: Launch, runtime: Runtime, artifact: Artifact, checked: List[Checked]
) -> None:
    """Swaps the new files in, and tells the pilot database and the user."""
    pairs = [(model.path, launch.base + ending_for(model.format, launch)) for model in artifact.models]
    for role, ending in (("plot", ".png"), ("history", ".history.json")):
        path = artifact.path_of(role)
        if path:
            pairs.append((path, base_name(launch) + ending))
    has_come = all(same_content(source, target) for source, target in pairs)  # and then a power cut
    report_path = artifact.path_of("report")
    if report_path:
        complete_report(report_path, launch, runtime, checked)
        pairs.append((report_path, base_name(launch) + ".html"))
    gone: List[str] = []
    if not has_come:
        gone = install_files(
            pairs, backup_folder=car.scratch("previous", os.path.basename(base_name(launch)))
        )
    if runtime.donkeycar >= (4, 2):
        enter_pilot(car, ui, launch, runtime, artifact, model_path=pairs[0][1])
    ui.say("Installed {}".format(", ".join(car.shown(target) for _, target in pairs)))
    if gone:
        ui.say("Put away with the model before: {}".format(", ".join(map(car.shown, gone))))
    if launch.model_type.startswith("tensorrt_"):
        ui.warn("it is not tried with TensorRT, which makes a model of its own from this one")
    ui.say("Drive it{}:".format(", once it is copied to the car" if car.settings.car else ""))
    ui.say("  " + drive_line(car, launch, runtime, artifact))


def same_content(source: str, target: str) -> bool:
    """True for two equal files, or folders with equal files."""
    if not os.path.isdir(source):
        return os.path.isfile(target) and filecmp.cmp(source, target, shallow=False)
    names = sorted(os.listdir(source))
    if not os.path.isdir(target) or names != sorted(os.listdir(target)):
        return False
    return all(same_content(os.path.join(source, name), os.path.join(target, name)) for name in names)


def ending_for(form: str, launch: Launch) -> str:
    """As planned; a foreign image's lone model goes under the very name that was asked for.

    After an epoch the trainer writes HDF5 in place of a SavedModel: that is what a job leaves that was
    killed, and such a car drives it, too.
    """
    endings = {planned: ending for ending, planned in launch.models}
    if form == "h5" and "savedmodel" in endings:
        return ".h5"
    return endings.get(form, launch.models[0][0])


def base_name(launch: Launch) -> str:
    """The path that a model's further files share: donkeycar 2 keeps the ending in the model's own."""
    return os.path.join(os.path.dirname(launch.base), model_name(launch.base))


def enter_pilot(
    car: Car, ui: PlainUi, launch: Launch, runtime: Runtime, artifact: Artifact, *, model_path: str
) -> None:
    """The pilot's entry in models/database.json, as this generation's `donkey train` writes it."""
    added = database.add_entry(
        car.database_path,
        database.make_entry(
            model_path=model_path,
            model_type=launch.model_type,
            pilot=artifact.pilot or bare_type(launch.model_type),
            tub_paths=launch.tubs,
            time_s=launch.started,
            history=artifact.history,
            transfer=launch.transfer,
            comment=launch.comment,
            config=car.config.values,
            donkeycar_version=runtime.donkeycar,
        ),
    )
    if added.unreadable_path:
        ui.warn(f"the pilot database was unreadable; it is kept as {car.shown(added.unreadable_path)}")


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
