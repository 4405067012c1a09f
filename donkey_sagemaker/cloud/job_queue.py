"""The names of jobs that wait in an AWS Batch queue, whose turn it is, and what is said about it. Pure.

Batch starts the training job itself, as AWSBatch<name><32 hexadecimal digits>, and SageMaker allows 63
characters. So the name of a job that is queued is shorter than that of another one, and has a form of its
own: whoever reads it knows how its training job is found.
"""

import hashlib
import re
from typing import Optional

LONGEST_NAME = 63 - len("AWSBatch") - 32
WAITING = "Waiting"  # the secondary status of a job that is in the queue
MOST_IN_SNAPSHOT = 100  # jobs at the front of a queue that AWS numbers

_BATCH_PREFIX = "AWSBatch"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8  # milliseconds until the year 2059
_NAME = r"donkey-(?:[a-z0-9-]{1,6}-)?q[0-9a-z]{8}"


def make_queued_name(model_name: str, *, now: float) -> str:
    """donkey-<model>-q<time>, in at most LONGEST_NAME lowercase characters; the model's name is cut."""
    stamp = _to_base_36(int(now * 1000)).rjust(_TIME_DIGITS, "0")
    room = LONGEST_NAME - len("donkey--q") - _TIME_DIGITS
    middle = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:room].strip("-")
    return "-".join(part for part in ("donkey", middle, "q" + stamp) if part)


def is_queued_name(name: str) -> bool:
    return re.fullmatch(_NAME, name) is not None


def training_prefix(name: str) -> str:
    """How the names of the training jobs of a queued job begin: one for each of Batch's attempts."""
    return _BATCH_PREFIX + name


def own_name(training_job: str) -> str:
    """The queued job that a training job belongs to; the name itself if Batch did not make it."""
    match = re.fullmatch(f"{_BATCH_PREFIX}({_NAME})[0-9a-z]*", training_job)
    return match.group(1) if match else training_job


def choose_share(*names: Optional[str]) -> str:
    """Who takes turns: the first of the names of a job's team and car. Batch allows letters and digits."""
    name = next(filter(None, names), "donkey")
    plain = re.sub(r"[^A-Za-z0-9]", "", name)
    return plain if plain == name else plain + hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]


def describe_place(queue: str, *, place: Optional[int], jobs: int) -> str:
    """
    Args:
        place: of the job, from 1; None if the queue does not number it (yet).
        jobs: that the queue numbers.
    """
    if place is None:
        behind = f", behind {jobs} others" if jobs >= MOST_IN_SNAPSHOT else ""
        return f"in the queue {queue}{behind}"
    of = f"{jobs} or more" if jobs >= MOST_IN_SNAPSHOT else str(jobs)
    return f"{_ordinal(place)} of {of} in the queue {queue}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _to_base_36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
