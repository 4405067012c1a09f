"""Which image a job runs in."""

import pytest

from donkey_sagemaker.cloud.images import (
    Image,
    ImageElsewhere,
    NoStockImage,
    choose_image,
    has_fixed_disk,
    is_gpu,
    is_own,
    own_image_tag,
    region_of,
)

CPU_TAG = "2.21.0-cpu-py312-amzn2023-sagemaker"
GPU_TAG = "2.21.0-gpu-py312-cu129-amzn2023-sagemaker"
OURS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu"
STARTER = "/usr/local/bin/entrypoint.sh"


def choose(wanted="auto", *, pushed=None, region="eu-west-1", instance_type="ml.m5.xlarge"):
    return choose_image(wanted, pushed=pushed, region=region, instance_type=instance_type)


def test_our_own_image_comes_first():
    """Where the owner has pushed one for this car, auto takes it."""
    assert choose(pushed=OURS) == Image(OURS, stock=False)


@pytest.mark.parametrize(
    "region, registry",
    [
        ("eu-west-1", "763104351884.dkr.ecr.eu-west-1.amazonaws.com"),
        ("ap-south-1", "763104351884.dkr.ecr.ap-south-1.amazonaws.com"),
        ("eu-south-1", "692866216735.dkr.ecr.eu-south-1.amazonaws.com"),
        ("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_stock_image_of_a_region(region, registry):
    """Each region has its account, China its own domain."""
    assert choose(region=region) == Image(registry + "/tensorflow-training:" + CPU_TAG, stock=True)


def test_the_stock_image_of_a_gpu():
    """Its CUDA wants to be set up by the image's own script."""
    image = choose(instance_type="ml.g4dn.xlarge")
    assert image == Image(
        "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:" + GPU_TAG,
        stock=True,
        starter=STARTER,
    )


def test_a_region_without_a_stock_image():
    """The way out is an image of the user's own."""
    with pytest.raises(NoStockImage) as caught:
        choose(region="eusc-de-east-1")
    assert caught.value.what == "AWS keeps no TensorFlow image in eusc-de-east-1 that this program knows of."
    assert caught.value.fix == "Set SAGEMAKER_IMAGE in myconfig.py to an image in that region."


def test_an_image_of_another_region():
    """SageMaker pulls from the job's own region alone."""
    with pytest.raises(ImageElsewhere) as caught:
        choose(OURS, region="us-east-1")
    assert caught.value.what == f"The job is to run in us-east-1, but SAGEMAKER_IMAGE is {OURS}."
    assert (
        caught.value.fix
        == "Set SAGEMAKER_IMAGE in myconfig.py to an image in the ECR registry of that region."
    )


@pytest.mark.parametrize(
    "uri, stock, starter",
    [
        (OURS, False, None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/donkey@sha256:" + "0" * 64, False, None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21.0-gpu-py312", False, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.8-gpu-py312", False, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training", True, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:" + CPU_TAG, True, None),
        ("763104351884.dkr.ecr-fips.eu-west-1.amazonaws.com/tensorflow-training:" + GPU_TAG, True, STARTER),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.19.0-gpu-py312", True, None),
    ],
)
def test_an_image_that_the_owner_names(uri, stock, starter):
    """It is stock where it is one of AWS's TensorFlow images; of those on GPU the newer have a starter."""
    assert choose(uri, pushed=OURS) == Image(uri, stock=stock, starter=starter)


def test_the_tag_of_our_own_image():
    """By the car's generation and the machine's kind."""
    assert own_image_tag("dk54", "ml.c5.xlarge") == "dk54-cpu"
    assert own_image_tag("dk22", "ml.p3.2xlarge") == "dk22-gpu"


def test_the_region_of_an_image():
    """It is in the name of the registry."""
    assert region_of(OURS) == "eu-west-1"
    assert region_of("local") is None


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
def test_what_a_machine_has(instance_type, gpu, fixed_disk):
    """A GPU or none; a disk of its own or a volume."""
    assert (is_gpu(instance_type), has_fixed_disk(instance_type)) == (gpu, fixed_disk)


def test_an_image_of_ours_is_known_by_repository_and_tag():
    """In whatever account and region; an owner's own may lie beside it."""
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
    assert is_own(registry + "donkey-sagemaker:dk54-cpu")
    assert not is_own(registry + "donkey-sagemaker:robocars")
    assert not is_own(registry + "donkey-sagemaker")
    assert not is_own(registry + "tensorflow-training:2.21.0")
    assert not is_own("local")
