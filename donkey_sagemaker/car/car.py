"""One car: its folder, its config, what it runs, the settings of this run, and its ledger of jobs."""

import contextlib
import os
import shlex
from typing import Any, Callable, Iterator, List, Mapping, Optional

from ..contract import MYCONFIG_NAME
from ..errors import BadInput
from ..settings import Settings, make_settings
from .config import CarConfig, read_config
from .identity import create_id, read_id
from .ledger import Ledger
from .lock import Lock, hold_lock
from .overrides import hyperparameters, override
from .runtime import Runtime, find_runtime, parse_runtime

STATE_NAME = ".sagemaker"  # the folder in the car where this program keeps its own files
_STATE_FOLDERS = ("jobs", "tunings", "incoming", "previous", "trained", "validation", "local")


class CannotWrite(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"You cannot write to {path}, or it is not a folder.",
            f"Make it yours: `sudo chown -R $USER {shlex.quote(path)}`.",
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
        self._lock: Optional[Lock] = None

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
    def tunings(self) -> Ledger:
        """The tunings that AWS runs for it; its ledger of jobs has their trials."""
        return Ledger(self.state_path("tunings"))

    @property
    def id(self) -> Optional[str]:
        """A random id, which a copy of the car's folder shares; None as long as no job was launched."""
        return read_id(self._id_path)

    def ensure_id(self) -> str:
        return self.id or create_id(self._id_path)

    @property
    def _id_path(self) -> str:
        return self.state_path("car_id")

    @contextlib.contextmanager
    def lock(self, purpose: str, *, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Waits until no other process works on this car's jobs and models, and keeps others waiting.

        Args:
            purpose: what the lock is held for, as "sagemaker-train".
            on_wait: called once with who holds it, if somebody does.
        """
        self.ensure_state()
        with hold_lock(self.state_path("lock"), purpose=purpose, on_wait=on_wait) as self._lock:
            try:
                yield
            finally:
                self._lock = None

    @contextlib.contextmanager
    def unlocked(self) -> Iterator[None]:
        """Lets other processes work on this car's jobs and models, if they were kept waiting; then waits."""
        with contextlib.ExitStack() as stack:
            if self._lock is not None:
                stack.enter_context(self._lock.released())
            yield

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
        """A path in the folder where this program keeps its own files; nothing is created."""
        return os.path.join(self.path, STATE_NAME, *names)

    def ensure_state(self) -> None:
        """Creates the folder where this program keeps its own files, which git ignores.

        Raises:
            CannotWrite
        """
        folder = self.state_path()
        check_writable(folder)
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, ".gitignore"), "w") as file:
                file.write("*\n")

    def state_folders(self) -> List[str]:
        """All in which a training writes files of this program's own; some may be missing."""
        return [self.state_path(), *(self.state_path(name) for name in _STATE_FOLDERS)]

    def check_state(self) -> None:
        """
        Raises:
            CannotWrite: a file of this program's own belongs to somebody else, as it does after `sudo`.
        """
        for folder in self.state_folders():
            if os.path.lexists(folder):
                check_writable(folder)
                for each in os.listdir(folder):
                    path = os.path.join(folder, each)
                    if not os.access(path, os.R_OK | os.W_OK) and os.path.exists(path):
                        raise CannotWrite(path)

    def use_backend(self, backend: str) -> None:
        """Works with jobs of that backend, whatever SAGEMAKER_BACKEND says."""
        self.settings = self.settings._replace(backend=backend)

    def use_slide(self, frames: int) -> None:
        """What SAGEMAKER_SLIDE = "auto" means for the tubs of this training."""
        self.settings = self.settings._replace(slide=frames)

    def resolve(self, path: str) -> str:
        """The full path of one that the user typed in the car's folder; a slash at its end means nothing."""
        return os.path.normpath(os.path.join(self.path, os.path.expanduser(path)))

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


def open_car(
    path: str,
    *,
    flags: Mapping[str, Any],
    myconfig: str = MYCONFIG_NAME,
    overrides: Optional[Mapping[str, Any]] = None,
) -> Car:
    """Reads the car's config and makes the settings of this run.

    Args:
        flags: settings from the command line, by their attribute in `Settings`; None where not given.
        overrides: values for this run of names in the car's config.
    Raises:
        BadInput: it is not a car's folder, its config fails, or a setting is wrong.
    """
    path = os.path.abspath(path)
    overrides = overrides or {}
    config = override(read_config(path, myconfig=myconfig), overrides)
    settings = make_settings(flags, config.values, config.origins)
    settings = settings._replace(hyperparameters={**settings.hyperparameters, **hyperparameters(overrides)})
    return Car(path, myconfig=myconfig, config=config, settings=settings)
