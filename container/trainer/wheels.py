"""Packages that come with the code, because a stock image has TensorFlow but not donkeycar."""

import io
import os
import sys
import tempfile
import zipfile

from donkey_sagemaker.contract import WHEELS_NAME


def add_wheels(folder: str) -> None:
    """Makes the wheels in a folder's wheels.zip importable, after the image's own packages.

    They are unpacked, because some packages open their own files, and the channel may be read-only.
    """
    path = os.path.join(folder, WHEELS_NAME)
    if not os.path.exists(path):
        return
    target = tempfile.mkdtemp(prefix="donkey-wheels-")
    with zipfile.ZipFile(path) as wheels:
        for name in wheels.namelist():
            with zipfile.ZipFile(io.BytesIO(wheels.read(name))) as wheel:
                wheel.extractall(target)
    sys.path.append(target)
