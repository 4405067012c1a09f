"""Packages that came with the code: a stock image knows TensorFlow, but no donkeycar."""

import io
import os
import sys
import tempfile
import zipfile

from donkey_sagemaker.contract import WHEELS_NAME


def add_wheels(folder: str) -> None:
    """Makes the wheels in a folder's wheels.zip importable, behind all that the image has itself.

    They are unpacked, as some look for their own files; the channel itself may be read-only.
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
