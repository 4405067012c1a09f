"""A training that its machine has no memory for is refused before anything is sent."""

import pytest

from donkey_sagemaker.cloud.machines import memory_bytes
from donkey_sagemaker.local.backend import LocalCloud
from donkey_sagemaker.training.memory import TooLittleMemory, choose_types_with_memory

GIB = 2**30
LARGE = {"IMAGE_W": 1280, "IMAGE_H": 720, "BATCH_SIZE": 128}


class FakeCloud:
    provider = "AWS"
    bills = True

    def memory_bytes(self, instance_type):
        return memory_bytes(instance_type)


class ThisMachine(FakeCloud):
    provider = "this machine"
    bills = False

    def memory_bytes(self, instance_type):
        return 23 * GIB


def choose(types, config, *, cloud=None, model_type="linear", are_named=True):
    cloud = cloud or FakeCloud()
    return choose_types_with_memory(cloud, types, config=config, model_type=model_type, are_named=are_named)


@pytest.mark.parametrize(
    "instance_type, gib",
    [
        ("ml.m5.large", 8),
        ("ml.m5.xlarge", 16),
        ("ml.m7i.24xlarge", 384),
        ("ml.c5.xlarge", 8),
        ("ml.c5.9xlarge", 72),
        ("ml.c4.8xlarge", 60),
        ("ml.c5n.18xlarge", 189),
        ("ml.r5.2xlarge", 64),
        ("ml.g4dn.xlarge", 16),
        ("ml.g5.48xlarge", 768),
        ("ml.g6e.xlarge", 32),
        ("ml.p3.2xlarge", 61),
        ("ml.p4d.24xlarge", None),
        ("ml.trn1.2xlarge", None),
        ("a.b", None),
    ],
)
def test_the_memory_of_instance_types(instance_type, gib):
    """As AWS lists it; None for a family that is not known here."""
    assert memory_bytes(instance_type) == (gib and gib * GIB)


def test_the_usual_training_fits_everywhere():
    """Also one of a car whose config lacks the names."""
    types = ["ml.m5.large", "ml.c5.xlarge", "ml.g4dn.xlarge", "ml.p4d.24xlarge"]
    for model_type in ("linear", "categorical", "rnn", "3d", "imu"):
        assert choose(types, {}, model_type=model_type) == (types, None)


def test_a_type_that_is_too_small_is_left_out():
    """The estimate is an upper bound, so a type with more than half of it may do."""
    types = ["ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.4xlarge", "ml.p4d.24xlarge"]
    chosen, warning = choose(types, LARGE)
    assert chosen == ["ml.m5.2xlarge", "ml.m5.4xlarge", "ml.p4d.24xlarge"]
    assert "up to 48.7 GB of memory, but ml.m5.xlarge has 17.2 GB, ml.m5.2xlarge has 34.4 GB" in warning
    assert "if it is killed, set BATCH_SIZE = 64 in myconfig.py" in warning
    assert choose(types, LARGE, are_named=False) == (["ml.m5.4xlarge", "ml.p4d.24xlarge"], None)
    assert choose(types[:2], LARGE, are_named=False)[0] == ["ml.m5.2xlarge"]


def test_where_none_is_large_enough_a_size_and_a_type_that_fit_are_named():
    """Both do what they promise."""
    with pytest.raises(TooLittleMemory) as refused:
        choose(["ml.c5.xlarge", "ml.m5.xlarge"], LARGE)
    assert "ml.c5.xlarge has 8.6 GB, ml.m5.xlarge has 17.2 GB" in refused.value.what
    assert refused.value.fix == "Set BATCH_SIZE = 32 in myconfig.py, or choose --instance-type=ml.m5.4xlarge."
    assert choose(["ml.m5.xlarge"], dict(LARGE, BATCH_SIZE=32)) == (["ml.m5.xlarge"], None)
    assert choose(["ml.m5.4xlarge"], LARGE) == (["ml.m5.4xlarge"], None)


def test_pictures_too_large_for_any_batch():
    """A smaller batch would not help."""
    with pytest.raises(TooLittleMemory) as refused:
        choose(["ml.m5.large"], {"IMAGE_W": 16000, "IMAGE_H": 9000, "BATCH_SIZE": 2})
    assert refused.value.fix.startswith("Set IMAGE_W and IMAGE_H in myconfig.py to smaller pictures")


def test_this_machine_is_asked_as_well():
    """Its instance type is nobody's business."""
    chosen, warning = choose(["ml.m5.xlarge"], LARGE, cloud=ThisMachine())
    assert chosen == ["ml.m5.xlarge"]
    assert warning == (
        "the training takes up to 48.7 GB of memory, but this machine has 24.7 GB; if it is killed, set "
        "BATCH_SIZE = 32 in myconfig.py"
    )
    with pytest.raises(TooLittleMemory) as refused:
        choose(["ml.m5.xlarge"], dict(LARGE, BATCH_SIZE=256), cloud=ThisMachine())
    assert "this machine has 24.7 GB" in refused.value.what
    assert refused.value.fix == "Set BATCH_SIZE = 32 in myconfig.py."


def test_this_machines_memory_is_known(tmp_path):
    """Where Python can ask for it."""
    assert (LocalCloud(str(tmp_path), python="python").memory_bytes("ml.m5.xlarge") or GIB) >= GIB
