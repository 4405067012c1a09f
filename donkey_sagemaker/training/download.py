"""The download of what a job left."""

import os
import shutil

from ..car.archive import Artifact
from ..cloud.cloud import Cloud
from ..cloud.request import JobKeys
from ..ui import PlainUi, Rate, format_seconds


def download_archive(cloud: Cloud, ui: PlainUi, keys: JobKeys, folder: str) -> str:
    """Downloads the archive into the job's own folder, which may hold a part of it already.

    Returns:
        the archive's path.
    """
    os.makedirs(folder, exist_ok=True)
    shutil.rmtree(os.path.join(folder, "unpacked"), ignore_errors=True)
    path = os.path.join(folder, "model.tar.gz")
    size = cloud.list_objects(keys.archive).get(keys.archive, 0)
    rate = Rate()
    with ui.bar("Downloading the model", size) as advance:
        cloud.download(keys.archive, path, advance=lambda count: advance(count, rate.add(count)))
    return path


def report_training(ui: PlainUi, artifact: Artifact) -> None:
    metrics = artifact.metrics
    if not metrics:
        return
    epochs = "1 epoch" if metrics["epochs"] == 1 else f"{metrics['epochs']} epochs"
    ui.print(
        f"Trained {epochs} in {format_seconds(metrics['seconds'])}: "
        f"best validation loss {metrics['val_loss']:.4f} in epoch {metrics['best_epoch']}"
    )
