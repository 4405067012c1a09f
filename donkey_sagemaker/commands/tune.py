"""sagemaker-tune: several trainings with other settings; the best model is installed."""

import argparse
from typing import Any, Dict

from ..car.car import Car, open_car
from ..cloud.cloud import Cloud
from ..cloud.tuning import Tuner
from ..errors import BadInput
from ..interrupts import interrupt_on_hangup
from ..training.clean_up import clean_up, one_process
from ..training.detach import Detaching
from ..training.estimate import Estimator
from ..training.find_job import find_backend, find_tuning, is_tuning
from ..training.plan import TrainOptions, choose_model_path, make_plan, read_tubs
from ..training.tune_space import Chooser, default_space, describe_space, draw_trials
from ..training.tuning_space import CannotTune, check_space
from ..tuning import TYPE
from ..ui import PlainUi, format_count, make_ui
from ._options import (
    add_car_options,
    add_override_options,
    add_setting_options,
    add_tub_option,
    named_tubs,
    open_the_car,
    open_the_cloud,
    overrides_of,
    setting_flags,
)
from ._trials import Limits, OpenTrial, Trials
from ._tuning import TuneOptions, TuningDetached, TuningWatch, launch_tuning
from .train import attach as attach_to_job
from .train import train

HELP = (
    "Tries other settings, compares how the models drive along the tub (otherwise their validation losses), "
    "and checks and installs the best one. One job begins all trials, goes on with the best, and trains one "
    "of them to the end. With --full, each trial is trained to the end; the other models are kept aside. "
    "Then SageMaker, on AWS, chooses the settings and runs the trials; elsewhere, Optuna chooses them."
)
TRIALS = 12
CANNOT_COMPARE_TYPES = (
    f"{TYPE} stays as it is: without SAGEMAKER_DRIVING_PROOF, models of different types cannot be compared"
)


class OnlyOnAws(BadInput):
    def __init__(self, option: str, place: str) -> None:
        super().__init__(
            f"{option} is for tunings on AWS; {place}, this command itself starts one trial after the other.",
            f"Leave out {option}.",
        )


class OnlyInFull(BadInput):
    def __init__(self, option: str) -> None:
        super().__init__(
            f"{option} is for trials that have a job each; by default, one job has them all.",
            f"Leave out {option}, or add --full.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    add_tub_option(parser)
    parser.add_argument("--model", metavar="PATH", help="the best model (default: models/pilot_YY-MM-DD_N)")
    parser.add_argument("--type", metavar="TYPE", help="only models of this type")
    parser.add_argument(
        "--trials", metavar="N", type=_parse_count, default=TRIALS, help=f"how many (default: {TRIALS})"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="train each of them to the end in a job of its own; by default one job begins all of them, goes "
        "on with the best, and costs as much as a few trainings",
    )
    parser.add_argument(
        "--parallel", metavar="N", type=_parse_count, help="with --full: how many at a time (default: 1)"
    )
    parser.add_argument(
        "--max-cost-usd",
        metavar="USD",
        type=_parse_usd,
        help="the most that all of them together may cost",
    )
    parser.add_argument("--detach", action="store_true", help="return as soon as the tuning runs")
    parser.add_argument(
        "--attach",
        metavar="TUNING",
        nargs="?",
        const="",
        help="continue to watch a tuning, and install its best model (default: the newest one)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be tried and its cost")
    add_override_options(parser)
    add_setting_options(parser)
    add_car_options(parser)


def _parse_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1000:
        raise ValueError
    return count


def _parse_usd(text: str) -> float:
    usd = float(text)
    if not 0 < usd < 1e6:
        raise ValueError
    return usd


_parse_count.__name__, _parse_usd.__name__ = "number", "amount"  # in argparse's messages


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)

    def open_trial(values: Dict[str, Any]) -> Car:
        return open_car(
            car_path,
            flags=setting_flags(arguments),
            myconfig=arguments.myconfig,
            overrides={**overrides_of(arguments), **values},
        )

    if arguments.attach is not None:
        attach(car, ui, arguments.attach, open_trial)
        return 0
    space = dict(car.settings.tune or default_space(car))
    check_space(space)
    if arguments.type:
        space.pop(TYPE, None)
    if not arguments.full:
        tune_in_one_job(car, ui, space, arguments)
        return 0
    cloud = open_the_cloud(car, trains=True)
    interrupt_on_hangup()
    options = TrainOptions(
        tub=named_tubs(arguments),
        model=arguments.model or car.display(choose_model_path(car)),
        model_type=arguments.type,
        detach=True,
    )
    arguments.parallel = arguments.parallel or 1
    if cloud.tuner:
        tune_in_cloud(car, cloud, cloud.tuner, ui, options, space, arguments, open_trial)
        return 0
    for option in ("--detach", "--max-cost-usd"):
        if getattr(arguments, option[2:].replace("-", "_")):
            raise OnlyOnAws(option, cloud.place)
    chooser = Chooser(space, seed=car.settings.seed)
    show_plan(car, cloud, ui, options, arguments)
    ui.print(f"Trying {describe_space(space)}")
    if arguments.dry_run:
        return 0
    limits = Limits(arguments.trials, arguments.parallel)
    trials = Trials(cloud, ui, chooser, options, open_trial=open_trial, limits=limits)
    trials.run()
    trials.install_the_best()
    return 0


def tune_in_one_job(car: Car, ui: PlainUi, space: Dict[str, Any], arguments: argparse.Namespace) -> None:
    """A training that first tries other settings."""
    if arguments.parallel is not None:
        raise OnlyInFull("--parallel")
    if arguments.max_cost_usd is not None:
        car.settings = car.settings._replace(max_cost_usd=arguments.max_cost_usd)
    types = space.get(TYPE, [])
    if len(types) > 1 and not car.settings.driving_proof:
        ui.print(CANNOT_COMPARE_TYPES)
    if len(types) == 1 or not car.settings.driving_proof:
        space.pop(TYPE, None)
    if not any(len(set(map(str, choices))) > 1 for choices in space.values()):
        raise CannotTune(", ".join(space) or TYPE, "there is only one value of each")
    trials = draw_trials(space, arguments.trials, seed=car.settings.seed)
    cloud = open_the_cloud(car, trains=True)
    interrupt_on_hangup()
    ui.print(
        f"{format_count(len(trials), 'trial')} in one job: all of them begin, the best go on; the first one"
        " has the car's own settings"
    )
    ui.print(f"Trying {describe_space(space)}")
    options = TrainOptions(
        tub=named_tubs(arguments),
        model=arguments.model,
        model_type=types[0] if len(types) == 1 else arguments.type,
        comment=f"tune: {format_count(len(trials), 'trial')}",
        detach=arguments.detach,
        dry_run=arguments.dry_run,
        trials=trials,
    )
    train(car, cloud, ui, options)


def show_plan(
    car: Car, cloud: Cloud, ui: PlainUi, options: TrainOptions, arguments: argparse.Namespace
) -> None:
    """Prints how many trials there are and how long one is likely to take.

    Raises:
        BadInput: the tubs or the settings do not allow one trial.
    """
    estimator = Estimator(car, cloud, make_plan(car, read_tubs(car, options.tub), options))
    ui.print(
        f"{format_count(arguments.trials, 'trial')}, {arguments.parallel} at a time, {cloud.place}; the first"
        " one has the car's own settings"
    )
    one = estimator.describe_cost(estimator.choose_types()[0])
    if one:
        ui.print(f"Each with these settings: {one}")


def tune_in_cloud(
    car: Car,
    cloud: Cloud,
    tuner: Tuner,
    ui: PlainUi,
    train: TrainOptions,
    space: Dict[str, Any],
    arguments: argparse.Namespace,
    open_trial: OpenTrial,
) -> None:
    """From tubs to the installed model of the best trial, which the cloud has found."""
    options = TuneOptions(
        trials=arguments.trials,
        parallel=min(arguments.parallel, arguments.trials),
        max_cost_usd=arguments.max_cost_usd,
        dry_run=arguments.dry_run,
    )
    detaching = Detaching()
    try:
        with one_process(car, ui):
            clean_up(car, cloud, ui)
            job = launch_tuning(
                car,
                cloud,
                tuner,
                ui,
                train,
                space,
                options,
                is_named=bool(arguments.model),
                detaching=detaching,
            )
    except KeyboardInterrupt:
        if detaching.job is None:
            raise
        raise TuningDetached(detaching.job, detaching.bill) from None
    if job is None:
        return
    if arguments.detach:
        ui.print("Attach to it with `python manage.py sagemaker-tune --attach`")
        return
    TuningWatch(car, cloud, tuner, ui, job, open_trial=open_trial, bill=detaching.bill).run()


def attach(car: Car, ui: PlainUi, name: str, open_trial: OpenTrial) -> None:
    """Continues with a tuning that was detached from, up to the installed model."""
    pending = car.tunings.pending()
    if not (is_tuning(name) if name else pending):  # its trials are in one job, like any other
        car.use_backend(find_backend(car, name))
        cloud = open_the_cloud(car)
        interrupt_on_hangup()
        attach_to_job(car, cloud, ui, name=name or None)
        return
    if not name:
        car.use_backend(pending[0].backend)
    cloud = open_the_cloud(car)
    interrupt_on_hangup()
    if cloud.tuner is None:
        raise OnlyOnAws("--attach", cloud.place)
    with one_process(car, ui):
        clean_up(car, cloud, ui)
        job = find_tuning(car, cloud, ui, name=name or None)
    ui.print(f"Tuning {job.name}")
    TuningWatch(car, cloud, cloud.tuner, ui, job, open_trial=open_trial).run()
