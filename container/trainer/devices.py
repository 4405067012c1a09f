"""What this machine trains on, and how exactly it computes."""

import contextlib
import os
from typing import Any, Iterator, List

import tensorflow

from .memory import has_gpu
from .say import say


def prepare_devices() -> List[str]:
    """Names of the devices; a GPU's memory is taken as needed, so that others can use the rest.

    TensorFlow 1 keeps its own default (all of the memory): its sessions are made by Keras.
    """
    gpus = _gpus()
    if not gpus and has_gpu():
        say("Warning: TensorFlow cannot use this machine's GPU; training on the CPU")
    elif not gpus and os.environ.get("DONKEY_IMAGE", "").endswith("-gpu"):
        say("Warning: this image is for a GPU and the machine has none; training on the CPU")
    return gpus or [f"CPU, {os.cpu_count()} cores"]


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """As the car's CPU computes: newer GPUs round the factors of products to ten bits (TensorFloat-32).

    That is good for training, but would show in what the car's own outputs are compared with.
    """
    config: Any = getattr(getattr(tensorflow, "config", None), "experimental", None)
    if not hasattr(config, "enable_tensor_float_32_execution"):  # older than such GPUs
        yield
        return
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)


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
