"""Ctrl-C or an error while a job runs: the program ends, and the job continues."""

import contextlib
from typing import Iterator, Optional

from ..cloud.errors import NoSuchJob
from ..errors import DonkeySagemakerError, add_note

WHAT_TO_DO = (
    "Attach to it with `python manage.py sagemaker-train --attach`, or end it with "
    "`python manage.py sagemaker-stop`."
)


class Detached(DonkeySagemakerError):
    exit_code = 130

    def __init__(self, job: str, bill: str) -> None:
        super().__init__(f"Detached. The job {job} continues{bill}.", WHAT_TO_DO)


class Detaching:
    """The job that an interrupt would leave behind.

    Attributes:
        job: its name; None as long as no job runs.
        bill: what it costs, to go on from "continues"; empty for a job that costs nothing.
    """

    def __init__(self, job: Optional[str] = None, *, bill: str = "") -> None:
        self.job = job
        self.bill = bill


@contextlib.contextmanager
def detach_on_interrupt(job: Optional[str] = None, *, bill: str = "") -> Iterator[Detaching]:
    """Turns Ctrl-C into Detached from the moment on when a job runs.

    Args:
        job, bill: of a job that runs already. Otherwise whoever starts one sets them in what is yielded.
    """
    detaching = Detaching(job, bill=bill)
    try:
        yield detaching
    except KeyboardInterrupt:
        if detaching.job is None:
            raise
        raise Detached(detaching.job, detaching.bill) from None


@contextlib.contextmanager
def name_job_in_errors(job: str, *, bill: str) -> Iterator[None]:
    """Whatever ends the watch of a job that runs, the user learns that it continues and what it costs."""
    try:
        yield
    except NoSuchJob:
        raise
    except Exception as error:
        add_note(error, f"The job {job} continues{bill}. {WHAT_TO_DO}")
        raise
