"""One car: its folder, its config, and the settings of this run."""

import os
from typing import Any, Dict, NamedTuple

from ..errors import BadInput
from ..settings import Settings, make_settings
from .config import CarConfig, read_config


class CannotWrite(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not a folder that you may write to.",
            f"Give it to the user who drives the car: `sudo chown -R $USER {path}`.",
        )


class Car(NamedTuple):
    path: str
    myconfig: str  # file name in the car's folder
    config: CarConfig
    settings: Settings

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

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

    @property
    def scratch_path(self) -> str:
        """Where this program keeps its own things; made on first use, and of no interest to git."""
        path = os.path.join(self.path, ".sagemaker")
        if not os.path.isdir(path):
            os.makedirs(path, exist_ok=True)
            with open(os.path.join(path, ".gitignore"), "w") as file:
                file.write("*\n")
        return path

    def scratch(self, *names: str) -> str:
        return os.path.join(self.scratch_path, *names)

    def shown(self, path: str) -> str:
        """A path as short as the user would type it in the car's folder."""
        relative = os.path.relpath(path, self.path)
        return path if relative.startswith(os.pardir) else relative


def check_writable(folder: str) -> None:
    """Raises CannotWrite, also where the folder could not be made."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise CannotWrite(folder)


def open_car(path: str, *, flags: Dict[str, Any], myconfig: str) -> Car:
    """Reads the car's config and makes the settings of this run.

    Raises:
        BadInput: it is not a car's folder, its config fails, or a setting is wrong.
    """
    path = os.path.abspath(path)
    config = read_config(path, myconfig=myconfig)
    return Car(path, myconfig, config, make_settings(flags, config.values, config.origins))
