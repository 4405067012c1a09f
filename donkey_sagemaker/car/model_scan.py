"""Looks into new model files before anything loads them: they can contain code, which loading would run.

This happens in a child process (model_scan_child.py), because HDF5's library is not written for files that
were made to attack it.
"""

import json
import os
import subprocess
from typing import List, Optional, Sequence

from ..child_process import module_command
from .archive import ModelFile
from .check import ModelRejected

TIME_LIMIT_S = 300  # a Pi 3 needs some seconds for the largest model
SETTING = "SAGEMAKER_TRUST_MODEL"


class UntrustedModel(ModelRejected):
    """A model contains something that none of donkeycar's own models has."""

    def __init__(self, model_format: str, what: str, archive_path: str) -> None:
        super().__init__(
            f"its {model_format} contains {what}, which no model of donkeycar's own types contains and which"
            " may run code on this car",
            archive_path,
        )
        self.fix = (
            f"If you made it and trust everybody who can write to its bucket, set {SETTING} = True in"
            f" myconfig.py and run `python manage.py sagemaker-train --attach`. The archive: {archive_path}"
        )


def scan_models(models: Sequence[ModelFile], *, archive_path: str) -> None:
    """Checks that the models consist of what donkeycar's own models consist of.

    Without h5py, and so without Keras, an HDF5 file is not looked into: nothing in this Python can load it.

    Raises:
        UntrustedModel: for the first one that does not.
    """
    for model, forbidden in zip(models, _run_child(models, archive_path)):
        if forbidden is not None:
            raise UntrustedModel(model.format, forbidden, archive_path)


def _run_child(models: Sequence[ModelFile], archive_path: str) -> List[Optional[str]]:
    task = json.dumps([[model.format, os.path.abspath(model.path)] for model in models])
    # Without the owner's keys; and not in the archive's folder, from which Python would import modules
    child = subprocess.Popen(
        module_command(__package__ + ".model_scan_child", task),
        cwd=os.path.abspath(os.sep),
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        output, _ = child.communicate(timeout=TIME_LIMIT_S)
        answer = json.loads(output.decode("utf-8")) if child.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    finally:
        child.kill()
        child.wait()
    if not isinstance(answer, list) or len(answer) != len(models):
        formats = ", ".join(model.format for model in models)
        raise ModelRejected(
            f"reading its files ({formats}) crashed or took too long on this car", archive_path
        )
    return answer
