"""The contract between the car and the container: channels, file names, hyperparameters, the progress line.

Both sides import this module, so it uses the standard library only. It must keep reading what older versions
wrote: the image of a job may be older or newer than the car.
"""

import json
import re
from typing import Any, Dict, NamedTuple, Optional

# Channels, folders under /opt/ml/input/data
TRAIN_CHANNEL = "train"  # zips that contain tubs
CAR_CHANNEL = "car"  # config.py, myconfig.py, job.json, the transfer model
CODE_CHANNEL = "code"  # trainer.pyz, which a stock image runs

CONFIG_NAME = "config.py"
MYCONFIG_NAME = "myconfig.py"
JOB_NAME = "job.json"
TRAINER_NAME = "trainer.pyz"
SCRIPT_NAME = "start.py"  # beside it, for a tuning: runs trainer.pyz
WHEELS_NAME = "wheels.zip"  # beside it: the packages that a stock image lacks

# The archive, model.tar.gz
ARTIFACT_NAME = "artifact.json"
SAMPLES_NAME = "samples.npz"
VALIDATION_NAME = "validation.npz"  # pictures to compare another model with
TRAINED_NAME = "trained.bin"  # which pictures the model was trained on
HISTORY_NAME = "history.json"
PLOT_NAME = "loss.png"
REPORT_NAME = "report.html"
REPORT_CAR_MARK = "<!-- donkey-sagemaker: this car -->"  # the car puts its own section here

# The types that donkeycar 4 and 5 train; the manage.py of 2.2 has the first two, that of 2.5 only linear.
TYPES = ("linear", "categorical", "inferred", "memory", "behavior", "localizer", "rnn", "3d", "imu")

# A 3d net pools in three dimensions, and light runtimes have no operation for that.
NO_LITE_TYPES = ("3d",)

# "hdf5" is for donkeycar 2, which reads it under any name and can train it further; "h5" is for later
# versions; "savedmodel" is a folder.
FORMATS = ("h5", "hdf5", "keras", "savedmodel", "tflite")

# What a training shows of each record: the recorded picture, or also what the car sees beside its line
DONKEYCAR, ROBUST = RECIPES = ("donkeycar", "robust")

# How validation pictures are drawn: one by one as donkeycar does, or whole stretches of the drive
FRAMES, STRETCHES = VALIDATIONS = ("frames", "stretches")

# A typical car's camera: above the floor, down from level, and from left to right
CAMERA = {"height_m": 0.15, "pitch_deg": 20.0, "fov_deg": 100.0}

LANE_M = 0.7  # the width that a car may use, where its owner does not say otherwise

CLASSIC_GENERATION = "dk22"  # its pilots take pixels from 0 to 255

LOG_PREFIX = "[donkey] "  # begins each line of the log that is meant for the user
# These begin the lines of the log about what follows the last epoch, in this order
PROVING = "Letting the model drive"
TRYING = "Trying"  # settings, for so many epochs
WRITING = "Writing the model"
DISK_FULL = "The disk of the training machine is full"  # begins the trainer's message
FAILURE_REASON_CHARS = 1024  # SageMaker keeps this much of output/failure


def generation_of(donkeycar: str) -> str:
    """The training image for this version of donkeycar."""
    major, minor = (int(part) for part in donkeycar.split(".")[:2])
    if major < 3:
        return CLASSIC_GENERATION
    if (major, minor) < (5, 1):
        return "dk50"
    return "dk53" if (major, minor) < (5, 4) else "dk54"


def encode_hyperparameters(values: Dict[str, Any]) -> Dict[str, str]:
    """Every value as JSON text: the images of 2018 decode each one, without a fallback."""
    return {name: json.dumps(value, sort_keys=True) for name, value in sorted(values.items())}


def decode_hyperparameters(texts: Dict[str, str]) -> Dict[str, Any]:
    """The inverse. Text that is not JSON stays as it is, because people and AWS's SDK may send that."""
    values = {}
    for name, text in texts.items():
        try:
            values[name] = json.loads(text)
        except (TypeError, ValueError):
            values[name] = text
    return values


class Step(NamedTuple):
    """How far an epoch is."""

    epoch: int  # counted from 1
    epochs: int  # at most this many
    batch: int  # of the batches of this epoch, counted from 1
    batches: int
    images_per_s: float  # training pictures, in this epoch so far
    left_s: float  # until the epoch's pictures are all seen; validation comes after that


_STEP = re.compile(
    r"\[donkey\] step=(\d{1,9})/(\d{1,9}) epoch=(\d{1,9})/(\d{1,9})"
    r" images_per_s=(\d{1,9}\.\d) left_s=(\d{1,9}\.\d)\s*$"
)


def format_step(step: Step) -> str:
    """The line that is printed every few seconds during an epoch."""
    return (
        f"[donkey] step={step.batch}/{step.batches} epoch={step.epoch}/{step.epochs}"
        f" images_per_s={step.images_per_s:.1f} left_s={step.left_s:.1f}"
    )


def parse_step(line: str) -> Optional[Step]:
    """What a log line says about the running epoch; None if it says nothing."""
    match = _STEP.search(line)
    if not match:
        return None
    batch, batches, epoch, epochs, images_per_s, left_s = match.groups()
    return Step(int(epoch), int(epochs), int(batch), int(batches), float(images_per_s), float(left_s))


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


def format_driving(times_off_per_100_m: float, mean_distance_m: float) -> str:
    """The line about the proof of driving, for CloudWatch's metric definitions.

    The loss ranks models: how often they leave the lane decides, then how far from the line they drive.
    """
    loss = driving_loss(times_off_per_100_m, mean_distance_m)
    return f"times_off_per_100_m={times_off_per_100_m:.6g} driving_loss={loss:.6g}"


def driving_loss(times_off_per_100_m: float, mean_distance_m: float) -> float:
    return times_off_per_100_m + mean_distance_m


def format_progress(progress: Progress) -> str:
    """The line that is printed after each epoch, for the car and for CloudWatch's metric definitions."""
    return (
        f"[donkey] epoch={progress.epoch}/{progress.epochs} loss={progress.loss:.6g}"
        f" val_loss={progress.val_loss:.6g} best_val_loss={progress.best_val_loss:.6g}"
        f" images={progress.images} seconds={progress.seconds:.3f}"
    )


def parse_progress(line: str) -> Optional[Progress]:
    """The epoch that a log line reports; None if the line is not a progress line."""
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
