"""The jobs that this car has launched, and what it takes to go on with one: .sagemaker/jobs/JOB.json."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..durable import write_json
from ..errors import BadInput

LAUNCHED, INSTALLED, FAILED = "launched", "installed", "failed"


class NoSuchLaunch(BadInput):
    def __init__(self, name: Optional[str]) -> None:
        what = (
            "This car has launched no job named {}.".format(name)
            if name
            else "No job of this car is waiting."
        )
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
