"""sagemaker-tune: several trainings with other settings; the best model is installed."""

import argparse
from typing import Optional

from ..car.car import Car, open_car
from ..cloud.cloud import Cloud
from ..errors import BadInput
from ..interrupts import interrupt_on_hangup
from ..training.estimate import Estimator
from ..training.plan import TrainOptions, choose_model_path, make_plan, read_tubs
from ..training.tune_space import TYPE, Chooser, default_space, describe_space
from ..ui import PlainUi, format_count, format_usd, make_ui
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
from ._trials import Limits, Trials

HELP = (
    "Trains several models with other settings, which Optuna chooses, compares how they drive along the tub "
    "(otherwise their validation losses), and checks and installs the best one. The others are kept aside."
)
TRIALS = 12


class TooExpensiveToTune(BadInput):
    def __init__(self, most_usd: float, limit_usd: float) -> None:
        super().__init__(
            f"One trial could cost {format_usd(most_usd)}, and --max-cost-usd is {limit_usd:g}.",
            "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or raise --max-cost-usd.",
        )


class TrialCostUnknown(BadInput):
    def __init__(self, instance_type: str) -> None:
        super().__init__(
            f"The price of {instance_type} is not known, so --max-cost-usd cannot be enforced.",
            "Allow your AWS user pricing:GetProducts, choose another --instance-type, or leave it out.",
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    add_tub_option(parser)
    parser.add_argument("--model", metavar="PATH", help="the best model (default: models/pilot_YY-MM-DD_N)")
    parser.add_argument("--type", metavar="TYPE", help="only models of this type")
    parser.add_argument(
        "--trials", metavar="N", type=_parse_count, default=TRIALS, help=f"how many (default: {TRIALS})"
    )
    parser.add_argument(
        "--parallel", metavar="N", type=_parse_count, default=1, help="how many at a time (default: 1)"
    )
    parser.add_argument(
        "--max-cost-usd",
        metavar="USD",
        type=_parse_usd,
        help="start no trial with which all of them together could cost more",
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
    space = dict(car.settings.tune or default_space(car))
    if arguments.type:
        space.pop(TYPE, None)
    chooser = Chooser(space, seed=car.settings.seed)
    cloud = open_the_cloud(car, trains=True)
    interrupt_on_hangup()
    options = TrainOptions(
        tub=named_tubs(arguments),
        model=arguments.model or car.display(choose_model_path(car)),
        model_type=arguments.type,
        detach=True,
    )
    most_usd = show_plan(car, cloud, ui, options, arguments)
    ui.print(f"Trying {describe_space(space)}")
    if arguments.dry_run:
        return 0
    trials = Trials(
        cloud,
        ui,
        chooser,
        options,
        open_trial=lambda values: open_car(
            car_path,
            flags=setting_flags(arguments),
            myconfig=arguments.myconfig,
            overrides={**overrides_of(arguments), **values},
        ),
        limits=Limits(arguments.trials, arguments.parallel, most_usd, arguments.max_cost_usd),
    )
    trials.run()
    trials.install_the_best()
    return 0


def show_plan(
    car: Car, cloud: Cloud, ui: PlainUi, options: TrainOptions, arguments: argparse.Namespace
) -> Optional[float]:
    """Prints what all trials are likely to cost.

    Returns:
        the most that one of them can cost; None if that is not known, or nothing.
    Raises:
        BadInput: the tubs or the settings, or the limit does not allow one trial.
    """
    estimator = Estimator(car, cloud, make_plan(car, read_tubs(car, options.tub), options))
    instance_type = estimator.choose_types()[0]
    estimate = estimator.estimate(instance_type)
    ui.print(
        f"{format_count(arguments.trials, 'trial')}, {arguments.parallel} at a time, {cloud.place}; the first"
        " one has the car's own settings"
    )
    one = estimator.describe_cost(instance_type)
    if one:
        ui.print(f"Each with these settings: {one}")
    if not cloud.bills:
        return None
    most, limit = estimate.most_usd, arguments.max_cost_usd
    if most is None:
        if limit is not None:
            raise TrialCostUnknown(instance_type)
        return None
    if limit is not None and most > limit:
        raise TooExpensiveToTune(most, limit)
    likely = estimate.likely.usd if estimate.likely else None
    together = most * arguments.trials if limit is None else min(most * arguments.trials, limit)
    words = f"likely {format_usd(likely * arguments.trials)}, " if likely else ""
    ui.print(f"All of them together: {words}at most {format_usd(together)}")
    return most
