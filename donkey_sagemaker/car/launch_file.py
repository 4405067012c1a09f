"""launch.json, beside a job in the bucket: what another machine needs to attach to the job."""

import json
import os
from typing import NamedTuple, Optional

from ..cloud.request import JobKeys
from ..contract import FORMATS, TYPES
from ..untrusted_json import parse_json
from .car import Car
from .job import Job, Plan
from .runtime import bare_type

_ENDINGS = ("",) + tuple("." + form for form in FORMATS)  # of a model's files
_LATEST_S = 2**35  # the year 3058: no calendar goes much further


class LaunchFile(NamedTuple):
    """A job, and the car that launched it."""

    job: Job
    car_name: str
    car_id: Optional[str]  # None where an earlier version launched it


def make_launch_file(job: Job, car: Car) -> bytes:
    """The file's content, with paths as the user would type them in the car's folder."""
    plan = job.plan
    content = {
        "format": 1,
        "car": car.name,
        "car_id": car.id,
        "started": job.started,
        "model": car.display(plan.base),
        "models": plan.models,
        "type": plan.model_type,
        "tubs": [car.display(path) for path in plan.tubs],
        "transfer": plan.transfer and car.display(plan.transfer),
        "comment": plan.comment,
        "set_aside": job.set_aside,
    }
    return json.dumps(content).encode("utf-8")


def read_launch_file(text: bytes, car: Car, *, keys: JobKeys) -> Optional[LaunchFile]:
    """The job, for the models folder of this car; None if this program did not write the file."""
    try:
        content = parse_json(text)
        models = [(str(ending), str(form)) for ending, form in content["models"]]
        name = os.path.basename(content["model"])
        started = float(content["started"])
        if not name or name.startswith(".") or not name.isprintable() or not models:
            return None
        if any(ending not in _ENDINGS or form not in FORMATS for ending, form in models):
            return None
        if bare_type(content["type"]) not in TYPES or not 0 <= started < _LATEST_S:
            return None
        job = Job(
            name=keys.job,
            backend=car.settings.backend,
            bucket=keys.bucket,
            prefix=keys.prefix,
            folder=keys.folder,
            started=started,
            plan=Plan(
                model_type=content["type"],
                base=os.path.join(car.models_path, name),
                models=models,
                tubs=[os.path.join(car.path, path) for path in content["tubs"]],
                transfer=content["transfer"] and os.path.join(car.path, content["transfer"]),
                comment=None if content["comment"] is None else str(content["comment"]),
            ),
            set_aside={str(reason): int(count) for reason, count in content.get("set_aside", {}).items()},
        )
        car_id = content.get("car_id")
        return LaunchFile(job, str(content["car"]), None if car_id is None else str(car_id))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
