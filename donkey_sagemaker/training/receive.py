"""The end of a training: its model is downloaded, checked and judged, then installed or kept aside."""

import contextlib
import os
import shutil
from typing import Optional, Tuple

from ..car.archive import unpack
from ..car.backups import UNPACKED_NAME, kept_folder
from ..car.car import Car
from ..car.drive_line import choose_format, drive_command, ms_of
from ..car.driving_process import DrivingProcess
from ..car.job import INSTALLED, KEPT_ASIDE, Bill, Job, Outcome
from ..car.trained_pictures import digest_model
from ..car.validation_pictures import keep_validation
from ..cloud.cloud import Cloud
from ..driving import read_driving
from ..interrupts import deferred_interrupts
from ..ui import PlainUi
from .check import check_models
from .disk import removed_when_full
from .download import download_archive, report_training
from .install import install, path_of_extra
from .judge import judge, report_verdict
from .kept_aside import (
    ARCHIVE_NAME,
    ModelKeptAside,
    find_kept,
    install_command,
    keep_aside,
    remove_if_empty,
)
from .report import compare_with_previous, complete_report
from .timing import Timing
from .tuning_space import trained_plan


def is_installed(car: Car, job: Job) -> bool:
    return any(entry.job.name == job.name and entry.state == INSTALLED for entry in car.ledger.entries())


def receive(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    bill: Bill,
    timing: Optional[Timing] = None,
    *,
    needs_check: bool = False,
    driving: Optional[DrivingProcess] = None,
) -> None:
    """Downloads, checks and installs the model of a job that has ended, or keeps it aside.

    Args:
        needs_check: keep a model aside that nothing on this machine can drive.
        driving: the process to drive the model in, which may have started already; None starts one.
    Raises:
        ModelRejected, ModelKeptAside
    """
    with removed_when_full(car.state_path("incoming", job.name)), contextlib.ExitStack() as context:
        driving = driving or context.enter_context(DrivingProcess(car.path))
        receive_model(car, cloud, ui, job, bill, timing, needs_check=needs_check, driving=driving)


def receive_model(
    car: Car,
    cloud: Cloud,
    ui: PlainUi,
    job: Job,
    bill: Bill,
    timing: Optional[Timing],
    *,
    needs_check: bool,
    driving: DrivingProcess,
) -> None:
    folder, archive_path = fetch_archive(car, cloud, ui, job)
    with ui.busy("Unpacking the model"):
        artifact = unpack(archive_path, os.path.join(folder, UNPACKED_NAME))
    job = job._replace(plan=trained_plan(car, job.plan, artifact.type))
    if job.plan.trial_epochs and not artifact.has_trials:
        ui.warn(
            "its trainer has tried no other settings: the training image is older than this program."
            " Build it again with `python manage.py sagemaker-image`"
        )
    report_training(ui, artifact)
    with ui.busy("Trying the model"):
        checked = check_models(car, ui, job.plan, artifact, archive_path=archive_path, driving=driving)
    with ui.busy("Comparing the model with the previous one"):
        judged = judge(
            car, ui, job.plan, artifact, archive_path=archive_path, checked=checked, driving=driving
        )
    driving.stop()  # it takes memory that the car may need
    if needs_check and not checked and judged.flaw is None:
        judged = judged._replace(flaw="nothing on this machine can drive it, so it was not checked")
    is_kept = judged.flaw is not None and car.settings.install == "better"
    report_verdict(ui, judged.verdict)
    form = choose_format(car, [model.format for model in artifact.models], checked)
    proof = read_driving(artifact.driving)
    outcome = Outcome(
        KEPT_ASIDE if is_kept else INSTALLED,
        bill,
        val_loss=artifact.metrics.get("val_loss"),
        epochs=artifact.metrics.get("epochs"),
        trained_s=artifact.metrics.get("seconds"),
        before_s=timing.before_s if timing else None,
        after_s=timing.after_s if timing else None,
        steering_error=judged.steering_error,
        ms=ms_of(form, checked),
        form=form,
        verdict=judged.verdict,
        digests=[digest_model(model.path) for model in artifact.models],
        times_off_per_100_m=proof.times_off_per_100_m if proof else None,
        mean_distance_m=proof.mean_distance_m if proof else None,
    )
    report_path = path_of_extra("report", artifact, ui)
    if report_path:
        with ui.busy("Completing the report"):
            complete_report(
                report_path,
                job,
                car.runtime,
                checked,
                judged=judged.rows_for_report(is_kept),
                bill=bill,
                drive=None if is_kept else drive_command(car, job.plan, form),
                beside=compare_with_previous(car, job.plan, artifact, judged.comparison),
            )
    with deferred_interrupts():
        pictures_path = artifact.path_of("validation")
        if pictures_path:
            keep_validation(car, job.name, pictures_path)
        if is_kept:
            keep_aside(car, job, folder)
        else:
            if judged.flaw:
                ui.warn(f"installing the new model although {judged.flaw}")
            install(car, ui, job, artifact, report_path=report_path, form=form)
            shutil.rmtree(folder)
            remove_if_empty(car)
        # Last: until here the same command repeats all of it, and changes nothing that is done.
        car.ledger.write(job, outcome)
    if is_kept:
        raise ModelKeptAside(
            str(judged.flaw),
            folder=car.display(kept_folder(car, job)),
            command=install_command(car, job),
        )


def fetch_archive(car: Car, cloud: Cloud, ui: PlainUi, job: Job) -> Tuple[str, str]:
    """(the folder to unpack in, the archive's path): downloaded, or where it was kept aside."""
    kept = find_kept(car, job)
    if kept is None:
        folder = car.state_path("incoming", job.name)
        return folder, download_archive(cloud, ui, job.keys, folder)
    shutil.rmtree(os.path.join(kept, UNPACKED_NAME), ignore_errors=True)
    return kept, os.path.join(kept, ARCHIVE_NAME)
