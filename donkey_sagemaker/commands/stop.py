"""sagemaker-stop: ends a job and keeps what it has learned."""

import argparse

from ..interrupts import interrupt_on_hangup
from ..training.find_job import find_backend, find_job
from ..training.kept_instances import keep_alive_s
from ..ui import make_ui
from ._options import add_car_options, open_the_car, open_the_cloud
from .train import attach

HELP = (
    "Asks a job to stop; its best model so far can be installed, now or later. Also gives back the instance "
    "that an ended job has kept."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="(default: the newest pending one)")
    parser.add_argument(
        "--install",
        dest="installs",  # --install=VALUE of sagemaker-train is a setting
        action="store_true",
        help="wait until it has ended, and install what it has learned",
    )
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    car.use_backend(find_backend(car, arguments.job))
    cloud = open_the_cloud(car)
    interrupt_on_hangup()
    job = find_job(car, cloud, ui, name=arguments.job)
    cloud.stop_job(job.name)
    if (keep_alive_s(job) or not job.requests) and cloud.release_instances(job.name):
        ui.print(f"{job.name} has ended; the instance that it has kept is given back.")
        return 0
    ui.print(f"{job.name} was asked to stop.")
    if arguments.installs or ui.ask("Install what it has learned so far?"):
        attach(car, cloud, ui, name=job.name, debug=arguments.debug)
    else:
        ui.print("If it has finished an epoch, install its best model:")
        ui.print_command(f"python manage.py sagemaker-train --attach={job.name}")
    return 0
