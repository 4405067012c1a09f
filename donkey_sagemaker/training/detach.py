"""Ctrl-C while a job runs: the program detaches, and the job continues."""

import contextlib
from typing import Iterator, Optional

from ..errors import DonkeySagemakerError


class Detached(DonkeySagemakerError):
    exit_code = 130

    def __init__(self, job: str) -> None:
        super().__init__(
            f"Detached. The job {job} continues.",
            "Attach to it with `python manage.py sagemaker-train --attach`, or end it with "
            "`python manage.py sagemaker-stop`.",
        )


class Detaching:
    """The job that an interrupt would leave behind.

    Attributes:
        job: its name; None as long as no job runs.
    """

    def __init__(self, job: Optional[str] = None) -> None:
        self.job = job


@contextlib.contextmanager
def detach_on_interrupt(job: Optional[str] = None) -> Iterator[Detaching]:
    """Turns Ctrl-C into Detached from the moment on when a job runs.

    Args:
        job: the name of a job that runs already. Otherwise whoever starts one sets `job` of what is yielded.
    """
    detaching = Detaching(job)
    try:
        yield detaching
    except KeyboardInterrupt:
        if detaching.job is None:
            raise
        raise Detached(detaching.job) from None
