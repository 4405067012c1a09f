"""One car: its folder, its config, what it runs, the settings of this run, and its ledger of jobs."""

import os
from typing import Any, Mapping, Optional

from ..contract import MYCONFIG_NAME
from ..errors import BadInput
from ..settings import Settings, make_settings
from .config import CarConfig, read_config
from .ledger import Ledger
from .runtime import Runtime, find_runtime, parse_runtime

STATE_NAME = ".sagemaker"  # the folder in the car where this program keeps its own files


class CannotWrite(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"You cannot write to {path}, or it is not a folder.",
            f"Make it yours: `sudo chown -R $USER {path}`.",
        )


class Car:
    """
    Attributes:
        path: the car's folder.
        myconfig: name of its myconfig.py, or the path of another file.
        config: config.py and myconfig.py.
        settings: those of this run.
        ledger: the jobs that it has launched.
    """

    def __init__(self, path: str, *, myconfig: str, config: CarConfig, settings: Settings) -> None:
        self.path = path
        self.myconfig = myconfig
        self.config = config
        self.settings = settings
        self._runtime: Optional[Runtime] = None

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def runtime(self) -> Runtime:
        """What the car runs: what SAGEMAKER_CAR says, otherwise what this Python has.

        Raises:
            BadInput: this Python has no donkeycar, or SAGEMAKER_CAR cannot be read.
        """
        if self._runtime is None:
            named = self.settings.car
            self._runtime = parse_runtime(named, car_path=self.path) if named else find_runtime()
        return self._runtime

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.state_path("jobs"))

    @property
    def models_path(self) -> str:
        return self.config.get("MODELS_PATH", os.path.join(self.path, "models"))

    @property
    def database_path(self) -> str:
        """donkeycar's own list of its pilots, from 4.2 on."""
        return os.path.join(self.models_path, "database.json")

    @property
    def data_path(self) -> str:
        return self.config.get("DATA_PATH", os.path.join(self.path, "data"))

    def state_path(self, *names: str) -> str:
        """A path in the folder where this program keeps its own files, which git ignores."""
        folder = os.path.join(self.path, STATE_NAME)
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, ".gitignore"), "w") as file:
                file.write("*\n")
        return os.path.join(folder, *names)

    def resolve(self, path: str) -> str:
        """The full path of one that the user typed in the car's folder."""
        return os.path.join(self.path, os.path.expanduser(path))

    def display(self, path: str) -> str:
        """A path as short as the user would type it in the car's folder."""
        relative = os.path.relpath(path, self.path)
        return path if relative.startswith(os.pardir) else relative


def check_writable(folder: str) -> None:
    """
    Raises:
        CannotWrite: it is not a folder that we may write to, or make.
    """
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise CannotWrite(folder)


def open_car(path: str, *, flags: Mapping[str, Any], myconfig: str = MYCONFIG_NAME) -> Car:
    """Reads the car's config and makes the settings of this run.

    Args:
        flags: settings from the command line, by their attribute in `Settings`; None where not given.
    Raises:
        BadInput: it is not a car's folder, its config fails, or a setting is wrong.
    """
    path = os.path.abspath(path)
    config = read_config(path, myconfig=myconfig)
    settings = make_settings(flags, config.values, config.origins)
    return Car(path, myconfig=myconfig, config=config, settings=settings)
