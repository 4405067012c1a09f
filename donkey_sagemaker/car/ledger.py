"""The jobs that this car has launched: one file each, .sagemaker/jobs/JOB.json."""

import os
from typing import Any, Dict, List, NamedTuple, Optional

from ..atomic import write_json
from ..errors import BadInput
from ..untrusted_json import parse_json
from .job import FAILED, INSTALLED, LAUNCHED, Bill, Job, Outcome, Plan

__all__ = ["FAILED", "INSTALLED", "LAUNCHED", "Entry", "Ledger", "NoPendingJob"]


class NoPendingJob(BadInput):
    def __init__(self, name: Optional[str]) -> None:
        what = f"This car has launched no job named {name}." if name else "This car has no pending job."
        super().__init__(what, "`python manage.py sagemaker-jobs` lists its jobs.")


class Entry(NamedTuple):
    """What the ledger holds on one job."""

    job: Job
    outcome: Optional[Outcome]  # None until the job's end was watched

    @property
    def state(self) -> str:
        return self.outcome.state if self.outcome else LAUNCHED


class Ledger:
    """
    Args:
        folder: `.sagemaker/jobs` of the car; made when the first job is written.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def write(self, job: Job, outcome: Optional[Outcome] = None) -> None:
        os.makedirs(self.folder, exist_ok=True)
        write_json(self._path(job.name), _encode(Entry(job, outcome)))

    def read(self, name: str) -> Entry:
        """
        Raises:
            NoPendingJob: there is no such job.
        """
        try:
            with open(self._path(name), "rb") as file:
                return _decode(parse_json(file.read()))
        except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
            raise NoPendingJob(name) from error

    def remove(self, name: str) -> None:
        os.remove(self._path(name))

    def entries(self) -> List[Entry]:
        """All of them, the newest first."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        entries = [self.read(name[: -len(".json")]) for name in names if name.endswith(".json")]
        return sorted(entries, key=lambda entry: entry.job.started, reverse=True)

    def pending(self) -> List[Job]:
        """The jobs whose end nobody has watched yet, the newest first."""
        return [entry.job for entry in self.entries() if entry.outcome is None]

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, os.path.basename(name) + ".json")


def _encode(entry: Entry) -> Dict[str, Any]:
    """One flat object, as every version of this program has written it."""
    job, outcome = entry
    fields = dict(job.plan._asdict(), **job._asdict())
    del fields["plan"], fields["name"]
    fields.update(job=job.name, state=entry.state)
    end = outcome or Outcome(LAUNCHED)
    fields.update(end.bill._asdict())
    return dict(fields, val_loss=end.val_loss, epochs=end.epochs, trained_s=end.trained_s)


def _decode(fields: Dict[str, Any]) -> Entry:
    """The inverse; what an earlier version did not write has its default."""
    plan = Plan(**_choose(fields, Plan))._replace(
        models=[(ending, form) for ending, form in fields["models"]]
    )
    job = Job(name=fields["job"], plan=plan, **_choose(fields, Job))
    if fields["state"] == LAUNCHED:
        return Entry(job, None)
    return Entry(job, Outcome(bill=Bill(**_choose(fields, Bill)), **_choose(fields, Outcome)))


def _choose(fields: Dict[str, Any], kind: Any) -> Dict[str, Any]:
    return {name: fields[name] for name in kind._fields if name in fields}
