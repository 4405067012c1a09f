"""Facts about instance types."""

import pytest

from donkey_sagemaker.cloud.machines import has_fixed_disk, is_gpu, memory_bytes


@pytest.mark.parametrize(
    "instance_type, gpu, fixed_disk",
    [
        ("ml.m5.xlarge", False, False),
        ("ml.c5n.xlarge", False, False),
        ("ml.m7i.large", False, False),
        ("ml.t3.medium", False, False),
        ("ml.r5.large", False, False),
        ("ml.r5d.large", False, True),
        ("ml.trn1.2xlarge", False, True),
        ("ml.trn1n.32xlarge", False, True),
        ("ml.p2.xlarge", True, False),
        ("ml.p3.2xlarge", True, False),
        ("ml.p3dn.24xlarge", True, True),
        ("ml.p4d.24xlarge", True, True),
        ("ml.p4de.24xlarge", True, True),
        ("ml.p5.48xlarge", True, True),
        ("ml.p5en.48xlarge", True, True),
        ("ml.p6-b200.48xlarge", True, True),
        ("ml.g4dn.xlarge", True, True),
        ("ml.g5.48xlarge", True, True),
        ("ml.g6.xlarge", True, True),
        ("ml.g6e.xlarge", True, True),
        ("ml.g7e.2xlarge", True, True),
    ],
)
def test_gpu_and_disk(instance_type, gpu, fixed_disk):
    """An instance type has a GPU or not, and a disk of its own or a volume."""
    assert (is_gpu(instance_type), has_fixed_disk(instance_type)) == (gpu, fixed_disk)


@pytest.mark.parametrize(
    "instance_type, gib",
    [
        ("ml.m5.large", 8),
        ("ml.c7i.xlarge", 8),
        ("ml.c7i-flex.2xlarge", 16),
        ("ml.c8i.xlarge", 8),
        ("ml.m7i.xlarge", 16),
        ("ml.g6e.xlarge", 32),
        ("ml.g7.2xlarge", 32),
        ("ml.g7e.4xlarge", 128),
    ],
)
def test_memory(instance_type, gib):
    """By the number of cores and the family, also of the newer ones."""
    assert memory_bytes(instance_type) == gib * 2**30


@pytest.mark.parametrize("instance_type", ["ml.p6-b200.48xlarge", "ml.x9.large", "local"])
def test_unknown_memory(instance_type):
    """Nothing is checked against a guess."""
    assert memory_bytes(instance_type) is None
