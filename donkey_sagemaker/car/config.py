"""The car's config.py and myconfig.py, read as donkeycar reads them but without importing donkeycar.

Both files are the owner's programs and are executed as such. myconfig.py is read for every car: donkeycar 2
knows config.py only, but this program's settings are in myconfig.py on those cars too.
"""

import contextlib
import os
import sys
import traceback
from typing import Any, Dict, NamedTuple, Optional

from ..contract import CONFIG_NAME, MYCONFIG_NAME
from ..errors import BadInput


class NoConfig(BadInput):
    """The folder is not a car's."""

    def __init__(self, config_path: str) -> None:
        super().__init__(
            f"{config_path} does not exist, so this is not a car's folder.",
            "Change to the folder that `donkey createcar --path FOLDER` created, and run the command again.",
        )


class NoMyconfig(BadInput):
    """The file given with --myconfig does not exist."""

    def __init__(self, myconfig_path: str) -> None:
        super().__init__(
            f"{myconfig_path} does not exist.",
            f"Pass an existing file to --myconfig, or leave it out to use {MYCONFIG_NAME}.",
        )


class ConfigFailed(BadInput):
    """A configuration file raised an error when it was executed."""

    def __init__(self, config_path: str, error: Exception) -> None:
        line = _line_of(error, config_path)
        where = "" if line is None else f" because of an error in line {line}"
        fix = "Fix this error in the file, and run the command again."
        if isinstance(error, ModuleNotFoundError) and error.name:
            fix = f"Install {error.name} for {sys.executable}, or remove the import."
        super().__init__(f"{config_path} cannot be loaded{where}: {type(error).__name__}: {error}", fix)


class CarConfig(NamedTuple):
    """Every UPPER_CASE name in the car's configuration. myconfig.py overrides config.py."""

    values: Dict[str, Any]
    origins: Dict[str, str]  # name -> the file that it comes from, e.g. "myconfig.py"

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or the default if neither file defines it, as in older generations."""
        return self.values.get(name, default)


def read_config(car_path: str, *, myconfig: str = MYCONFIG_NAME) -> CarConfig:
    """Executes config.py and, if it exists, myconfig.py.

    Args:
        car_path: the car's folder.
        myconfig: file to read instead of myconfig.py, relative to the car's folder.

    Raises:
        NoConfig, NoMyconfig: a file is missing. Only the default myconfig.py is optional.
        ConfigFailed: a file raised any error.
    """
    config_path = os.path.join(car_path, CONFIG_NAME)
    if not os.path.isfile(config_path):
        raise NoConfig(config_path)
    values = _execute(config_path, car_path)
    origins = dict.fromkeys(values, CONFIG_NAME)

    myconfig_path = os.path.join(car_path, myconfig)
    if os.path.isfile(myconfig_path):
        overrides = _execute(myconfig_path, car_path)
        values.update(overrides)
        origins.update(dict.fromkeys(overrides, myconfig))
    elif myconfig != MYCONFIG_NAME:
        raise NoMyconfig(myconfig_path)
    return CarConfig(values=values, origins=origins)


def _execute(config_path: str, car_path: str) -> Dict[str, Any]:
    namespace: Dict[str, Any] = {"__name__": "config", "__file__": os.path.abspath(config_path)}
    search_path = os.path.abspath(car_path)  # the files may import modules that are next to manage.py
    sys.path.insert(0, search_path)
    try:
        # What the owner's code prints must not mix with what a command prints, such as JSON.
        with open(config_path, "rb") as config_file, contextlib.redirect_stdout(sys.stderr):
            exec(compile(config_file.read(), config_path, "exec", dont_inherit=True), namespace)
    except Exception as error:  # the owner's code may raise anything
        raise ConfigFailed(config_path, error) from error
    finally:
        sys.path.remove(search_path)
    return {name: value for name, value in namespace.items() if name.isupper()}


def _line_of(error: Exception, config_path: str) -> Optional[int]:
    """The line in the configuration file, even if the error was raised in a module that it calls."""
    if isinstance(error, SyntaxError) and error.filename == config_path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == config_path), None)
