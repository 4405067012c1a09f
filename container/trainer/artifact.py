"""The archive's own description: artifact.json, with a digest of every file beside it."""

import hashlib
import importlib
import json
import os
import platform
import shutil
import time
from typing import Any, Dict, List, Set

import numpy as np

from donkey_sagemaker import contract

from .atomic import write_json, written_whole
from .export import Exported
from .fit import Fitted
from .job import Job
from .opt_ml import OptMl

PAGE_NAMES = {"plot": contract.PLOT_NAME, "report": contract.REPORT_NAME}  # by role


def write_artifact(
    opt_ml: OptMl,
    job: Job,
    pilot: Any,
    exported: Exported,
    fitted: Fitted,
    *,
    samples: Dict[str, np.ndarray],
    records: Dict[str, Any],
    pages: Dict[str, bytes],
    prefix: str = "",
) -> None:
    """Writes samples, history, pages and at last artifact.json beside the exported model.

    model/ may be copied away at any moment: artifact.json changes from one whole set of files to the next
    in one step, and what it does not name any more is removed after that.

    Args:
        pages: what is to be looked at, the report and the loss plot, by role.
        prefix: of the names of a model that a better one may follow.
    """
    folder = opt_ml.model
    history = {name: [round(value, 8) for value in values] for name, values in fitted.history.items()}
    write_json(os.path.join(opt_ml.output_data, contract.HISTORY_NAME), history)
    others = [(prefix + contract.SAMPLES_NAME, "samples"), (prefix + contract.HISTORY_NAME, "history")]
    with written_whole(os.path.join(folder, others[0][0])) as file:
        np.savez(file, **samples)
    write_json(os.path.join(folder, others[1][0]), history)
    for role, content in pages.items():
        others.append((PAGE_NAMES[role], role))
        for target in (folder, opt_ml.output_data):
            with written_whole(os.path.join(target, PAGE_NAMES[role])) as file:
                file.write(content)
    files = [
        dict(entry, role="model", format=form)
        for name, form in exported.models
        for entry in _describe(folder, name)
    ]
    for name, role in others:
        files.extend(dict(entry, role=role) for entry in _describe(folder, name))
    write_json(
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
                "val_loss": history["val_loss"][fitted.best_epoch - 1],
                "loss": history["loss"][fitted.best_epoch - 1],
                "epochs": len(fitted.history["loss"]),
                "seconds": round(fitted.seconds, 3),
                "images_per_s": round(fitted.images / max(fitted.seconds, 1e-9), 1),
                "stopped": fitted.stopped,
            },
            "history": history,
            "time": time.time(),
        },
    )
    _remove_others(folder, {entry["path"].split("/")[0] for entry in files} | {contract.ARTIFACT_NAME})


def _remove_others(folder: str, kept: Set[str]) -> None:
    for name in set(os.listdir(folder)) - kept:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


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
    found = {"python": platform.python_version()}
    for name in ("donkeycar", "tensorflow", "keras", "h5py", "numpy"):
        try:
            found[name] = importlib.import_module(name).__version__
        except ImportError:
            continue
    return found


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
