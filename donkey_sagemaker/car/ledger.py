"""The jobs that this car has launched: one file each, .sagemaker/jobs/JOB.json."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..atomic import write_json
from ..contract import FORMATS
from ..errors import BadInput
from ..setting_kinds import BACKENDS
from ..untrusted_file import read_file
from ..untrusted_json import parse_json
from ..verdict import read_verdict
from .job import FAILED, INSTALLED, KEPT_ASIDE, LAUNCHED, Bill, Job, Outcome, Plan, parse_models

_ENDING = ".json"
_LARGEST = 2**35  # seconds since the epoch: the year 3058
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")  # of a job; files and folders are named after it

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
            entry = _decode(parse_json(read_file(self._path(name))))
            if entry.job.name != os.path.basename(name):
                raise ValueError("the file of another job")
            return entry
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
    fields.update(end._asdict(), state=entry.state, verdict=end.verdict and end.verdict._asdict())
    del fields["bill"]
    defaults: Dict[str, Any] = {"before_s": None, "after_s": None, "trial_epochs": 0, "trial_types": []}
    for name, default in defaults.items():  # as earlier versions wrote it
        if fields[name] == default:
            del fields[name]
    return fields


def _decode(fields: Any) -> Entry:
    """The inverse; what an earlier version did not write has its default.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: this program did not write it.
    """
    plan = Plan(**_choose(fields, Plan))._replace(models=parse_models(fields["models"]))
    job = Job(name=fields["job"], plan=plan, **_choose(fields, Job))
    _check_texts(job)
    for request in job.requests:
        is_spot = request.get("EnableManagedSpotTraining", False)
        if not (isinstance(request["ResourceConfig"]["InstanceType"], str) and isinstance(is_spot, bool)):
            raise TypeError("a request has no instance type")
    counts = [job.started, plan.records, plan.max_epochs, plan.trial_epochs, *job.set_aside.values()]
    _check_numbers(counts)
    if not all(count >= 0 for count in counts):  # not of NaN either
        raise ValueError("a count is negative")
    if fields["state"] == LAUNCHED:
        return Entry(job, None)
    if fields["state"] not in (INSTALLED, KEPT_ASIDE, FAILED):
        raise ValueError("unknown state")
    outcome = Outcome(bill=Bill(**_choose(fields, Bill)), **_choose(fields, Outcome))
    numbers = [outcome.val_loss, outcome.epochs, outcome.trained_s, outcome.steering_error, outcome.ms]
    numbers += [outcome.before_s, outcome.after_s]
    numbers += [outcome.times_off_per_100_m, outcome.mean_distance_m]
    _check_numbers([number for number in (*outcome.bill, *numbers) if number is not None])
    if outcome.form not in (None, *FORMATS) or not isinstance(outcome.digests, list):
        raise ValueError("not a format, or no digests")
    return Entry(job, outcome._replace(verdict=read_verdict(outcome.verdict)))


def _check_texts(job: Job) -> None:
    """
    Raises:
        ValueError, TypeError: one is missing, or nothing on this disk can have such a name.
    """
    plan = job.plan
    texts = [job.name, job.backend, job.bucket, job.prefix, job.fingerprint, plan.model_type, plan.base]
    optional = [text for text in (plan.transfer, plan.comment, job.folder) if text is not None]
    if not all(isinstance(each, list) for each in (plan.tubs, plan.trial_types, job.requests)):
        raise TypeError("a list is missing")
    if not all(isinstance(text, str) for text in [*texts, *plan.tubs, *plan.trial_types, *optional]):
        raise TypeError("a text is missing")
    if not _NAME.fullmatch(job.name) or job.backend not in BACKENDS:
        raise ValueError("not the name of a job or of a backend")
    os.fsencode(plan.base)
    if not os.path.isabs(plan.base) or "\0" in plan.base or plan.name[:1] in ("", "."):
        raise ValueError("not the path of a model")


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
