"""The stories of sagemaker-jobs and sagemaker-stop."""

import time
from typing import Any, Optional

from .car.ledger import Ledger
from .car.workplace import Car
from .ui import PlainUi, format_seconds


def show_jobs(car: Car, cloud: Any, ui: PlainUi) -> None:
    """A line a job: name, state, model, time."""
    launches = {launch.job: launch for launch in Ledger(car.scratch("jobs")).all()}
    jobs = cloud.list_jobs()
    if not jobs:
        ui.say("This car has no jobs yet. `donkey-sagemaker train` starts one.")
    for job in jobs:
        launch = launches.get(job["TrainingJobName"])
        started = job.get("TrainingStartTime")
        took = format_seconds(job.get("TrainingEndTime", time.time()) - started) if started else "-"
        ui.say(
            "{:<40}  {:<10}  {:<9}  {:>7}  {}{}".format(
                job["TrainingJobName"],
                job["TrainingJobStatus"],
                launch.state if launch else "-",
                took,
                car.shown(launch.base) if launch else "-",
                "  validation loss {:.4f}".format(launch.val_loss)
                if launch and launch.val_loss is not None
                else "",
            )
        )


def stop_job(car: Car, cloud: Any, ui: PlainUi, *, name: Optional[str]) -> None:
    """Asks the job to stop; its best model so far waits to be fetched."""
    launch = Ledger(car.scratch("jobs")).waiting(name)
    cloud.stop_job(launch.job)
    ui.say("{} is asked to stop. What it had learned is installed by:".format(launch.job))
    ui.say("  python manage.py sagemaker-train --attach={}".format(launch.job))
