"""The devices that this machine trains on."""

import os
from typing import List

from .log import log
from .memory import has_gpu
from .tensorflow_versions import prepare_gpus


def prepare_devices() -> List[str]:
    """Names of the GPUs, or the number of cores if TensorFlow can use no GPU. An unused GPU is reported."""
    gpus = prepare_gpus()
    if not gpus and has_gpu():
        log("Warning: TensorFlow cannot use this machine's GPU; training on the CPU")
    elif not gpus and os.environ.get("DONKEY_IMAGE", "").endswith("-gpu"):
        log("Warning: this image is for a GPU and the machine has none; training on the CPU")
    return gpus or [f"CPU, {os.cpu_count()} cores"]
