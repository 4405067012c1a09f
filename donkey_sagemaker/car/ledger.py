"""The jobs that this car has launched, and what it takes to go on with one: .sagemaker/jobs/JOB.json.

What another machine needs for that lies beside the job in the bucket, as launch.json.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..atomic import write_json
from ..cloud.request import JobKeys
from ..contract import FORMATS
from ..errors import BadInput
from ..untrusted_json import parse_json
from .car import Car

ENDINGS = ("",) + tuple("." + form for form in FORMATS)  # of a model's files
LAUNCHED, INSTALLED, FAILED = "launched", "installed", "failed"


class NoSuchLaunch(BadInput):
    def __init__(self, name: Optional[str]) -> None:
        what = f"This car has launched no job named {name}." if name else "No job of this car is waiting."
        super().__init__(what, "`donkey-sagemaker jobs` lists its jobs.")


class Launch(NamedTuple):
    """One job, from the car's side."""

    job: str
    state: str  # LAUNCHED, INSTALLED or FAILED
    backend: str
    bucket: str
    prefix: str
    started: float  # seconds since the epoch
    model_type: str  # as asked for, e.g. tflite_linear
    base: str  # path of the model without an ending
    models: List[Tuple[str, str]]  # (ending, format)
    tubs: List[str]  # paths
    transfer: Optional[str]
    comment: Optional[str]
    val_loss: Optional[float]  # known at the end
    fingerprint: str = ""  # equal for launches that would train the same
    # CreateTrainingJob's arguments: of this job, then of those that follow it where there is no capacity
    requests: List[Dict[str, Any]] = []
    billed_s: Optional[float] = None  # known at the end, on AWS
    cost_usd: Optional[float] = None
    # What the next job's cost is reckoned from; 0 and None where it is not known
    records: int = 0
    max_epochs: int = 0
    epochs: Optional[int] = None
    trained_s: Optional[float] = None  # of all epochs
    took_s: Optional[float] = None  # on the machine
    set_aside: Dict[str, int] = {}  # reason -> how many things of the tubs could not be used


def describe(launch: Launch, car: Car) -> Dict[str, Any]:
    """What another machine needs to go on with the job; paths as the user would type them in the car."""
    return {
        "format": 1,
        "car": car.name,
        "started": launch.started,
        "model": car.shown(launch.base),
        "models": launch.models,
        "type": launch.model_type,
        "tubs": [car.shown(path) for path in launch.tubs],
        "transfer": launch.transfer and car.shown(launch.transfer),
        "comment": launch.comment,
        "set_aside": launch.set_aside,
    }


def read_description(text: bytes, car: Car, *, keys: JobKeys, backend: str) -> Optional[Launch]:
    """The inverse, for this car and its models folder; None for another car's, or what we did not write."""
    try:
        told = parse_json(text)
        models = [(str(ending), str(form)) for ending, form in told["models"]]
        name = os.path.basename(told["model"])
        if told["car"] != car.name or not name or name.startswith(".") or not models:
            return None
        if any(ending not in ENDINGS or form not in FORMATS for ending, form in models):
            return None
        return Launch(
            job=keys.job,
            state=LAUNCHED,
            backend=backend,
            bucket=keys.bucket,
            prefix=keys.prefix,
            started=float(told["started"]),
            model_type=str(told["type"]),
            base=os.path.join(car.models_path, name),
            models=models,
            tubs=[os.path.join(car.path, path) for path in told["tubs"]],
            transfer=told["transfer"] and os.path.join(car.path, told["transfer"]),
            comment=told["comment"],
            val_loss=None,
            set_aside={str(reason): int(count) for reason, count in told.get("set_aside", {}).items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Ledger:
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def write(self, launch: Launch) -> None:
        os.makedirs(self.folder, exist_ok=True)
        write_json(self._path(launch.job), launch._asdict())

    def read(self, job: str) -> Launch:
        """Raises NoSuchLaunch."""
        try:
            with open(self._path(job), encoding="utf-8") as file:
                fields: Dict[str, Any] = json.load(file)
            fields["models"] = [(ending, form) for ending, form in fields["models"]]
            return Launch(**fields)
        except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
            raise NoSuchLaunch(job) from error

    def remove(self, job: str) -> None:
        os.remove(self._path(job))

    def all(self) -> List[Launch]:
        """The newest first."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        launches = [self.read(name[: -len(".json")]) for name in names if name.endswith(".json")]
        return sorted(launches, key=lambda launch: launch.started, reverse=True)

    def waiting(self, job: Optional[str] = None) -> Launch:
        """The one named, else the newest that is neither installed nor failed.

        Raises:
            NoSuchLaunch
        """
        if job:
            return self.read(job)
        for launch in self.all():
            if launch.state == LAUNCHED:
                return launch
        raise NoSuchLaunch(None)

    def _path(self, job: str) -> str:
        return os.path.join(self.folder, os.path.basename(job) + ".json")
