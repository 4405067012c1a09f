"""The car's config.py and myconfig.py, read as donkeycar reads them but without importing donkeycar.

Both are the owner's programs and are run as such. myconfig.py is read for every car:
those of 2.x know config.py only, but the settings of ours stand in myconfig.py there too.
"""

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
            f"There is no {config_path}: this is not a car's folder.",
            "Go to the folder that `donkey createcar --path FOLDER` made, and start again.",
        )


class NoMyconfig(BadInput):
    """The file that was asked for with --myconfig is not there."""

    def __init__(self, myconfig_path: str) -> None:
        super().__init__(
            f"There is no {myconfig_path}.",
            f"Give --myconfig a file that exists, or leave it out for {MYCONFIG_NAME}.",
        )


class ConfigFailed(BadInput):
    """A configuration file raised an error while it was read."""

    def __init__(self, config_path: str, error: Exception) -> None:
        line = _line_of(error, config_path)
        place = config_path if line is None else f"{config_path}, line {line}"
        fix = "Mend it there, and start again."
        if isinstance(error, ImportError) and error.name:
            fix = f"Install {error.name} for {sys.executable}, or take its import out."
        super().__init__(f"{place} cannot be read: {type(error).__name__}: {error}", fix)


class CarConfig(NamedTuple):
    """Every UPPER_CASE name of the car's configuration; what myconfig.py says wins over config.py."""

    values: Dict[str, Any]
    origin: Dict[str, str]  # name -> the file that it is from, e.g. "myconfig.py"

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or the default where neither file has it, as in older generations."""
        return self.values.get(name, default)


def read_config(car_path: str, *, myconfig: str = MYCONFIG_NAME) -> CarConfig:
    """Runs config.py and, where it exists, myconfig.py.

    Args:
        car_path: the car's folder.
        myconfig: file to read in place of myconfig.py, relative to the car's folder.

    Raises:
        NoConfig, NoMyconfig: a file is missing. Only the usual myconfig.py may be.
        ConfigFailed: a file raised an error, whatever it was.
    """
    config_path = os.path.join(car_path, CONFIG_NAME)
    if not os.path.isfile(config_path):
        raise NoConfig(config_path)
    values = _run(config_path, car_path)
    origin = dict.fromkeys(values, CONFIG_NAME)

    myconfig_path = os.path.join(car_path, myconfig)
    if os.path.isfile(myconfig_path):
        own_values = _run(myconfig_path, car_path)
        values.update(own_values)
        origin.update(dict.fromkeys(own_values, myconfig))
    elif myconfig != MYCONFIG_NAME:
        raise NoMyconfig(myconfig_path)
    return CarConfig(values=values, origin=origin)


def _run(config_path: str, car_path: str) -> Dict[str, Any]:
    namespace: Dict[str, Any] = {"__name__": "config", "__file__": os.path.abspath(config_path)}
    search_path = os.path.abspath(car_path)  # the files may import what lies beside manage.py
    sys.path.insert(0, search_path)
    try:
        with open(config_path, "rb") as config_file:
            exec(compile(config_file.read(), config_path, "exec", dont_inherit=True), namespace)
    except Exception as error:  # the owner's program may raise anything
        raise ConfigFailed(config_path, error) from error
    finally:
        sys.path.remove(search_path)
    return {name: value for name, value in namespace.items() if name.isupper()}


def _line_of(error: Exception, config_path: str) -> Optional[int]:
    """The configuration file's line, even where the error was raised in a module that it calls."""
    if isinstance(error, SyntaxError) and error.filename == config_path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == config_path), None)
