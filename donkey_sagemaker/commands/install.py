"""donkey-sagemaker install: plugs into a car."""

import argparse
import os
import shlex

from ..car import manage_py
from ..ui import make_ui

HELP = "Adds the commands to a car's manage.py and its settings, as comments, to myconfig.py."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", metavar="CAR", help="the car's folder (default: the current folder)")


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    path = arguments.path or car_path
    for line in manage_py.install(path):
        ui.print(line)
    ui.print("Next, review what was recorded and train on this machine:")
    if os.path.abspath(path) != os.getcwd():
        ui.print_command(f"cd {shlex.quote(path)}")
    ui.print_command("python manage.py sagemaker-tubs")
    ui.print_command("python manage.py sagemaker-train --local")
    ui.print("To train on AWS, an administrator of the account runs `python manage.py sagemaker-setup` once.")
    return 0
