"""Facts about instance types: which have a GPU, which a disk of fixed size, and how fast they train."""

import re
from typing import Dict, Optional

# GFLOP/s in training. 160 was measured on two cores. The others are estimated from the types' cores, clock
# rates and GPUs; for GPUs also from the overhead of Keras's training step, measured on a far larger GPU.
# Nobody has measured the seventh generation yet: it counts as fast as the fifth, until a job says otherwise.
SPEEDS: Dict[str, float] = {
    "ml.m5.large": 80,
    "ml.m5.xlarge": 160,
    "ml.m7i.large": 80,
    "ml.m7i.xlarge": 160,
    "ml.c5.xlarge": 175,
    "ml.c5.2xlarge": 320,
    "ml.c7i.xlarge": 175,
    "ml.c7i.2xlarge": 320,
    "ml.g4dn.xlarge": 2400,
    "ml.g5.xlarge": 3000,
    "ml.g6.xlarge": 3000,
    "ml.g6e.xlarge": 3000,
}

_GPU = re.compile(r"ml\.[gp]\d")
# Families with a local NVMe drive. All others get an EBS volume of the size in the request.
_FIXED_DISK = re.compile(r"ml\.(g4dn|g5|g6e?|g7e|p3dn|p4de?|p5|p5en?|p6e?-[a-z0-9]+|r5d|trn\d+n?)\.")

# By family, or by a family's first letter where all of them have the same
_GIB_PER_CORE: Dict[str, float] = {"c4": 1.875, "c5n": 2.625, "c": 2, "m": 4, "r": 8, "t3": 4}
_GIB_PER_CORE.update({"g4dn": 4, "g5": 4, "g6": 4, "g6e": 8, "p2": 15.25, "p3": 7.625})
_GIB_PER_CORE.update({"g7": 4, "g7e": 8})  # of g7e the small sizes; from 12xlarge on it is more


def is_gpu(instance_type: str) -> bool:
    return _GPU.match(instance_type) is not None


def has_fixed_disk(instance_type: str) -> bool:
    """Whether the type has its own disk, so that no volume size can be set."""
    return _FIXED_DISK.match(instance_type) is not None


def memory_bytes(instance_type: str) -> Optional[int]:
    """The type's memory; None if nothing is known about its family."""
    match = re.fullmatch(r"ml\.([\w-]+)\.(\d*)x?large", instance_type)
    if not match:
        return None
    family, multiple = match.groups()
    each = _GIB_PER_CORE.get(family) or _GIB_PER_CORE.get(family[0])
    cores = 4 * int(multiple or 1) if instance_type.endswith("xlarge") else 2
    return None if each is None else int(each * cores * 2**30)
