"""Jobs and datasets of the trainer, made in this process."""

import numpy as np
import tensorflow

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from trainer.dataset import make_dataset
from trainer.job import Job
from trainer.pilots import make_pilot
from trainer.reading import load_inputs

CONFIG = {
    "IMAGE_H": 120,
    "IMAGE_W": 160,
    "IMAGE_DEPTH": 3,
    "BATCH_SIZE": 16,
    "SEQUENCE_LENGTH": 3,
    "MODEL_CATEGORICAL_MAX_THROTTLE_RANGE": 0.8,
    "BEHAVIOR_LIST": ["left", "right"],
    "NUM_LOCATIONS": 8,
    "ROI_CROP_TOP": 45,
    "ROI_CROP_BOTTOM": 0,
    "ROI_CROP_LEFT": 10,
    "ROI_CROP_RIGHT": 0,
    "BLUR_KERNEL": 5,
    "BLUR_KERNEL_Y": None,
    "BLUR_GAUSSIAN": True,
    "AUG_BRIGHTNESS_RANGE": 0.2,
    "AUG_BLUR_RANGE": (0, 3),
}


def make_job(model_type="linear", **config):
    return Job(
        name="pilot",
        model_type=model_type,
        models=[],
        transfer_path=None,
        slide=config.pop("slide", 0),
        min_throttle=None,
        floor_throttle=None,
        autopilot=config.pop("autopilot", "skip"),
        seed=1,
        tub_paths={},
        config=dict(CONFIG, **config),
    )


def read_dataset(tub_path, job):
    tub = read_tub(FolderFiles(tub_path), name="tub")
    return make_dataset(make_pilot(job.model_type, job.config), load_inputs(job, {"tub": tub}))


def read_feed(feed, dataset=None):
    """The inputs as the net takes them, and the targets, of one epoch, by name."""
    inputs, targets = [], []
    for batch_inputs, batch_targets in dataset or feed.dataset(tensorflow):
        inputs.append(feed.make_numbers(batch_inputs, tensorflow))
        if not isinstance(batch_targets, dict):
            batch_targets = dict.fromkeys(feed.examples.targets, batch_targets)
        targets.append(batch_targets)
    return tuple(
        {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        for batches in (inputs, targets)
    )
