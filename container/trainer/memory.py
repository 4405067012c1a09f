"""How much memory this machine or container has left, and how much the trainer takes."""

import glob
import os
import shutil
import sys
import tempfile
from typing import Any, Dict, Iterator

import numpy as np

from donkey_sagemaker.training_memory import OVERHEAD_BYTES, training_bytes

_UNKNOWN = 4 * 2**30  # assumed if the system does not report it: enough for 70,000 pictures of 160x120
_LEAST_RESERVED = 2 * 2**30  # for everything except the pictures
_DISK_RESERVED = 2**30  # for models, checkpoints and logs, usually on the same disk
_CUDA = 2**30  # CUDA's libraries in the machine's own memory; see there


def has_room(pictures_bytes: int, *, others_bytes: int = 0, root: str = "/") -> bool:
    """Whether all pictures fit into memory besides TensorFlow and the training.

    On Windows, where threads cannot share a file, the answer is always yes, and the system may have to swap.

    Args:
        others_bytes: what the training takes without the pictures.
    """
    needed = pictures_bytes + max(_LEAST_RESERVED, others_bytes) + (_CUDA if has_gpu(root) else 0)
    return not hasattr(os, "pread") or needed <= available_bytes(root)


def has_disk_room(pictures_bytes: int) -> bool:
    """Whether all pictures fit into the temporary folder besides what the training writes."""
    return pictures_bytes + _DISK_RESERVED <= shutil.disk_usage(tempfile.gettempdir()).free


def has_gpu(root: str = "/") -> bool:
    """Whether there is an NVIDIA GPU, which TensorFlow may still be unable to use."""
    return bool(glob.glob(os.path.join(root, "dev/nvidia[0-9]*")))


def bound_bytes(net: Any, *, batch_size: int, batch_bytes: int, root: str = "/") -> int:
    """An upper bound for this process's memory if training starts now. A GPU's own memory does not count.

    Args:
        net: the Keras model.
        batch_bytes: of the pictures of one batch.
    """
    outputs = sum(_count(layer.output.shape) for layer in net.layers)
    training = training_bytes(
        batch_size=batch_size, outputs=outputs, batch_bytes=batch_bytes, weights=net.count_params()
    )
    return peak_bytes() + training + OVERHEAD_BYTES + (_CUDA if has_gpu(root) else 0)


def _count(shape: Any) -> int:
    """How many numbers one example has. In TensorFlow 1 the sizes are objects."""
    return int(np.prod([getattr(size, "value", size) or 1 for size in shape[1:]]))


def available_bytes(root: str = "/") -> int:
    """How much memory can be taken before the system swaps or kills something.

    Args:
        root: the folder with proc/ and sys/.
    """
    known = list(_known(root))
    return max(0, min(known)) if known else _UNKNOWN


def _known(root: str) -> Iterator[int]:
    meminfo = _read(root, "proc/meminfo")
    if meminfo:
        fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
        if "MemAvailable" in fields:
            yield int(fields["MemAvailable"].split()[0]) * 1024
    # A container's own limit, with either version of control groups, which count cached files as used.
    for folder, limit, used, files in (
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        (
            "sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        limit_bytes, used_bytes = (_read(root, folder, name).strip() for name in (limit, used))
        if limit_bytes.isdigit() and used_bytes.isdigit():
            reclaimable = _read_numbers(_read(root, folder, "memory.stat")).get(files, 0)
            yield int(limit_bytes) - int(used_bytes) + reclaimable


def _read(root: str, *parts: str) -> str:
    try:
        with open(os.path.join(root, *parts)) as file:
            return file.read()
    except OSError:
        return ""


def _read_numbers(text: str) -> Dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def peak_bytes() -> int:
    """The most memory that this process has had so far; 0 on Windows, which does not report it."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
