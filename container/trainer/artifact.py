"""artifact.json: what an archive holds, with a digest of every file, and what it was trained from."""

import hashlib
import importlib
import json
import os
import platform
import time
from typing import Any, Dict, List, Optional, Tuple

from donkey_sagemaker.verdict import make_verdict, read_facts

from .callbacks import Fitted
from .job import Job

# The settings of the car's config that affect a model: what the report shows, and what a pilot is built from.
# Archives are shared, and any other setting may be a secret, as MQTT_PASSWORD is.
CONFIG_NAMES = (
    "IMAGE_W IMAGE_H IMAGE_DEPTH TRANSFORMATIONS POST_TRANSFORMATIONS AUGMENTATIONS AUG_BRIGHTNESS_RANGE "
    "AUG_BLUR_RANGE ROI_CROP_TOP ROI_CROP_BOTTOM ROI_CROP_LEFT ROI_CROP_RIGHT TRAIN_TEST_SPLIT BATCH_SIZE "
    "MAX_EPOCHS USE_EARLY_STOP EARLY_STOP_PATIENCE MIN_DELTA OPTIMIZER LEARNING_RATE LEARNING_RATE_DECAY "
    "FREEZE_LAYERS SEQUENCE_LENGTH MODEL_CATEGORICAL_MAX_THROTTLE_RANGE"
).split()
_CHECKED_NAMES = ["BEHAVIOR_LIST", "MEM_DEPTH", "NUM_LOCATIONS"]  # by the car, for the types that use them


def make_artifact(
    job: Job,
    *,
    pilot: str,
    notes: List[str],
    fitted: Fitted,
    history: Dict[str, List[float]],
    records: Dict[str, Any],
    validation: Dict[str, Any],
    driving: Optional[Dict[str, Any]] = None,
) -> Dict[str, Any]:
    """The content of artifact.json, but for its files.

    Args:
        pilot: the name of donkeycar's own class.
        notes: why some of the wanted formats are missing.
        history: of each metric, by epoch.
        records: how many examples were trained on, validated with, and left out by reason.
        validation: what the model does on pictures that it was not trained on, from validation.summarize.
        driving: how it drives along the tub, from driving_proof.summarize_proof; None if it was not driven.
    """
    artifact = {
        "format": 1,
        "name": job.name,
        "type": job.model_type,
        "pilot": pilot,
        "notes": notes,
        "versions": installed_versions(),
        "tubs": sorted(job.tub_paths.values()),
        "recipe": job.recipe,
        "drawn": job.validation,  # how the validation pictures were chosen
        "records": records,
        "validation": validation,
        "config": {
            name: job.config[name]
            for name in sorted(CONFIG_NAMES + _CHECKED_NAMES)
            if name in job.config and _is_json(job.config[name])
        },
        "metrics": {
            "best_epoch": fitted.best_epoch,
            "val_loss": history["val_loss"][fitted.best_epoch - 1],
            "loss": history["loss"][fitted.best_epoch - 1],
            "epochs": len(history["loss"]),
            "seconds": round(fitted.seconds, 3),
            "images_per_s": round(fitted.images / max(fitted.seconds, 1e-9), 1),
            "stopped": fitted.stopped,
        },
        "history": history,
        "time": time.time(),
    }
    if job.tuned or job.trial:
        artifact["tuned"] = {**job.tuned, **job.trial}
    if job.tried is not None:
        artifact["trials"] = job.tried
    if driving:
        artifact["driving"] = driving
    return dict(artifact, verdict=make_verdict(read_facts(artifact))._asdict())


def list_files(
    folder: str, *, models: List[Tuple[str, str]], others: List[Tuple[str, str]]
) -> List[Dict[str, Any]]:
    """Path, size, digest and role of every file.

    Args:
        models: (file or folder name, format).
        others: (file name, role).
    """
    files = [
        dict(entry, role="model", format=form) for name, form in models for entry in _describe(folder, name)
    ]
    return files + [dict(entry, role=role) for name, role in others for entry in _describe(folder, name)]


def _describe(folder: str, name: str) -> List[Dict[str, Any]]:
    """A file, or each file of a SavedModel folder."""
    path = os.path.join(folder, name)
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            content = file.read()
        return [{"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
    return [entry for child in sorted(os.listdir(path)) for entry in _describe(folder, name + "/" + child)]


def installed_versions() -> Dict[str, str]:
    """The versions of Python and of the packages that affect a model, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in ("donkeycar", "tensorflow", "keras", "h5py", "numpy"):
        try:
            found[name] = importlib.import_module(name).__version__
        except ImportError:
            continue
    return found


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
