"""launch.json, beside a job in the bucket: what another machine needs to attach to the job."""

import json
import os
from typing import Any, NamedTuple, Optional

from ..cloud.request import JobKeys
from ..contract import TYPES
from ..untrusted_json import parse_json
from .car import Car
from .job import Job, Plan, parse_models
from .model_files import MAX_NAME_CHARS
from .runtime import bare_type

_LARGEST = 2**35  # in seconds, the year 3058: no calendar goes much further
_MOST_TEXT = 1000  # characters of a comment, or of a path that is only shown


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
        "trial_types": plan.trial_types,
        "set_aside": job.set_aside,
    }
    return json.dumps(content).encode("utf-8")


def read_launch_file(text: bytes, car: Car, *, keys: JobKeys) -> Optional[LaunchFile]:
    """The job, for the models folder of this car; None if this program did not write the file."""
    try:
        content = parse_json(text)
        models = parse_models(content["models"])
        name = os.path.basename(content["model"])
        started = float(content["started"])
        set_aside = {_text(reason): int(count) for reason, count in content.get("set_aside", {}).items()}
        if name.startswith(".") or not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARS:
            return None
        trial_types = [_text(each) for each in content.get("trial_types", [])]
        if not all(bare_type(each) in TYPES for each in (content["type"], *trial_types)):
            return None
        if not all(0 <= number < _LARGEST for number in (started, *set_aside.values())):
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
                tubs=[os.path.join(car.path, _text(path)) for path in content["tubs"]],
                transfer=os.path.join(car.path, _text(content["transfer"])) if content["transfer"] else None,
                comment=None if content["comment"] is None else _text(content["comment"]),
                trial_types=trial_types,
            ),
            set_aside=set_aside,
        )
        car_id = content.get("car_id")
        return LaunchFile(job, _text(content["car"]), None if car_id is None else _text(car_id))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _text(value: Any) -> str:
    """
    Raises:
        TypeError: it is no text.
    """
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value[:_MOST_TEXT]
