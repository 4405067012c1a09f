"""The trainings of this car, and which of their models it still has.

They come from the ledger of jobs, from donkeycar's database.json, and from the histories beside the models.
None of them is trusted to be complete: another program, or a person, may have written it.
"""

import math
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..untrusted_file import read_file
from ..untrusted_json import parse_json
from ..verdict import Verdict
from .backups import UNPACKED_NAME, backup_folder, kept_folder
from .car import Car
from .database import read_entries
from .job import INSTALLED, KEPT_ASIDE, Outcome, Plan
from .ledger import Entry
from .model_files import model_name
from .model_swap import BackupDamaged, previous_sets
from .trained_pictures import digest_model

KEPT, REPLACED = "kept", "replaced"  # for sagemaker-rollback, or no longer
_HISTORY = ".history.json"
_NO_MODELS = (".json", ".png", ".html")
_MAX_BYTES = 2**20  # of a history


class Model(NamedTuple):
    """A training and its model; None, empty or NaN where nothing is known."""

    name: str  # as the user types it; NAME~1 is what a rollback brings back first, NAME~2 next
    state: str  # INSTALLED, KEPT, KEPT_ASIDE or REPLACED
    trained: float = 0.0  # seconds since the epoch; 0 where it is not known
    model_type: str = ""
    records: int = 0
    val_loss: Sequence[float] = ()  # by epoch; NaN where an epoch has none
    epochs: int = 0
    best: float = math.nan  # validation loss
    steering_error: float = math.nan
    times_off_per_100_m: float = math.nan  # when it drove along its own tub
    ms: float = math.nan  # that this car takes for a picture
    cost_usd: float = math.nan
    verdict: Optional[Verdict] = None
    tubs: Sequence[str] = ()  # paths, as the user would type them
    comment: str = ""
    transfer: str = ""
    job: str = ""
    plan: Optional[Plan] = None  # of its job
    paths: Sequence[str] = ()  # of its files, if they are still there
    form: Optional[str] = None  # the format to drive


def find_models(car: Car) -> List[Model]:
    """Every training that has left a model, the newest first."""
    entries = [entry for entry in car.ledger.entries() if entry.state in (INSTALLED, KEPT_ASIDE)]
    pilots = read_entries(car.database_path)
    places = _find_places(car, entries)
    models = [
        _from_job(car, entry, places.get(entry.job.name), _pilot_of(entry, pilots)) for entry in entries
    ]
    known = {_key_of(entry) for entry in entries}
    taken = {model.name for model in models if model.state == INSTALLED}
    for pilot in pilots:
        model = _from_pilot(car, pilot, is_installed=str(pilot.get("Name")) not in taken)
        if model.val_loss and (model.name, model.trained) not in known:
            models.append(model)
            taken.add(model.name)
    names = {model.name for model in models}
    models += [model for model in _from_histories(car) if model.name not in names]
    return sorted(models, key=lambda model: -model.trained)


class _Place(NamedTuple):
    """Where the files of a model are."""

    version: int  # 0 is the installed one, 1 the one that a rollback brings back first
    paths: List[str]


def _find_places(car: Car, entries: Sequence[Entry]) -> Dict[str, _Place]:
    """Where the models of jobs are, by job. It lacks those that are gone.

    A model is recognized by its content, whoever has copied it or rolled it back.
    """
    places: Dict[str, _Place] = {}
    by_base: Dict[str, List[Entry]] = {}
    for entry in entries:
        if entry.state == INSTALLED:
            by_base.setdefault(entry.job.plan.base, []).append(entry)
    for base, own in by_base.items():
        by_digest = _jobs_by_digest(own)
        folder, name = os.path.split(base)
        installed = _files_of(folder, model_name(name))
        for version, paths in list(enumerate([installed, *versions_of(car, base)]))[::-1]:
            job_name = _identify(paths, by_digest)
            if job_name is None and not version and paths and not by_digest:
                job_name = own[0].job.name  # earlier versions of this program did not keep digests
            if job_name:
                places[job_name] = _Place(version, paths)
    return places


def versions_of(car: Car, base: str) -> List[List[str]]:
    """The files of each version of a model that a rollback brings back, in this order."""
    try:
        return [list(version.kept.values()) for version in previous_sets(backup_folder(car, base))]
    except BackupDamaged:
        return []  # rolling back reports it


def _jobs_by_digest(entries: Sequence[Entry]) -> Dict[str, str]:
    return {
        digest: entry.job.name
        for entry in entries[::-1]  # of two trainings with one result, the newer one
        for digest in (entry.outcome.digests if entry.outcome else [])
    }


def find_job_of(car: Car, paths: Sequence[str]) -> Optional[Entry]:
    """The job that has made one of these files; None if no job of this car has."""
    entries = car.ledger.entries()
    job_name = _identify(paths, _jobs_by_digest(entries))
    return next((entry for entry in entries if entry.job.name == job_name), None)


def _identify(paths: Sequence[str], by_digest: Dict[str, str]) -> Optional[str]:
    """The job that a model is from, by the content of the smallest of its files that a job has made."""
    models = [path for path in paths if os.path.exists(path) and not path.endswith(_NO_MODELS)]
    for path in sorted(models, key=os.path.getsize) if by_digest else []:
        job_name = by_digest.get(digest_model(path))
        if job_name:
            return job_name
    return None


def _pilot_of(entry: Entry, pilots: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    return next((pilot for pilot in pilots if (pilot.get("Name"), pilot.get("Time")) == _key_of(entry)), {})


def _key_of(entry: Entry) -> Tuple[str, float]:
    """Name and Time of its entry in the database."""
    return model_name(entry.job.plan.base), entry.job.started


def _from_job(car: Car, entry: Entry, place: Optional[_Place], pilot: Dict[str, Any]) -> Model:
    plan, outcome = entry.job.plan, entry.outcome or Outcome(INSTALLED)
    name, state, paths = _name_of(car, plan.base), REPLACED, []
    if entry.state == KEPT_ASIDE:
        folder = os.path.join(kept_folder(car, entry.job), UNPACKED_NAME)
        state, paths = KEPT_ASIDE, [os.path.join(folder, each) for each in _names_in(folder)]
    elif place:
        state, paths = KEPT if place.version else INSTALLED, place.paths
    histories = [path for path in paths if path.endswith(_HISTORY)]
    losses = _losses(pilot.get("History")) or (_losses(read_history(histories[0])) if histories else [])
    return Model(
        name=f"{name}~{place.version}" if place and place.version else name,
        state=state,
        trained=entry.job.started,
        model_type=plan.model_type,
        records=plan.records,
        val_loss=losses,
        epochs=outcome.epochs or len(losses),
        best=_number(outcome.val_loss if outcome.val_loss is not None else _best(losses)),
        steering_error=_number(outcome.steering_error),
        times_off_per_100_m=_number(outcome.times_off_per_100_m),
        ms=_number(outcome.ms),
        cost_usd=_number(outcome.bill.cost_usd),
        verdict=outcome.verdict,
        tubs=[car.display(tub) for tub in plan.tubs],
        comment=plan.comment or "",
        transfer=os.path.basename(plan.transfer or ""),
        job=entry.job.name,
        plan=plan,
        form=outcome.form,
        paths=paths,
    )


def _name_of(car: Car, base: str) -> str:
    """The model's name, with the folder where that is not the car's usual one."""
    folder, name = os.path.split(base)
    name = model_name(name)
    return name if folder == os.path.abspath(car.models_path) else car.display(os.path.join(folder, name))


def _from_pilot(car: Car, pilot: Dict[str, Any], *, is_installed: bool) -> Model:
    """What donkeycar's own training, or one that the ledger no longer knows, has left in the database."""
    losses = _losses(pilot.get("History"))
    tubs = pilot.get("Tubs")
    name = str(pilot.get("Name"))
    paths = _files_of(car.models_path, name) if is_installed else []
    return Model(
        name=name,
        state=INSTALLED if paths else REPLACED,
        trained=_number(pilot.get("Time")) if _number(pilot.get("Time")) > 0 else 0.0,
        model_type=str(pilot.get("Type") or ""),
        val_loss=losses,
        epochs=len(losses),
        best=_best(losses),
        tubs=[car.display(tub) for tub in tubs.split(",")] if isinstance(tubs, str) else [],
        comment=str(pilot.get("Comment") or ""),
        transfer=os.path.basename(str(pilot.get("Transfer") or "")),
        paths=paths,
    )


def _from_histories(car: Car) -> Iterator[Model]:
    """Models with a history beside them, as donkeycar before 4.2 has no database."""
    for name in _names_in(car.models_path):
        if name.endswith(_HISTORY):
            path = os.path.join(car.models_path, name)
            losses = _losses(read_history(path))
            if losses:
                yield Model(
                    name=name[: -len(_HISTORY)],
                    state=INSTALLED,
                    trained=os.path.getmtime(path),
                    val_loss=losses,
                    epochs=len(losses),
                    best=_best(losses),
                    paths=_files_of(car.models_path, name[: -len(_HISTORY)]),
                )


def read_history(path: str) -> Any:
    """The content of the file beside a model; None where it is missing or damaged."""
    try:
        return parse_json(read_file(path, max_bytes=_MAX_BYTES))
    except (OSError, ValueError):
        return None


def _files_of(folder: str, name: str) -> List[str]:
    """Paths of the files of one model."""
    return [os.path.join(folder, each) for each in _names_in(folder) if model_name(each) == name]


def _names_in(folder: str) -> List[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _losses(history: Any) -> List[float]:
    """The validation losses in a history that anybody may have written; none where no epoch has one."""
    values = history.get("val_loss") if isinstance(history, dict) else None
    losses = [_number(value) for value in values] if isinstance(values, list) else []
    return losses if any(map(math.isfinite, losses)) else []


def _best(losses: Sequence[float]) -> float:
    return min((loss for loss in losses if math.isfinite(loss)), default=math.nan)


def _number(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else math.nan
