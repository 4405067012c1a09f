"""The check: the car's own donkeycar drives each format of the new model before it is installed."""

from typing import List

from ..car import check
from ..car.archive import Artifact
from ..car.car import Car
from ..car.check import Checked
from ..car.job import Plan
from ..car.runtime import bare_type, find_runtime_or_none, why_not_checked
from ..ui import PlainUi
from .report import describe_check


def check_models(
    car: Car, ui: PlainUi, plan: Plan, artifact: Artifact, *, archive_path: str
) -> List[Checked]:
    """Drives each format that this Python can load; reports which it cannot.

    Raises:
        ModelRejected
    """
    model_type = artifact.type or bare_type(plan.model_type)
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
        ui.print(f"Driven by {whose} donkeycar as {checked.format}: {describe_check(checked)}")
    return all_checked
