"""What becomes of the trials of sagemaker-tune: all models are kept aside, and the best is installed."""

import os
from typing import Callable, List, Optional

from ..car.archive import ArchiveRejected, unpack
from ..car.backups import UNPACKED_NAME
from ..car.car import Car
from ..car.job import FAILED, KEPT_ASIDE, Outcome
from ..car.trained_pictures import digest_model
from ..cloud.cloud import Cloud
from ..cloud.failures import explain_failure
from ..cloud.job import JobState
from ..driving import read_driving
from ..errors import JobFailed
from ..training.clean_up import one_process
from ..training.download import download_archive
from ..training.kept_aside import install_command, keep_aside
from ..training.receive import is_installed, receive
from ..training.tune_space import Result, describe_values, rank
from ..ui import PlainUi, format_usd
from .train import report_bill

HEAD = ("trial", "off/100 m", "val. loss", "epochs", "cost", "settings", "job")


class NoTrialHasAModel(JobFailed):
    """
    Args:
        reason: why the first of them failed; empty where that is not known.
    """

    def __init__(self, trials: int, reason: str) -> None:
        cause, fix = explain_failure(reason, []) if reason else ("", "")
        super().__init__(
            f"None of {trials} trials has left a model."
            + (f" The first one that failed: {cause}" if cause else ""),
            fix or "Train once to see why: `python manage.py sagemaker-train`.",
        )


class QuietUi(PlainUi):
    """The steps of each trial are those of sagemaker-train; only what is special about it is shown."""

    def print(self, text: str, *, style: str = "", link: str = "", hang: int = 0) -> None:
        pass


def collect(cloud: Cloud, ui: PlainUi, car: Car, trial: Result, state: JobState) -> Result:
    """Keeps the model of a trial that has ended aside, and writes its outcome to the car's ledger.

    Raises:
        Unreachable
    """
    job, quiet = trial.job, QuietUi()
    bill = report_bill(cloud, quiet, state)
    result = trial._replace(bill=bill, was_stopped=state.status == "Stopped", reason=state.failure_reason)
    if not state.has_model:
        car.ledger.write(job, Outcome(FAILED, bill))
        return result
    with one_process(car, ui):
        folder = car.state_path("incoming", job.name)
        archive_path = download_archive(cloud, quiet, job.keys, folder)
        try:
            artifact = unpack(archive_path, os.path.join(folder, UNPACKED_NAME))
        except ArchiveRejected as error:
            ui.warn(f"{error.what} {error.fix}")
            car.ledger.write(job, Outcome(FAILED, bill))
            return result
        driving = read_driving(artifact.driving)
        outcome = Outcome(
            KEPT_ASIDE,
            bill,
            val_loss=artifact.metrics.get("val_loss"),
            epochs=artifact.metrics.get("epochs"),
            trained_s=artifact.metrics.get("seconds"),
            digests=[digest_model(model.path) for model in artifact.models],
            times_off_per_100_m=driving.times_off_per_100_m if driving else None,
            mean_distance_m=driving.mean_distance_m if driving else None,
        )
        keep_aside(car, job, folder)
        car.ledger.write(job, outcome)
    return with_outcome(result, outcome)


def with_outcome(trial: Result, outcome: Outcome) -> Result:
    """A trial whose end is in the ledger."""
    return trial._replace(
        bill=outcome.bill,
        has_model=outcome.state != FAILED,
        epochs=outcome.epochs,
        val_loss=outcome.val_loss,
        times_off_per_100_m=outcome.times_off_per_100_m,
        mean_distance_m=outcome.mean_distance_m,
    )


def report_result(ui: PlainUi, result: Result, results: List[Result], trials: int) -> None:
    """In one line.

    Args:
        results: of all trials so far, with this one.
        trials: how many there will be.
    """
    is_best = rank(results)[0] is result and result.has_model
    ui.print(f"Trial {result.number}/{trials} {_describe(result)}{' (best)' if is_best else ''}")


def show_table(ui: PlainUi, results: List[Result]) -> None:
    """The best first."""
    ui.table(HEAD, [_row(result) for result in rank(results)])


def install_the_best(
    cloud: Cloud, ui: PlainUi, results: List[Result], *, car_of: Callable[[Result], Car]
) -> None:
    """Shows the table, then checks and installs the best model as sagemaker-train does.

    Args:
        car_of: the car with the settings of a trial.
    Raises:
        NoTrialHasAModel, ModelRejected, ModelKeptAside
    """
    ranked = rank(results)
    show_table(ui, results)
    if not ranked or not ranked[0].has_model:
        raise NoTrialHasAModel(len(ranked), next((each.reason for each in results if each.reason), ""))
    best, *others = ranked
    car = car_of(best)
    ui.print(f"The best is trial {best.number}: {describe_values(best.values)}")
    with one_process(car, ui):
        if is_installed(car, best.job):
            ui.print("Its model is installed already.")
            return
        receive(car, cloud, ui, best.job, best.bill)
    second = next((result for result in others if result.has_model), None)
    if second:
        ui.print("The others are kept aside. To install the second best in its place:")
        ui.print_command(install_command(car, second.job))


def total_usd(results: List[Result]) -> Optional[float]:
    """None where nothing is billed, or the bill of a trial is not known."""
    costs = [result.bill.cost_usd for result in results]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


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
