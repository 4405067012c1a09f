"""Which pictures each installed model was trained on: `.sagemaker/trained/DIGEST`, by the model's content.

The trainer leaves the checksums of these pictures in the archive. Any model is good on the pictures that it
was trained on, so a later comparison leaves them out. A model that is rolled back, copied or renamed is still
found.
"""

import hashlib
import os
from typing import Iterator, List, Optional

from .. import atomic
from .car import Car

_MAX_BYTES = 16 * 2**20  # of the checksums of four million pictures
_KEPT = 40  # models; the oldest are forgotten


def keep_trained(car: Car, model_paths: List[str], trained_path: str) -> None:
    """Keeps the checksums of the pictures that these files of one model were trained on."""
    if os.path.getsize(trained_path) > _MAX_BYTES or os.path.getsize(trained_path) % 4:
        return
    folder = car.state_path("trained")
    os.makedirs(folder, exist_ok=True)
    with open(trained_path, "rb") as file:
        checksums = file.read()
    for path in model_paths:
        atomic.write_bytes(os.path.join(folder, digest_model(path)), checksums)
    for path in _newest_first(folder)[_KEPT:]:
        os.remove(path)


def find_trained(car: Car, model_path: str) -> Optional[str]:
    """The file with the checksums; None where it is not known what the model was trained on."""
    path = car.state_path("trained", digest_model(model_path))
    return path if os.path.isfile(path) else None


def digest_model(path: str) -> str:
    """The SHA-256 of a model file, or of all files of a SavedModel folder with their names."""
    digest = hashlib.sha256()
    for name in _files_of(path):
        digest.update(os.path.relpath(name, path).encode("utf-8") + b"\0")
        with open(name, "rb") as file:
            for chunk in iter(lambda: file.read(2**20), b""):
                digest.update(chunk)
    return digest.hexdigest()


def _files_of(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)


def _newest_first(folder: str) -> List[str]:
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    return sorted(filter(os.path.isfile, paths), key=os.path.getmtime, reverse=True)
