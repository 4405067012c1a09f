"""Options that several verbs share, and how a verb opens its car and its cloud."""

import argparse
from typing import Any, Dict, Optional

from ..car.car import Car, open_car
from ..car.overrides import read_overrides
from ..cloud import open_cloud
from ..cloud.cloud import CarId, Cloud
from ..contract import MYCONFIG_NAME
from ..setting_kinds import BOOLEAN
from ..settings import SETTINGS, Setting
from ..ui import PlainUi


def add_car_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--local",
        action="store_true",
        help='use this machine, and the jobs on it, instead of AWS (SAGEMAKER_BACKEND = "local")',
    )
    add_myconfig_option(parser)


def add_myconfig_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--myconfig",
        metavar="FILE",
        default=MYCONFIG_NAME,
        help="the file to read instead of the car's myconfig.py",
    )


def add_tub_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tub",
        "--tubs",
        metavar="PATHS",
        nargs="+",
        action="append",
        help="tubs, folders of tubs or globs, separated by commas or spaces (default: the car's DATA_PATH)",
    )


def named_tubs(arguments: argparse.Namespace) -> Optional[str]:
    """What --tub names, however often it was given, separated by commas; None where it was not given."""
    return ",".join(word for words in arguments.tub for word in words) if arguments.tub else None


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """A flag for each row of the settings table that has one."""
    for setting in SETTINGS:
        if setting.has_flag:
            add_setting_option(parser, setting)


def add_setting_option(parser: argparse.ArgumentParser, setting: Setting) -> None:
    text = f"{setting.help} ({setting.variable} in myconfig.py)"
    if setting.kind is BOOLEAN:
        parser.add_argument(setting.flag, action="store_true", default=None, help=text)
    else:
        parser.add_argument(setting.flag, metavar="VALUE", help=text)


def add_override_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", metavar="N", type=int, help="train for at most N epochs: MAX_EPOCHS")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        help="another value of a setting of the car for this training; may be given several times",
    )


def setting_flags(arguments: argparse.Namespace) -> Dict[str, Any]:
    """What the command line says about settings, by attribute; nothing else of it."""
    flags = {
        setting.attribute: getattr(arguments, setting.attribute, None)
        for setting in SETTINGS
        if setting.has_flag
    }
    if arguments.local:
        flags["backend"] = "local"
    return flags


def open_the_car(arguments: argparse.Namespace, car_path: str, ui: PlainUi) -> Car:
    """The car in its folder, with the settings of this command line.

    Raises:
        BadInput
    """
    car = open_car(
        car_path,
        flags=setting_flags(arguments),
        myconfig=arguments.myconfig,
        overrides=overrides_of(arguments),
    )
    car.check_state()
    for path in car.ledger.damaged():
        ui.warn(f"{car.display(path)} is damaged or was not written by this program; it is ignored")
    return car


def overrides_of(arguments: argparse.Namespace) -> Dict[str, Any]:
    values = read_overrides(getattr(arguments, "set", None) or [])
    if getattr(arguments, "epochs", None) is not None:
        values["MAX_EPOCHS"] = arguments.epochs
    return values


def open_the_cloud(car: Car, *, trains: bool = False) -> Cloud:
    """The cloud that the car's settings name.

    Args:
        trains: whether a job may be started; only then must this machine be able to train.
    Raises:
        BadInput, CloudRefused
    """
    car_id = CarId(lambda: car.id, car.ensure_id)
    return open_cloud(car.settings, car.state_path("local"), car_id=car_id, trains=trains)
