"""The archive's own description: artifact.json, with a digest of every file beside it."""

import hashlib
import importlib
import json
import os
import platform
import time
from typing import Any, Dict, List, Optional

import numpy as np

from donkey_sagemaker import contract

from .export import Exported
from .fit import Fitted
from .job import Job
from .opt_ml import OptMl


def write_artifact(
    opt_ml: OptMl,
    job: Job,
    pilot: Any,
    exported: Exported,
    fitted: Fitted,
    *,
    samples: Dict[str, np.ndarray],
    records: Dict[str, Any],
    loss: Optional[bytes],
    report: str,
) -> None:
    """Writes samples, history, loss plot, report and at last artifact.json beside the exported model.

    Args:
        loss: the loss plot as PNG; None where this Python cannot draw.
        report: an HTML page.
    """
    folder = opt_ml.model
    np.savez(os.path.join(folder, contract.SAMPLES_NAME), **samples)
    history = {name: [round(value, 8) for value in values] for name, values in fitted.history.items()}
    for target in (folder, opt_ml.output_data):
        _write_json(os.path.join(target, contract.HISTORY_NAME), history)
        with open(os.path.join(target, contract.REPORT_NAME), "w", encoding="utf-8") as page:
            page.write(report)
    files = [
        dict(entry, role="model", format=form)
        for name, form in exported.models
        for entry in _describe(folder, name)
    ]
    others = [
        (contract.SAMPLES_NAME, "samples"),
        (contract.HISTORY_NAME, "history"),
        (contract.REPORT_NAME, "report"),
    ]
    if loss is not None:
        with open(os.path.join(folder, contract.PLOT_NAME), "wb") as plot:
            plot.write(loss)
        others.append((contract.PLOT_NAME, "plot"))
    for name, role in others:
        files.extend(dict(entry, role=role) for entry in _describe(folder, name))
    _write_json(
        os.path.join(folder, contract.ARTIFACT_NAME),
        {
            "format": 1,
            "name": job.name,
            "type": job.model_type,
            "pilot": str(pilot),
            "files": files,
            "notes": exported.notes,
            "versions": versions(),
            "tubs": sorted(job.tub_paths.values()),
            "records": records,
            "config": {name: value for name, value in sorted(job.config.items()) if _is_plain(value)},
            "metrics": {
                "best_epoch": fitted.best_epoch,
                "val_loss": fitted.history["val_loss"][fitted.best_epoch - 1],
                "loss": fitted.history["loss"][fitted.best_epoch - 1],
                "epochs": len(fitted.history["loss"]),
                "seconds": round(fitted.seconds, 3),
                "images_per_s": round(fitted.images / max(fitted.seconds, 1e-9), 1),
                "stopped": fitted.stopped,
            },
            "history": history,
            "time": time.time(),
        },
    )


def _describe(folder: str, name: str) -> List[Dict[str, Any]]:
    """Path, size and digest of a file, or of each file of a SavedModel folder."""
    path = os.path.join(folder, name)
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            content = file.read()
        return [{"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
    return [entry for child in sorted(os.listdir(path)) for entry in _describe(folder, name + "/" + child)]


def versions() -> Dict[str, str]:
    """Of Python and of what a model is made with, as far as it is here."""
    versions = {"python": platform.python_version()}
    for name in ("donkeycar", "tensorflow", "keras", "h5py", "numpy"):
        try:
            versions[name] = importlib.import_module(name).__version__
        except ImportError:
            continue
    return versions


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _write_json(path: str, value: Any) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
