"""launch.json, beside a job in the bucket: what another machine of this car needs to attach to the job."""

import json
import os
from typing import Optional

from ..cloud.request import JobKeys
from ..contract import FORMATS
from ..untrusted_json import parse_json
from .car import Car
from .job import Job, Plan

_ENDINGS = ("",) + tuple("." + form for form in FORMATS)  # of a model's files


def make_launch_file(job: Job, car: Car) -> bytes:
    """The file's content, with paths as the user would type them in the car's folder."""
    plan = job.plan
    content = {
        "format": 1,
        "car": car.name,
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


def read_launch_file(text: bytes, car: Car, *, keys: JobKeys) -> Optional[Job]:
    """The job, for this car and its models folder; None if another car or another program wrote the file."""
    try:
        content = parse_json(text)
        models = [(str(ending), str(form)) for ending, form in content["models"]]
        name = os.path.basename(content["model"])
        if content["car"] != car.name or not name or name.startswith(".") or not models:
            return None
        if any(ending not in _ENDINGS or form not in FORMATS for ending, form in models):
            return None
        return Job(
            name=keys.job,
            backend=car.settings.backend,
            bucket=keys.bucket,
            prefix=keys.prefix,
            started=float(content["started"]),
            plan=Plan(
                model_type=str(content["type"]),
                base=os.path.join(car.models_path, name),
                models=models,
                tubs=[os.path.join(car.path, path) for path in content["tubs"]],
                transfer=content["transfer"] and os.path.join(car.path, content["transfer"]),
                comment=content["comment"],
            ),
            set_aside={str(reason): int(count) for reason, count in content.get("set_aside", {}).items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
