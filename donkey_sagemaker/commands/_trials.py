"""The trials of sagemaker-tune: jobs like any other, of which some run at the same time."""

import math
import time
from typing import Any, Callable, Dict, List, NamedTuple

from ..car.car import Car
from ..car.job import Bill
from ..cloud.cloud import Cloud, JobLog
from ..cloud.errors import Unreachable
from ..cloud.job import JobState
from ..contract import parse_progress
from ..errors import DonkeySagemakerError
from ..training.clean_up import clean_up, one_process
from ..training.detach import Detaching
from ..training.plan import TrainOptions
from ..training.tune_space import Chooser, Result, complete, describe_values
from ..training.watch import Sleep
from ..tuning import TYPE
from ..ui import PlainUi
from ._trial_results import QuietUi, collect, install_the_best, report_result
from .train import launch

OpenTrial = Callable[[Dict[str, Any]], Car]  # the car with the values of a trial


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


class Running(NamedTuple):
    """A trial whose job runs."""

    number: int
    values: Dict[str, Any]
    car: Car
    job_name: str
    log: JobLog


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
        self._quiet = QuietUi()
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
                while self._started < self._limits.trials and len(self._running) < self._limits.parallel:
                    self._start()
                if not self._running:
                    return
                self._sleep(self._cloud.poll_s)
                for trial in list(self._running):
                    self._look_at(trial)
        except KeyboardInterrupt:
            raise TuningInterrupted([trial.job_name for trial in self._running]) from None

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
            job = trial.car.ledger.read(trial.job_name).job
            ended = Result(trial.number, trial.values, job, Bill())
            result = collect(self._cloud, self._ui, trial.car, ended, state)
        except Unreachable:
            return  # the job continues; the next look asks again
        self._running.remove(trial)
        self.results.append(result)
        self._chooser.learn(trial.number, result.objective, was_stopped=result.was_stopped)
        report_result(self._ui, result, self.results, self._limits.trials)

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

    def install_the_best(self) -> None:
        """
        Raises:
            NoTrialHasAModel, ModelRejected, ModelKeptAside
        """
        install_the_best(self._cloud, self._ui, self.results, car_of=lambda result: self._cars[result.number])
