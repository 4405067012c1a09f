"""SAGEMAKER_KEEP_ALIVE_S: instances that wait for the next job, which is billed."""

from ..car.job import Job
from ..cloud.job import JobState
from ..ui import PlainUi, format_seconds


def report_kept(ui: PlainUi, job: Job, state: JobState) -> None:
    """Says that an ended job's instances wait for the next one, and how to give them back."""
    kept_s = keep_alive_s(job)
    if state.keeps_instances and kept_s:
        ui.print(
            f"Its instance is kept for up to {format_seconds(kept_s)} for your next training, and billed. "
            "If nothing follows, give it back:"
        )
        ui.print_command(f"python manage.py sagemaker-stop {job.name}")


def keep_alive_s(job: Job) -> int:
    """For how long its instances are kept; 0 for a job that another machine started."""
    return job.requests[0]["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0) if job.requests else 0
