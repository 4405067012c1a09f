"""sagemaker-follow: installs the models of this car's jobs, whoever started them and whenever they end."""

import argparse
import shlex
import sys
import time
from typing import Dict, List, Optional, Set

from ..car.car import Car
from ..car.job import INSTALLED, Job
from ..car.systemd_unit import make_unit
from ..cloud.cloud import Cloud
from ..cloud.errors import NoSuchJob, Unreachable
from ..contract import MYCONFIG_NAME
from ..errors import DonkeySagemakerError, get_notes
from ..interrupts import INTERRUPTED, interrupt_on_hangup, raise_late_interrupt
from ..settings import SETTINGS
from ..training.detach import Detaching
from ..training.end import Announce, announced_end
from ..training.find_job import find_published
from ..training.watch import Sleep
from ..ui import PlainUi, make_ui
from ._options import add_car_options, add_setting_option, open_the_car, open_the_cloud
from .train import finish

HELP = (
    "Waits for the models of this car's jobs, which `sagemaker-train --detach` has started here or on "
    "another machine, and checks and installs each of them. Goes on until it is interrupted."
)
POLL_S = 60.0
DAY_S = 24 * 3600
DAYS = 14


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="look once, install what is ready, and end")
    parser.add_argument(
        "--days",
        metavar="N",
        type=_parse_days,
        default=DAYS,
        help=f"how old a job may be that was started on another machine (default: {DAYS} days)",
    )
    parser.add_argument(
        "--unit", action="store_true", help="print a unit that lets systemd run this from the start on"
    )
    add_setting_option(parser, next(each for each in SETTINGS if each.attribute == "install"))
    add_car_options(parser)


def _parse_days(text: str) -> int:
    days = int(text)
    if not 0 <= days <= 3650:
        raise ValueError
    return days


_parse_days.__name__ = "number of days"  # in argparse's message


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if arguments.unit:
        ui.print_exactly(describe_unit(arguments, car).rstrip("\n"))
        return 0
    follower = Follower(car, ui, days=arguments.days, debug=arguments.debug)
    interrupt_on_hangup()
    try:
        if arguments.once:
            return follower.look()
        follower.follow()
    except KeyboardInterrupt:
        ui.print("Stopped following. Jobs that are running continue.")
    return INTERRUPTED if arguments.once else 0


def describe_unit(arguments: argparse.Namespace, car: Car) -> str:
    options = ["--local"] * arguments.local
    if arguments.install:
        options.append(f"--install={arguments.install}")
    if arguments.days != DAYS:
        options.append(f"--days={arguments.days}")
    if arguments.myconfig != MYCONFIG_NAME:
        options.append(f"--myconfig={arguments.myconfig}")
    return make_unit(
        car_path=car.path,
        start=[sys.executable, "-m", "donkey_sagemaker", "follow", *options],
        command=" ".join(["python manage.py sagemaker-follow --unit", *map(shlex.quote, options)]),
    )


class Follower:
    """
    Args:
        days: how old a job may be that was started on another machine.
    """

    def __init__(
        self, car: Car, ui: PlainUi, *, days: int, debug: bool = False, sleep: Sleep = time.sleep
    ) -> None:
        self._car = car
        self._ui = ui
        self._days = days
        self._debug = debug
        self._sleep = sleep
        self._backend = car.settings.backend
        # Wrong settings end the command, as they do in all others
        self._clouds: Dict[str, Cloud] = {self._backend: open_the_cloud(car)}
        self._finished: Set[str] = set()  # jobs that are not looked at again, such as those of other cars
        self._troubles: Dict[str, str] = {}  # backend -> why it could not be asked

    def follow(self) -> None:
        """Looks again and again."""
        where = self._clouds[self._backend].place
        self._ui.print(f"Following this car's jobs {where}. Ctrl-C ends it.")
        while True:
            self.look()
            self._sleep(POLL_S)

    def look(self) -> int:
        """Installs what is ready.

        Returns:
            0, or the exit code of an error.
        """
        code = 0
        others = {job.backend for job in self._car.ledger.pending()} - {self._backend}
        for backend in [self._backend, *sorted(others)]:
            try:
                cloud = self._open(backend)
                for job in self._find_ended(cloud):
                    code = self._receive(cloud, job) or code
                    raise_late_interrupt()
            except DonkeySagemakerError as error:
                code = code or error.exit_code
                if self._troubles.get(backend) != error.what:
                    self._report(error)
                self._troubles[backend] = error.what
            else:
                if self._troubles.pop(backend, None):
                    self._ui.print(f"{cloud.provider} answers again.")
        return code

    def _open(self, backend: str) -> Cloud:
        self._car.use_backend(backend)
        if backend not in self._clouds:
            self._clouds[backend] = open_the_cloud(self._car)
        return self._clouds[backend]

    def _find_ended(self, cloud: Cloud) -> List[Job]:
        """The jobs whose models are not installed yet, the oldest first."""
        since = time.time() - self._days * DAY_S
        published = find_published(self._car, cloud, self._ui, since=since, ignored=self._finished)
        pending = [job for job in self._car.ledger.pending() if self._is_of(job, cloud)]
        ended = [job for job in pending if job.name in published or self._has_ended(cloud, job)]
        return sorted(ended, key=lambda job: job.started)

    def _is_of(self, job: Job, cloud: Cloud) -> bool:
        place = (self._car.settings.backend, cloud.bucket)
        return (job.backend, job.bucket) == place and job.name not in self._finished

    @staticmethod
    def _has_ended(cloud: Cloud, job: Job) -> bool:
        try:
            return not cloud.describe_job(job.name).is_running
        except NoSuchJob:
            return False  # it is about to be started, or never was: sagemaker-train finds out

    def _receive(self, cloud: Cloud, job: Job) -> int:
        """
        Returns:
            0, or the exit code of the error.
        Raises:
            Unreachable: the next look tries again.
        """
        newer = self._find_newer(job)
        if newer:
            self._finished.add(job.name)
            self._ui.print(f"Skipped {job.name}: {self._car.display(job.plan.base)} is the newer {newer}")
            return 0
        self._ui.print(f"Job {job.name}")
        detaching = Detaching(job.name)
        try:
            with announced_end(self._car, self._ui, detaching, Announce(bell=False)):
                finish(
                    self._car,
                    cloud,
                    self._ui,
                    job,
                    detaching=detaching,
                    debug=self._debug,
                    sleep=self._sleep,
                    needs_check=True,
                )
        except Unreachable:
            raise
        except DonkeySagemakerError as error:
            self._finished.add(job.name)
            self._report(error)
            return error.exit_code
        return 0

    def _find_newer(self, job: Job) -> Optional[str]:
        """The job that was started later and whose model has this one's place already."""
        for entry in self._car.ledger.entries():
            is_newer = entry.job.started > job.started and entry.job.plan.base == job.plan.base
            if is_newer and entry.state == INSTALLED:
                return entry.job.name
        return None

    def _report(self, error: DonkeySagemakerError) -> None:
        self._ui.warn(" ".join([error.what, error.fix, *get_notes(error)]))
