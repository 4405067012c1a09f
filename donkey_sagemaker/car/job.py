"""A training as three values: the plan, the job that carries it out, and its outcome."""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..cloud.request import JobKeys
from ..contract import FORMATS
from ..verdict import Verdict

# What the ledger says about a job
LAUNCHED, INSTALLED, KEPT_ASIDE, FAILED = "launched", "installed", "kept aside", "failed"


class Plan(NamedTuple):
    """What is to be trained, and where its model goes."""

    model_type: str  # as asked for, e.g. tflite_linear
    base: str  # path of the model without an ending
    models: List[Tuple[str, str]]  # (ending, format); the first is the one asked for
    tubs: List[str]  # paths
    transfer: Optional[str]  # path of the model to start from
    comment: Optional[str]
    records: int = 0  # as counted before their pictures are read; 0 where it is not known
    max_epochs: int = 0  # 0 where it is not known
    trial_epochs: int = 0  # of other settings, which the job tries before it trains the model
    trial_types: List[str] = []  # from which the trials choose the model's type; empty for model_type

    @property
    def name(self) -> str:
        """The model's name."""
        return os.path.basename(self.base)


class Job(NamedTuple):
    """One training job, whether it runs already or not."""

    name: str
    backend: str
    bucket: str
    prefix: str
    started: float  # seconds since the epoch
    plan: Plan
    # CreateTrainingJob's arguments: this job's own, then those to try if its instance type is not available
    requests: List[Dict[str, Any]] = []
    fingerprint: str = ""  # equal for jobs that would train the same
    set_aside: Dict[str, int] = {}  # reason -> how many parts of the tubs cannot be used
    folder: Optional[str] = None  # of the car in the bucket

    @property
    def keys(self) -> JobKeys:
        return JobKeys(self.bucket, self.prefix, self.name, self.folder)

    @property
    def instance_type(self) -> Optional[str]:
        """None for a job that another machine started."""
        return self.requests[0]["ResourceConfig"]["InstanceType"] if self.requests else None


def parse_models(pairs: Any) -> List[Tuple[str, str]]:
    """The files that a job is to make, as a plan has them, from JSON that anybody may have written.

    Raises:
        ValueError, TypeError: they are not (ending, format), each of them once.
    """
    models = [(ending, form) for ending, form in pairs]
    if not models or any(form not in FORMATS or ending not in ("", f".{form}") for ending, form in models):
        raise ValueError("not the files of a model")
    if any(len(set(column)) != len(models) for column in zip(*models)):
        raise ValueError("two files have one name or one format")
    return models


class Bill(NamedTuple):
    """What a job took; None where it is not known, or nothing is billed."""

    billed_s: Optional[float] = None
    took_s: Optional[float] = None  # on the instance; more than is billed for a spot job
    cost_usd: Optional[float] = None


class Outcome(NamedTuple):
    """How a job ended."""

    state: str  # INSTALLED, KEPT_ASIDE or FAILED
    bill: Bill = Bill()
    val_loss: Optional[float] = None
    epochs: Optional[int] = None
    trained_s: Optional[float] = None  # of all epochs
    before_s: Optional[float] = None  # from the launch to the first epoch; None if nobody watched that
    after_s: Optional[float] = None  # from the last epoch to the installed model
    steering_error: Optional[float] = None  # on validation pictures
    ms: Optional[float] = None  # that this car takes for a picture, in the format to drive
    form: Optional[str] = None  # that format
    verdict: Optional[Verdict] = None
    digests: List[str] = []  # of its model in each format, by trained_pictures.digest_model
    times_off_per_100_m: Optional[float] = None  # when it drove along its own tub
    mean_distance_m: Optional[float] = None  # from the line, in that drive
