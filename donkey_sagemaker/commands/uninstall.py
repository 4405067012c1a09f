"""donkey-sagemaker uninstall: unplugs from a car."""

import argparse

from ..car import manage_py
from ..ui import make_ui
from .install import add_options

__all__ = ["HELP", "add_options", "run"]

HELP = "Restores a car's manage.py exactly as it was, and removes the settings from its myconfig.py."


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    for line in manage_py.uninstall(arguments.path or car_path):
        ui.print(line)
    return 0
