"""The jobs that this car has launched: one file each, .sagemaker/jobs/JOB.json."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..atomic import write_json
from ..errors import BadInput
from ..untrusted_json import parse_json
from .job import FAILED, INSTALLED, LAUNCHED, Bill, Job, Outcome, Plan

_ENDING = ".json"
_LARGEST = 2**35  # seconds since the epoch: the year 3058

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
            NoPendingJob: there is no such job, or its file is damaged.
        """
        try:
            with open(self._path(name), "rb") as file:
                return _decode(parse_json(file.read()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise NoPendingJob(name) from error

    def remove(self, name: str) -> None:
        os.remove(self._path(name))

    def entries(self) -> List[Entry]:
        """All that can be read, the newest first."""
        entries, _damaged = self._read_all()
        return sorted(entries, key=lambda entry: entry.job.started, reverse=True)

    def damaged(self) -> List[str]:
        """Paths of files that this program did not write, or that a power cut damaged."""
        _entries, damaged = self._read_all()
        return damaged

    def _read_all(self) -> Tuple[List[Entry], List[str]]:
        entries: List[Entry] = []
        damaged: List[str] = []
        for name in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []:
            if name.endswith(_ENDING):
                try:
                    entries.append(self.read(name[: -len(_ENDING)]))
                except NoPendingJob:
                    damaged.append(os.path.join(self.folder, name))
        return entries, damaged

    def pending(self) -> List[Job]:
        """The jobs whose end nobody has watched yet, the newest first."""
        return [entry.job for entry in self.entries() if entry.outcome is None]

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, os.path.basename(name) + _ENDING)


def _encode(entry: Entry) -> Dict[str, Any]:
    """One flat object, as every version of this program has written it."""
    job, outcome = entry
    fields = dict(job.plan._asdict(), **job._asdict())
    del fields["plan"], fields["name"]
    if job.folder is None:  # as earlier versions wrote it
        del fields["folder"]
    fields.update(job=job.name, state=entry.state)
    end = outcome or Outcome(LAUNCHED)
    fields.update(end.bill._asdict())
    return dict(fields, val_loss=end.val_loss, epochs=end.epochs, trained_s=end.trained_s)


def _decode(fields: Any) -> Entry:
    """The inverse; what an earlier version did not write has its default.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: this program did not write it.
    """
    plan = Plan(**_choose(fields, Plan))._replace(
        models=[(str(ending), str(form)) for ending, form in fields["models"]]
    )
    job = Job(name=fields["job"], plan=plan, **_choose(fields, Job))
    texts = [
        job.name,
        job.backend,
        job.bucket,
        job.prefix,
        job.folder or "",
        job.fingerprint,
        plan.model_type,
        plan.base,
    ]
    if not all(
        isinstance(text, str) for text in [*texts, *plan.tubs, plan.transfer or "", plan.comment or ""]
    ):
        raise TypeError("a text is missing")
    if not all(isinstance(request["ResourceConfig"]["InstanceType"], str) for request in job.requests):
        raise TypeError("a request has no instance type")
    _check_numbers([job.started, plan.records, plan.max_epochs, *job.set_aside.values()])
    if fields["state"] == LAUNCHED:
        return Entry(job, None)
    if fields["state"] not in (INSTALLED, FAILED):
        raise ValueError("unknown state")
    outcome = Outcome(bill=Bill(**_choose(fields, Bill)), **_choose(fields, Outcome))
    numbers = [*outcome.bill, outcome.val_loss, outcome.epochs, outcome.trained_s]
    _check_numbers([number for number in numbers if number is not None])
    return Entry(job, outcome)


def _check_numbers(values: List[Any]) -> None:
    """
    Raises:
        ValueError: one is not a number, or no calendar and no bill goes so far. NaN counts as not known.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) >= _LARGEST:
            raise ValueError(f"not a number: {value!r:.50}")


def _choose(fields: Dict[str, Any], kind: Any) -> Dict[str, Any]:
    return {name: fields[name] for name in kind._fields if name in fields}
