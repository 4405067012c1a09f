"""What this machine trains on, said before it starts."""

import glob
import os
from typing import List

import tensorflow

from .say import say


def prepare_devices() -> List[str]:
    """Names of the devices; a GPU's memory is taken as needed, so that others can use the rest.

    TensorFlow 1 keeps its own default (all of the memory): its sessions are made by Keras.
    """
    gpus = _gpus()
    if not gpus and glob.glob("/dev/nvidia[0-9]*"):
        say("Warning: TensorFlow cannot use this machine's GPU; training on the CPU")
    elif not gpus and os.environ.get("DONKEY_IMAGE", "").endswith("-gpu"):
        say("Warning: this image is for a GPU and the machine has none; training on the CPU")
    return gpus or ["CPU, {} cores".format(os.cpu_count())]


def _gpus() -> List[str]:
    if tensorflow.__version__.startswith("1."):
        from tensorflow.python.client import device_lib

        return [
            device.physical_device_desc or device.name
            for device in device_lib.list_local_devices()
            if device.device_type == "GPU"
        ]
    names = []
    for gpu in tensorflow.config.list_physical_devices("GPU"):
        tensorflow.config.experimental.set_memory_growth(gpu, True)
        details = tensorflow.config.experimental.get_device_details(gpu)
        names.append(details.get("device_name", gpu.name))
    return names
