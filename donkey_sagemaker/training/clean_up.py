"""Before a car's jobs and models are worked on: nobody else does so, and nothing is left half done."""

import contextlib
import os
import shutil
from typing import Iterator, List

from .. import atomic
from ..car.car import Car
from ..car.model_swap import BackupDamaged, recover
from ..cloud.cloud import Cloud
from ..ui import PlainUi


@contextlib.contextmanager
def one_process(car: Car, ui: PlainUi) -> Iterator[None]:
    """Waits until no other process launches, downloads or installs in this car; then others wait."""
    with car.lock("sagemaker-train", on_wait=lambda holder: ui.print(f"Waiting for {holder} to finish")):
        yield


def clean_up(car: Car, cloud: Cloud, ui: PlainUi) -> None:
    """Undoes and removes what a power cut interrupted. What this program did not write stays."""
    for path in _folders(car.state_path("previous"), ui):
        try:
            recover(path)
        except BackupDamaged as error:
            ui.warn(f"{error.what} {error.fix}")
    for folder in (car.path, car.models_path, *car.state_folders(), car.state_path("console")):
        atomic.sweep(folder)
    cloud.clean_up()
    pending = {job.name for job in car.ledger.pending()}
    for path in _folders(car.state_path("incoming"), ui):
        if os.path.basename(path) not in pending:
            shutil.rmtree(path)


def _folders(parent: str, ui: PlainUi) -> List[str]:
    paths = (
        [os.path.join(parent, name) for name in sorted(os.listdir(parent))] if os.path.isdir(parent) else []
    )
    for path in paths:
        if not os.path.isdir(path) or os.path.islink(path):
            ui.warn(f"{path} was not written by this program; it is ignored")
    return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]
