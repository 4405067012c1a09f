"""donkey-sagemaker install: plugs into a car."""

import argparse

from ..car import manage_py
from ..ui import make_ui

HELP = "Adds the commands to a car's manage.py and its settings, as comments, to myconfig.py."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", metavar="CAR", help="the car's folder (default: the current folder)")


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    for line in manage_py.install(arguments.path or car_path):
        ui.print(line)
    return 0
