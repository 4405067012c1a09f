"""Reads what a job trains with: its settings, its records, and their pictures."""

import functools
import hashlib
import os
import re
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from donkey_sagemaker.contract import TRAIN_CHANNEL
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.training_memory import estimate_bytes
from donkey_sagemaker.tubs.files import tubs_in_shards
from donkey_sagemaker.tubs.reader import Tub, read_tub
from donkey_sagemaker.tubs.record import Record

from .job import Job, JobSource, make_job, read_source
from .log import log
from .memory import has_disk_room, has_room
from .opt_ml import OptMl
from .pictures import PictureFile, PictureStore, PictureStream, Shape, load_pictures, read_picture

PICTURE = (160, 120, 3)  # width, height and depth in donkeycar 2, whose config lacks them


class NoShards(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"There are no zip files of records in {path}.",
            "Start the job with `python manage.py sagemaker-train`, which uploads them.",
        )


class WrongShard(BadInput):
    def __init__(self, path: str) -> None:
        name = os.path.basename(path)
        super().__init__(
            f"{name} has not the content that its name stands for: it is damaged, or somebody replaced it.",
            f"Delete shards/{name} from the bucket, then train again: the car uploads it again.",
        )


class Inputs(NamedTuple):
    job: Job
    shards: List[str]  # paths
    tubs: Dict[str, Tub]
    pictured: List[Record]  # one for each picture in the store, at the place that is its number
    pictures: Callable[[], PictureStore]  # as recorded; waits until all of them are decoded
    source: Optional[JobSource] = None  # of the job


def read_inputs(opt_ml: OptMl) -> Inputs:
    """The job and all its good records. Their pictures are still being decoded.

    Raises:
        NoShards, WrongShard, JobUnreadable
    """
    source = read_source(opt_ml)
    job = make_job(source)
    shards = opt_ml.zips(TRAIN_CHANNEL)
    if not shards:
        raise NoShards(opt_ml.channel(TRAIN_CHANNEL))
    for path in shards:
        check_shard(path)
    tubs = {
        name: read_tub(files, name=name, path=job.tub_paths.get(name))
        for name, files in tubs_in_shards(shards).items()
    }
    return load_inputs(job, tubs, shards)._replace(source=source)


def check_shard(path: str) -> None:
    """All cars of a bucket share the shards, whose names are their digests.

    Raises:
        WrongShard
    """
    name = os.path.basename(path)
    if not re.fullmatch(r"[0-9a-f]{64}\.zip", name):
        return  # put there by hand
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() + ".zip" != name:
        raise WrongShard(path)


def recorded_shape(job: Job) -> Shape:
    """The size to which recorded pictures are decoded."""
    width, height, depth = (
        int(job.config.get(name, default))
        for name, default in zip(("IMAGE_W", "IMAGE_H", "IMAGE_DEPTH"), PICTURE)
    )
    return height, width, depth


def load_inputs(job: Job, tubs: Dict[str, Tub], shards: Sequence[str] = ()) -> Inputs:
    """Starts decoding the good records' pictures: into memory, to disk, or nowhere, as there is room."""
    started = time.time()
    records = (record for tub in tubs.values() for record in tub.records)
    pictured = list({(record.tub, record.image): record for record in records}.values())
    shape = recorded_shape(job)
    size = len(pictured) * int(np.prod(shape))

    def read(number: int) -> bytes:
        return read_picture(pictured[number], tubs)

    if has_room(size, others_bytes=estimate_bytes(job.config, job.model_type)):
        store, place = PictureStore(len(pictured), shape), ", {} in memory"
    elif has_disk_room(size):
        store, place = PictureFile(len(pictured), shape), ", {} on the disk"
    else:
        store = PictureStream(len(pictured), shape, read)
        place = "; their {} fit neither into memory nor onto the disk, so each epoch decodes them again"
    finish = load_pictures(store, pictured, tubs)

    @functools.lru_cache(maxsize=None)
    def pictures() -> PictureStore:
        finish()
        where = place.format(f"{size / 1e9:.1f} GB")
        log(f"{len(pictured)} pictures decoded in {time.time() - started:.1f} s{where}")
        return store

    return Inputs(job, list(shards), tubs, pictured, pictures)
