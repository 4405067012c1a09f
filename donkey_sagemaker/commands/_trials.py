"""The trials of sagemaker-tune: jobs like any other, of which some run at the same time."""

import math
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from ..car.archive import ArchiveRejected, unpack
from ..car.backups import UNPACKED_NAME
from ..car.car import Car
from ..car.job import FAILED, KEPT_ASIDE, Outcome
from ..car.trained_pictures import digest_model
from ..cloud.cloud import Cloud, JobLog
from ..cloud.errors import Unreachable
from ..cloud.job import JobState
from ..contract import parse_progress
from ..driving import read_driving
from ..errors import DonkeySagemakerError, JobFailed
from ..training.clean_up import clean_up, one_process
from ..training.detach import Detaching
from ..training.download import download_archive
from ..training.kept_aside import install_command, keep_aside
from ..training.kept_instances import release_all
from ..training.launch import with_type
from ..training.plan import TrainOptions
from ..training.receive import receive
from ..training.tune_space import TYPE, Chooser, Result, complete, describe_values, rank
from ..training.watch import Sleep
from ..ui import PlainUi, format_usd
from .train import launch, report_bill

OpenTrial = Callable[[Dict[str, Any]], Car]  # the car with the values of a trial


class NoTrialHasAModel(JobFailed):
    def __init__(self, trials: int) -> None:
        super().__init__(
            f"None of {trials} trials has left a model.",
            "Train once to see why: `python manage.py sagemaker-train`.",
        )


class TuningInterrupted(DonkeySagemakerError):
    exit_code = 130

    def __init__(self, jobs: List[str]) -> None:
        running = f" These jobs continue: {', '.join(jobs)}." if jobs else ""
        super().__init__(
            f"Interrupted.{running}",
            "`python manage.py sagemaker-jobs` lists all of them.",
        )


class Limits(NamedTuple):
    trials: int
    parallel: int
    most_usd: Optional[float]  # that one trial can cost; None if that is not known, or nothing
    limit_usd: Optional[float]  # for all of them together


class Running(NamedTuple):
    """A trial whose job runs."""

    number: int
    values: Dict[str, Any]
    car: Car
    job_name: str
    log: JobLog


class _Quiet(PlainUi):
    """The steps of each trial are those of sagemaker-train; only what is special about it is shown."""

    def print(self, text: str, *, style: str = "", link: str = "", hang: int = 0) -> None:
        pass


class Trials:
    """
    Args:
        options: of each training; the model is the one to install in the end.
    """

    def __init__(
        self,
        cloud: Cloud,
        ui: PlainUi,
        chooser: Chooser,
        options: TrainOptions,
        *,
        open_trial: OpenTrial,
        limits: Limits,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._cloud = cloud
        self._ui = ui
        self._quiet = _Quiet()
        self._chooser = chooser
        self._options = options
        self._open_trial = open_trial
        self._limits = limits
        self._sleep = sleep
        self._started = 0
        self._running: List[Running] = []
        self._cars: Dict[int, Car] = {}  # of each trial
        self.results: List[Result] = []

    def run(self) -> None:
        """Until all have ended.

        Raises:
            TuningInterrupted, and what sagemaker-train raises when it starts a job.
        """
        try:
            while True:
                while self._may_start():
                    self._start()
                if not self._running:
                    release_all(self._cloud, self._ui, [result.job for result in self.results])
                    return
                self._sleep(self._cloud.poll_s)
                for trial in list(self._running):
                    self._look_at(trial)
        except KeyboardInterrupt:
            raise TuningInterrupted([trial.job_name for trial in self._running]) from None

    def _may_start(self) -> bool:
        limits = self._limits
        if self._started >= limits.trials or len(self._running) >= limits.parallel:
            return False
        if limits.limit_usd is None or limits.most_usd is None:
            return True
        spent = sum(result.bill.cost_usd or 0.0 for result in self.results)
        if spent + (len(self._running) + 1) * limits.most_usd <= limits.limit_usd:
            return True
        if not self._running:
            self._ui.print(
                f"No further trial: {format_usd(spent)} of {format_usd(limits.limit_usd)} are spent"
            )
            self._started = limits.trials
        return False

    def _start(self) -> None:
        self._started += 1
        number = self._started
        values = self._chooser.choose(number)
        model_type = values.get(TYPE, self._options.model_type)
        car = self._open_trial({})
        others = {name: value for name, value in complete(values, car).items() if name != TYPE}
        car = self._open_trial(others)
        with one_process(car, self._ui):
            clean_up(car, self._cloud, self._quiet)
            job = launch(
                car,
                self._cloud,
                self._quiet,
                self._options._replace(model_type=model_type, comment=f"tune: {describe_values(values)}"),
                detaching=Detaching(),
                sleep=self._sleep,
            )
        if job is None or job.name in [trial.job_name for trial in self._running]:
            self._chooser.learn(number, math.inf, was_stopped=False)
            self._ui.print(f"Trial {number}/{self._limits.trials} is the same as one that runs")
            return
        self._ui.print(f"Trial {number}/{self._limits.trials} runs as {job.name}: {describe_values(values)}")
        self._cars[number] = car
        self._running.append(Running(number, values, car, job.name, self._cloud.open_log(job.name)))

    def _look_at(self, trial: Running) -> None:
        try:
            state = self._cloud.describe_job(trial.job_name)
            if state.is_running:
                self._stop_if_hopeless(trial, state)
                return
            result = self._collect(trial, state)
        except Unreachable:
            return  # the job continues; the next look asks again
        self._running.remove(trial)
        self.results.append(result)
        self._chooser.learn(trial.number, result.objective, was_stopped=result.was_stopped)
        is_best = rank(self.results)[0] is result and result.has_model
        self._ui.print(
            f"Trial {trial.number}/{self._limits.trials} {_describe(result)}{' (best)' if is_best else ''}"
        )

    def _stop_if_hopeless(self, trial: Running, state: JobState) -> None:
        for line in trial.log.read():
            progress = parse_progress(line)
            if (
                progress
                and state.status == "InProgress"
                and self._chooser.is_hopeless(trial.number, progress.epoch, progress.best_val_loss)
            ):
                self._cloud.stop_job(trial.job_name)
                return

    def _collect(self, trial: Running, state: JobState) -> Result:
        """Keeps the model of a job that has ended aside.

        Raises:
            Unreachable
        """
        car = trial.car
        job = with_type(car.ledger.read(trial.job_name).job, state)
        bill = report_bill(self._cloud, self._quiet, state)
        result = Result(trial.number, trial.values, job, bill, was_stopped=state.status == "Stopped")
        if state.status == "Failed" or not state.has_model:
            car.ledger.write(job, Outcome(FAILED, bill))
            return result
        with one_process(car, self._ui):
            folder = car.state_path("incoming", job.name)
            archive_path = download_archive(self._cloud, self._quiet, job.keys, folder)
            try:
                artifact = unpack(archive_path, os.path.join(folder, UNPACKED_NAME))
            except ArchiveRejected as error:
                self._ui.warn(f"{error.what} {error.fix}")
                car.ledger.write(job, Outcome(FAILED, bill))
                return result
            driving = read_driving(artifact.driving)
            result = result._replace(
                has_model=True,
                epochs=artifact.metrics.get("epochs"),
                val_loss=artifact.metrics.get("val_loss"),
                times_off_per_100_m=driving.times_off_per_100_m if driving else None,
                mean_distance_m=driving.mean_distance_m if driving else None,
            )
            outcome = Outcome(
                KEPT_ASIDE,
                bill,
                val_loss=result.val_loss,
                epochs=result.epochs,
                trained_s=artifact.metrics.get("seconds"),
                digests=[digest_model(model.path) for model in artifact.models],
                times_off_per_100_m=result.times_off_per_100_m,
                mean_distance_m=result.mean_distance_m,
            )
            keep_aside(car, job, folder)
            car.ledger.write(job, outcome)
        return result

    def install_the_best(self) -> None:
        """Shows the table, then checks and installs the best model as sagemaker-train does.

        Raises:
            NoTrialHasAModel, ModelRejected, ModelKeptAside
        """
        ranked = rank(self.results)
        self._ui.table(HEAD, [_row(result) for result in ranked])
        if not ranked or not ranked[0].has_model:
            raise NoTrialHasAModel(len(ranked))
        best, *others = ranked
        car = self._cars[best.number]
        self._ui.print(f"The best is trial {best.number}: {describe_values(best.values)}")
        with one_process(car, self._ui):
            receive(car, self._cloud, self._ui, best.job, best.bill)
        second = next((result for result in others if result.has_model), None)
        if second:
            self._ui.print("The others are kept aside. To install the second best in its place:")
            self._ui.print_command(install_command(car, second.job))


HEAD = ("trial", "off/100 m", "val. loss", "epochs", "cost", "settings", "job")


def _row(result: Result) -> List[str]:
    return [
        str(result.number),
        "-" if result.times_off_per_100_m is None else f"{result.times_off_per_100_m:.1f}",
        "-" if result.val_loss is None else f"{result.val_loss:.4f}",
        str(result.epochs or "-"),
        "-" if result.bill.cost_usd is None else format_usd(result.bill.cost_usd),
        describe_values(result.values),
        result.job.name,
    ]


def _describe(result: Result) -> str:
    if not result.has_model:
        return "has left no model"
    parts = []
    if result.times_off_per_100_m is not None:
        parts.append(f"off the line {result.times_off_per_100_m:.1f} times in 100 m")
    if result.val_loss is not None:
        parts.append(f"validation loss {result.val_loss:.4f}")
    return ("was stopped early: " if result.was_stopped else "has ended: ") + ", ".join(parts)
