"""Packages that came with the code: a stock image knows TensorFlow, but no donkeycar."""

import glob
import os
import sys
import tempfile
import zipfile


def add_wheels(folder: str) -> None:
    """Makes the wheels in a folder importable, behind all that the image has itself.

    They are unpacked, as some look for their own files; the channel itself may be read-only.
    """
    paths = sorted(glob.glob(os.path.join(folder, "*.whl")))
    if not paths:
        return
    target = tempfile.mkdtemp(prefix="donkey-wheels-")
    for path in paths:
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(target)
    sys.path.append(target)
