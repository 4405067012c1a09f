"""sagemaker-stop: ends a job and keeps what it has learned."""

import argparse
from typing import Optional

from ..car.car import Car
from ..interrupts import interrupt_on_hangup
from ..training.find_job import NoPendingTuning, find_backend, find_job, find_tuning, is_tuning
from ..training.kept_instances import keep_alive_s
from ..ui import PlainUi, make_ui
from ._options import add_car_options, open_the_car, open_the_cloud
from .train import attach

HELP = (
    "Asks a job to stop; its best model so far can be installed, now or later. Also gives back the instance "
    "that an ended job has kept."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="or tuning (default: the newest pending one)")
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
    tuning = newest_tuning(car) if arguments.job is None else arguments.job
    if tuning and is_tuning(tuning):
        stop_tuning(car, ui, tuning)
        return 0
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


def newest_tuning(car: Car) -> Optional[str]:
    """The pending tuning that was started after all pending jobs, if there is one."""
    tunings, jobs = car.tunings.pending(), car.ledger.pending()
    if tunings and (not jobs or jobs[0].started < tunings[0].started):
        return tunings[0].name
    return None


def stop_tuning(car: Car, ui: PlainUi, name: str) -> None:
    """Asks a tuning and all its trials to stop."""
    car.use_backend("aws")
    cloud = open_the_cloud(car)
    interrupt_on_hangup()
    if cloud.tuner is None:
        raise NoPendingTuning(name)
    job = find_tuning(car, cloud, ui, name=name)
    cloud.tuner.stop(job.name)
    ui.print(f"The tuning {job.name} and its trials were asked to stop.")
    ui.print("To compare their models so far, and install the best one:")
    ui.print_command(f"python manage.py sagemaker-tune --attach={job.name}")
