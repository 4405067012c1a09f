"""What is known about instance types: which have a GPU, which a disk of a fixed size, how fast they train."""

import re
from typing import Dict

# GFLOP/s that a training achieves. Measured: 160 on two cores. The others are estimated from the types'
# cores, clocks and GPUs, those of the larger GPUs from what Keras's own step leaves of a far larger one.
SPEEDS: Dict[str, float] = {
    "ml.m5.large": 80,
    "ml.m5.xlarge": 160,
    "ml.c5.xlarge": 175,
    "ml.c5.2xlarge": 320,
    "ml.g4dn.xlarge": 2400,
    "ml.g5.xlarge": 3000,
    "ml.g6.xlarge": 3000,
}

_GPU = re.compile(r"ml\.[gp]\d")
# Families whose disk is their own NVMe drive; any other's is an EBS volume of the size that is asked for.
_FIXED_DISK = re.compile(r"ml\.(g4dn|g5|g6e?|g7e|p3dn|p4de?|p5|p5en?|p6e?-[a-z0-9]+|r5d|trn\d+n?)\.")


def is_gpu(instance_type: str) -> bool:
    return _GPU.match(instance_type) is not None


def has_fixed_disk(instance_type: str) -> bool:
    """Whether the type comes with a disk of its own, so that no volume size can be set."""
    return _FIXED_DISK.match(instance_type) is not None
