"""What a job is to train with: its settings, its records, and their pictures."""

import time
from typing import Callable, Dict, List, NamedTuple, Sequence

from donkey_sagemaker.contract import TRAIN_CHANNEL
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.files import tubs_in_shards
from donkey_sagemaker.tubs.reader import Tub, read_tub

from .job import Job, read_job
from .memory import has_room
from .opt_ml import OptMl
from .pictures import PictureFile, PictureName, PictureStore, load_pictures
from .say import say

PICTURE = (160, 120, 3)  # width, height and depth of donkeycar 2, whose config does not say


class NoShards(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no zip of records in {path}.",
            "Send the tubs with `python manage.py sagemaker-train`.",
        )


class Inputs(NamedTuple):
    job: Job
    shards: List[str]  # paths
    tubs: Dict[str, Tub]
    numbers: Dict[PictureName, int]  # of every good record's picture, in the store
    pictures: Callable[[], PictureStore]  # as recorded; waits until all are decoded


def read_inputs(opt_ml: OptMl) -> Inputs:
    """The job and all its good records, while their pictures are being decoded.

    Raises:
        NoShards, and whatever is wrong with the job's files.
    """
    job = read_job(opt_ml)
    shards = opt_ml.zips(TRAIN_CHANNEL)
    if not shards:
        raise NoShards(opt_ml.channel(TRAIN_CHANNEL))
    tubs = {
        name: read_tub(files, name=name, path=job.tub_paths.get(name))
        for name, files in tubs_in_shards(shards).items()
    }
    return load_inputs(job, tubs, shards)


def load_inputs(job: Job, tubs: Dict[str, Tub], shards: Sequence[str] = ()) -> Inputs:
    """Has every good record's picture decoded: into memory if that leaves room to train, else into a file."""
    started = time.time()
    names = list(dict.fromkeys((tub.name, record.image) for tub in tubs.values() for record in tub.records))
    width, height, depth = (
        int(job.config.get(name, default))
        for name, default in zip(("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH"), PICTURE)
    )
    size = len(names) * width * height * depth
    in_memory = has_room(size)
    store = (PictureStore if in_memory else PictureFile)(len(names), (height, width, depth))
    finish = load_pictures(store, names, tubs)

    def pictures() -> PictureStore:
        finish()
        say(
            "{} pictures decoded in {:.1f} s, {:.1f} GB {}".format(
                len(names), time.time() - started, size / 1e9, "in memory" if in_memory else "on the disk"
            )
        )
        return store

    return Inputs(job, list(shards), tubs, {name: number for number, name in enumerate(names)}, pictures)
