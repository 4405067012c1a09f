"""What the car and the container agree on: channels, file names, hyperparameters, the progress line.

Imported on both sides, so it knows the standard library only. A change here must keep reading
what older versions wrote: the image of a job may be older or newer than the car.
"""

import json
import re
from typing import Any, Dict, NamedTuple, Optional

# Channels, folders under /opt/ml/input/data
TRAIN_CHANNEL = "train"  # zips that unzip to tubs
CAR_CHANNEL = "car"  # config.py, myconfig.py, job.json, the transfer model
CODE_CHANNEL = "code"  # trainer.pyz, where a stock image runs it

CONFIG_NAME = "config.py"
MYCONFIG_NAME = "myconfig.py"
JOB_NAME = "job.json"
TRAINER_NAME = "trainer.pyz"
WHEELS_NAME = "wheels.zip"  # beside it, what a stock image lacks

# The archive, model.tar.gz
ARTIFACT_NAME = "artifact.json"
SAMPLES_NAME = "samples.npz"
HISTORY_NAME = "history.json"
PLOT_NAME = "loss.png"
REPORT_NAME = "report.html"
REPORT_CAR_MARK = "<!-- donkey-sagemaker: this car -->"  # where the car writes how it drives the model

# What donkeycar 4 and 5 train; 2.2's manage.py makes the first two, 2.5's only linear.
TYPES = ("linear", "categorical", "inferred", "memory", "behavior", "localizer", "rnn", "3d", "imu")

# A 3d net pools in three dimensions, for which light runtimes have no operation.
NO_LITE_TYPES = ("3d",)

# How a model is written: "hdf5" is what donkeycar 2 reads under any name, and can go on training;
# "h5" what later ones read; "savedmodel" is a folder.
FORMATS = ("h5", "hdf5", "keras", "savedmodel", "tflite")

CLASSIC_GENERATION = "dk22"  # whose pilots take pixels from 0 to 255

TOLD = "[donkey] "  # begins each line of the log that is meant for the user

FAILURE_REASON_CHARS = 1024  # what SageMaker keeps of output/failure


def generation_of(donkeycar: str) -> str:
    """The training image that is made for this version of donkeycar."""
    major, minor = (int(part) for part in donkeycar.split(".")[:2])
    if major < 3:
        return CLASSIC_GENERATION
    if (major, minor) < (5, 1):
        return "dk50"
    return "dk53" if (major, minor) < (5, 4) else "dk54"


def encode_hyperparameters(values: Dict[str, Any]) -> Dict[str, str]:
    """Every value as JSON text: the 2018 images decode each one and know no fallback."""
    return {name: json.dumps(value, sort_keys=True) for name, value in sorted(values.items())}


def decode_hyperparameters(texts: Dict[str, str]) -> Dict[str, Any]:
    """The inverse; text that is not JSON is kept as it is, for a person or the SDK may send that."""
    values = {}
    for name, text in texts.items():
        try:
            values[name] = json.loads(text)
        except (TypeError, ValueError):
            values[name] = text
    return values


class Progress(NamedTuple):
    """One finished epoch."""

    epoch: int  # counted from 1
    epochs: int  # at most this many
    loss: float
    val_loss: float
    best_val_loss: float
    images: int  # training pictures seen in this epoch
    seconds: float  # of this epoch, validation included


_PROGRESS = re.compile(
    r"\[donkey\] epoch=(\d+)/(\d+) loss=(\S+) val_loss=(\S+) best_val_loss=(\S+) "
    r"images=(\d+) seconds=(\S+)\s*$"
)


def format_progress(progress: Progress) -> str:
    """The one line an epoch prints; CloudWatch's metric definitions and the car read it."""
    return (
        f"[donkey] epoch={progress.epoch}/{progress.epochs} loss={progress.loss:.6g}"
        f" val_loss={progress.val_loss:.6g} best_val_loss={progress.best_val_loss:.6g}"
        f" images={progress.images} seconds={progress.seconds:.3f}"
    )


def parse_progress(line: str) -> Optional[Progress]:
    """The epoch that a log line tells of, or None for any other line."""
    match = _PROGRESS.search(line)
    if not match:
        return None
    epoch, epochs, loss, val_loss, best, images, seconds = match.groups()
    try:
        return Progress(
            int(epoch), int(epochs), float(loss), float(val_loss), float(best), int(images), float(seconds)
        )
    except ValueError:
        return None
