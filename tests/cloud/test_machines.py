"""Facts about instance types."""

import pytest

from donkey_sagemaker.cloud.machines import has_fixed_disk, is_gpu


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
