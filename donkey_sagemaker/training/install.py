"""The new model takes its place in the car; then the line to drive with is printed."""

import filecmp
import os
from pathlib import Path
from typing import List, Optional, Tuple

from ..car import database
from ..car.archive import Artifact, ModelFile
from ..car.backups import backup_folder
from ..car.car import Car
from ..car.drive_line import drive_command, ending_for
from ..car.extra_files import find_fault
from ..car.job import Job, Plan
from ..car.model_files import model_name
from ..car.model_swap import install_files
from ..car.runtime import bare_type
from ..car.trained_pictures import keep_trained
from ..contract import FORMATS
from ..ui import PlainUi


def install(
    car: Car, ui: PlainUi, job: Job, artifact: Artifact, *, report_path: Optional[str], form: str
) -> None:
    """Swaps the new files in, adds the pilot to donkeycar's database, and reports how to drive.

    Args:
        report_path: of the complete report; None where it may not be installed.
        form: the format to drive.
    """
    plan, base = job.plan, base_path(job.plan)
    pairs = [(model.path, plan.base + ending_for(model.format, plan)) for model in artifact.models]
    for role, ending in (("plot", ".png"), ("history", ".history.json")):
        path = path_of_extra(role, artifact, ui)
        if path:
            pairs.append((path, base + ending))
    # True after a power cut between the swap and the ledger's entry
    is_installed = all(same_content(source, target) for source, target in pairs)
    if report_path:
        pairs.append((report_path, base + ".html"))
    removed: List[str] = []
    if is_installed:
        ui.print(f"{car.display(pairs[0][1])} is already exactly this model: its files stay as they are")
    else:
        removed = install_files(pairs, backup_folder=backup_folder(car, base), keep=car.settings.keep_models)
    trained_path = artifact.path_of("trained")
    if trained_path:
        keep_trained(car, [model.path for model in artifact.models], trained_path)
    if car.runtime.donkeycar >= (4, 2):
        add_to_database(car, ui, job, artifact, model_path=pairs[0][1])
    report_installed(car, ui, plan, pairs=pairs, removed=removed, form=form)


def path_of_extra(role: str, artifact: Artifact, ui: PlainUi) -> Optional[str]:
    """The path of a file that comes with the model; None without one, or if it is not what it should be."""
    path = artifact.path_of(role)
    fault = find_fault(role, path) if path else None
    if fault:
        ui.warn(f"the {role} that came with the model is not installed: {fault}")
        return None
    return path


def report_installed(
    car: Car,
    ui: PlainUi,
    plan: Plan,
    *,
    pairs: List[Tuple[str, str]],
    removed: List[str],
    form: str,
) -> None:
    report = next((target for _source, target in pairs if target.endswith(".html")), None)
    ui.print(f"Installed {', '.join(car.display(target) for _, target in pairs if target != report)}")
    if report:
        ui.print(f"Report: {car.display(report)}", link=Path(report).as_uri())
    if removed:
        ui.print(
            f"Moved to the backup, as the new model has no such file: {', '.join(map(car.display, removed))}"
        )
    if plan.model_type.startswith("tensorrt_"):
        ui.warn("it was not checked with TensorRT, which creates its own model from this one")
    ui.print(f"Drive it{', once it is copied to the car' if car.settings.car else ''}:")
    ui.print_command(drive_command(car, plan, form))


def same_content(source: str, target: str) -> bool:
    """Whether both are equal files, or folders with equal files."""
    if not os.path.isdir(source):
        return os.path.isfile(target) and filecmp.cmp(source, target, shallow=False)
    names = sorted(os.listdir(source))
    if not os.path.isdir(target) or names != sorted(os.listdir(target)):
        return False
    return all(same_content(os.path.join(source, name), os.path.join(target, name)) for name in names)


def existing_models(plan: Plan) -> List[ModelFile]:
    """The files of the model that is to be replaced, in any format; the planned formats come first."""
    base = base_path(plan)
    candidates = [ModelFile(form, plan.base + ending) for ending, form in plan.models]
    candidates += [ModelFile(form, f"{base}.{form}") for form in FORMATS]
    existing: List[ModelFile] = []
    for model in candidates:
        if os.path.exists(model.path) and model.path not in [each.path for each in existing]:
            existing.append(model)
    return existing


def base_path(plan: Plan) -> str:
    """What the paths of a model's other files begin with: donkeycar 2 keeps the ending in the model's own."""
    return os.path.join(os.path.dirname(plan.base), model_name(plan.base))


def add_to_database(car: Car, ui: PlainUi, job: Job, artifact: Artifact, *, model_path: str) -> None:
    """The pilot's entry in models/database.json, as this generation's `donkey train` writes it."""
    plan = job.plan
    added = database.add_entry(
        car.database_path,
        database.make_entry(
            model_path=model_path,
            model_type=plan.model_type,
            pilot=artifact.pilot or bare_type(plan.model_type),
            tub_paths=plan.tubs,
            time_s=job.started,
            history=artifact.history,
            transfer=plan.transfer,
            comment=plan.comment,
            config=car.config.values,
            donkeycar_version=car.runtime.donkeycar,
        ),
    )
    if added.unreadable_path:
        ui.warn(f"the pilot database could not be read; it was kept as {car.display(added.unreadable_path)}")
