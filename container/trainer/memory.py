"""How much memory this machine, or this container, still has, and how much the trainer has taken."""

import glob
import os
import sys
from typing import Any, Dict, Iterator

import numpy as np

_UNKNOWN = 4 * 2**30  # assumed where no system tells: it holds 70,000 pictures of 160x120
_BATCHES = 26  # on their way at most: 8 made, 8 in their makers, 2 waiting, 2 trained on as float32
RESERVED = 2 * 2**30  # for all but the pictures
_OVERHEAD = 640 * 2**20  # of TensorFlow's compilers, allocators and writers, by docs/performance.md
_CUDA = 2**30  # of its libraries in the machine's own memory, likewise


def has_room(pictures_bytes: int, *, root: str = "/") -> bool:
    """Whether all pictures fit into memory beside TensorFlow and the training of donkeycar's nets.

    Windows, where threads cannot share a file, has to swap.
    """
    needed = pictures_bytes + RESERVED + (_CUDA if has_gpu(root) else 0)
    return not hasattr(os, "pread") or needed <= available_bytes(root)


def has_gpu(root: str = "/") -> bool:
    """Whether there is one of NVIDIA's; TensorFlow may still be unable to use it."""
    return bool(glob.glob(os.path.join(root, "dev/nvidia[0-9]*")))


def bound_bytes(net: Any, *, batch_size: int, batch_bytes: int, root: str = "/") -> int:
    """What a training that begins now stays below, with all that this process has taken so far.

    A GPU's own memory does not count.

    Args:
        net: the Keras model.
        batch_bytes: of the pictures of one batch.
    """
    outputs = sum(_count(layer.output.shape) for layer in net.layers)
    # Each layer's output, its gradient, and what the kernels need to make the one of the other.
    training_bytes = 3 * 4 * batch_size * outputs + _BATCHES * batch_bytes + 8 * 4 * net.count_params()
    return peak_bytes() + training_bytes + _OVERHEAD + (_CUDA if has_gpu(root) else 0)


def _count(shape: Any) -> int:
    """Numbers of one example; the sizes of TensorFlow 1 are objects."""
    return int(np.prod([getattr(size, "value", size) or 1 for size in shape[1:]]))


def available_bytes(root: str = "/") -> int:
    """What can still be taken before something is swapped out or killed.

    Args:
        root: where /proc and /sys lie.
    """
    known = list(_known(root))
    return max(0, min(known)) if known else _UNKNOWN


def _known(root: str) -> Iterator[int]:
    meminfo = _read(root, "proc/meminfo")
    if meminfo:
        fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
        if "MemAvailable" in fields:
            yield int(fields["MemAvailable"].split()[0]) * 1024
    # A container's own limit, of either version of control groups; files that were read count as used there.
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
    """The most that this process has held so far; 0 where the system does not tell (Windows)."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
