"""The check: the car's own donkeycar drives each format of the new model before it is installed."""

from typing import Any, List, Optional, Sequence

from ..car import check, model_scan
from ..car.archive import Artifact
from ..car.car import Car
from ..car.check import Checked, ModelRejected
from ..car.driving_process import DrivingProcess
from ..car.job import Plan
from ..car.runtime import bare_type, find_runtime_or_none, why_not_checked
from ..contract import DONKEYCAR
from ..ui import PlainUi
from .report import describe_check

DRIVE_LOOP_HZ = 20  # donkeycar's own


def check_models(
    car: Car,
    ui: PlainUi,
    plan: Plan,
    artifact: Artifact,
    *,
    archive_path: str,
    driving: Optional[DrivingProcess] = None,
) -> List[Checked]:
    """Drives each format that this Python can load; reports which it cannot.

    Args:
        driving: the process for it; None starts one.
    Raises:
        ModelRejected
    """
    check_planned(plan, artifact, archive_path=archive_path)
    if not car.settings.trust_model:
        model_scan.scan_models(artifact.models, archive_path=archive_path)
    if not (artifact.has_trials or has_recipe(artifact, car.settings.recipe)):  # a trial may have another
        ui.warn(
            f"the model was trained with the recipe {artifact.recipe or DONKEYCAR}, but SAGEMAKER_RECIPE is "
            f"{car.settings.recipe!r}. Unless you have changed it since, the training image is too old. "
            "Update the image with `python manage.py sagemaker-image`."
        )
    model_type = bare_type(plan.model_type)
    check.check_settings(artifact.config, car.config.values, model_type=model_type, archive_path=archive_path)
    here = find_runtime_or_none()
    models = []
    for model in artifact.models:
        reason = why_not_checked(model.format, car=car.runtime, here=here)
        if reason is None:
            models.append(model)
        else:
            ui.warn(f"the {model.format} is not checked: {reason}")
    if not models:
        return []
    whose = "this machine's" if car.settings.car else "this car's"
    ui.print(f"Trying the model with {whose} donkeycar, which takes a while to start")
    all_checked = check.check_models(
        models,
        model_type=model_type,
        samples_path=artifact.path_of("samples"),
        archive_path=archive_path,
        car_path=car.path,
        myconfig=car.myconfig,
        driving=driving,
    )
    for checked in all_checked:
        ui.print(f"Driven by {whose} donkeycar as {checked.format}: {describe_check(checked)}")
    slow = None if car.settings.car else describe_slow(all_checked, car.config.get("DRIVE_LOOP_HZ"))
    if slow:
        ui.warn(slow)
    return all_checked


def describe_slow(all_checked: Sequence[Checked], loop_hz: Any) -> Optional[str]:
    """A warning about formats that take longer for a picture than the drive loop has; None without any."""
    limit_ms = loop_ms(loop_hz)
    slow = [checked for checked in all_checked if checked.ms > limit_ms]
    if not slow:
        return None
    fast = [checked.format for checked in all_checked if checked.ms <= limit_ms]
    remedy = f"drive the {fast[0]}" if fast else "train with smaller pictures (IMAGE_W, IMAGE_H), or lower it"
    times = " and ".join(f"the {checked.format} takes {checked.ms:.0f} ms" for checked in slow)
    return (
        f"{times} a picture, but the drive loop has only {limit_ms:.0f} ms (DRIVE_LOOP_HZ), so the car would"
        f" steer late: {remedy}"
    )


def loop_ms(loop_hz: Any) -> float:
    """The time that the drive loop has for a picture.

    Args:
        loop_hz: DRIVE_LOOP_HZ of the car's config.
    """
    is_number = isinstance(loop_hz, (int, float)) and not isinstance(loop_hz, bool) and loop_hz > 0
    return 1000 / (loop_hz if is_number else DRIVE_LOOP_HZ)


def has_recipe(artifact: Artifact, recipe: str) -> bool:
    """Whether a model was trained with this recipe. Without a word about it, a trainer does as donkeycar."""
    return (artifact.recipe or DONKEYCAR) == recipe


def check_planned(plan: Plan, artifact: Artifact, *, archive_path: str) -> None:
    """Compares an archive with what the job was to make: whoever has a key to the bucket can replace it.

    Raises:
        ModelRejected: it is another job's, or it contains something that this job does not make.
    """
    if artifact.name is None:
        return  # an image that is not ours leaves one model and nothing else
    model_type = bare_type(plan.model_type)
    if (artifact.name, artifact.type) != (plan.name, model_type):
        what = f"the archive contains {artifact.name} ({artifact.type})"
        raise ModelRejected(f"{what}, but this job trains {plan.name} ({model_type})", archive_path)
    planned = {form for _ending, form in plan.models}
    if "savedmodel" in planned:
        planned.add("h5")  # a job that was killed leaves that in its place
    unplanned = sorted(model.format for model in artifact.models if model.format not in planned)
    if unplanned:
        raise ModelRejected(
            f"the archive contains the format {unplanned[0]}, which this job does not make", archive_path
        )
    if artifact.path_of("samples") is None:
        raise ModelRejected("the archive contains no sample pictures to check it with", archive_path)
