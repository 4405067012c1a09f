"""The download of what a job left."""

import os

from ..atomic import remove_path
from ..car.archive import Artifact
from ..cloud.cloud import Cloud
from ..cloud.request import JobKeys
from ..driving import describe_driving, read_driving
from ..ui import PlainUi, Rate, format_seconds
from .disk import check_disk

_UNPACKED_FACTOR = 3  # the archive, its content, and a copy of that where there are no hard links


def download_archive(cloud: Cloud, ui: PlainUi, keys: JobKeys, folder: str) -> str:
    """Downloads the archive into the job's own folder, which may hold a part of it already.

    Returns:
        the archive's path.
    Raises:
        DiskFull, and OSError where the disk became full meanwhile.
    """
    _make_folder(folder)
    path = os.path.join(folder, "model.tar.gz")
    sizes = cloud.list_objects(keys.archives)
    # Of the attempts that AWS Batch makes for a queued job, only one that trained has stored a model
    key = max(filter(keys.is_archive, sizes), default=keys.archive)
    size = sizes.get(key, 0)
    rate = Rate()
    check_disk(folder, _UNPACKED_FACTOR * size - _size_of_files(folder))
    with ui.bar("Downloading the model", size) as advance:
        cloud.download(key, path, advance=lambda count: advance(count, rate.add(count)))
    return path


def _make_folder(folder: str) -> None:
    """Makes it, with nothing in it but the files of an earlier download: no link is written through."""
    if os.path.lexists(folder) and (os.path.islink(folder) or not os.path.isdir(folder)):
        os.remove(folder)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.islink(path) or not os.path.isfile(path):
            remove_path(path)


def _size_of_files(folder: str) -> int:
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def report_training(ui: PlainUi, artifact: Artifact) -> None:
    metrics = artifact.metrics
    if not metrics:
        return
    epochs = "1 epoch" if metrics["epochs"] == 1 else f"{metrics['epochs']} epochs"
    ui.print(
        f"Trained {epochs} in {format_seconds(metrics['seconds'])}: "
        f"best validation loss {metrics['val_loss']:.4f} in epoch {metrics['best_epoch']}"
    )
    driving = read_driving(artifact.driving)
    if driving:
        ui.print(describe_driving(driving))
