"""Which training image a job runs."""

import pytest

from donkey_sagemaker.cloud.images import (
    Image,
    ImageElsewhere,
    NoStockImage,
    OneMachineImage,
    check_count,
    choose_image,
    is_own,
    own_image_tag,
    region_of,
)

CPU_TAG = "2.21.0-cpu-py312-amzn2023-sagemaker"
GPU_TAG = "2.21.0-gpu-py312-cu129-amzn2023-sagemaker"
OWN = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu"
STARTER = "/usr/local/bin/entrypoint.sh"


def choose(wanted="auto", *, built=None, region="eu-west-1", instance_type="ml.m5.xlarge"):
    return choose_image(wanted, built=built, region=region, instance_type=instance_type)


def test_own_image_is_preferred():
    """With "auto", an image that was built for this car is used."""
    assert choose(built=OWN) == Image(OWN, stock=False)


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
def test_stock_image(region, registry):
    """Each region has an account, and China a domain of its own."""
    assert choose(region=region) == Image(registry + "/tensorflow-training:" + CPU_TAG, stock=True)


def test_stock_image_for_a_gpu():
    """CUDA is set up by a script in the image."""
    image = choose(instance_type="ml.g4dn.xlarge")
    assert image == Image(
        "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:" + GPU_TAG,
        stock=True,
        starter=STARTER,
    )


def test_region_without_a_stock_image():
    """The user has to provide an image."""
    with pytest.raises(NoStockImage) as caught:
        choose(region="eusc-de-east-1")
    assert caught.value.what == "This program does not know of a TensorFlow image of AWS in eusc-de-east-1."
    assert caught.value.fix == "Set SAGEMAKER_IMAGE in myconfig.py to an image in that region."


def test_image_in_another_region():
    """SageMaker pulls images only from the job's region."""
    with pytest.raises(ImageElsewhere) as caught:
        choose(OWN, region="us-east-1")
    assert caught.value.what == f"The job would run in us-east-1, but SAGEMAKER_IMAGE is {OWN}."
    assert (
        caught.value.fix
        == "Set SAGEMAKER_IMAGE in myconfig.py to an image in the ECR registry of that region."
    )


@pytest.mark.parametrize(
    "uri, stock, starter",
    [
        (OWN, False, None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/donkey@sha256:" + "0" * 64, False, None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21.0-gpu-py312", False, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.8-gpu-py312", False, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training", True, None),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:" + CPU_TAG, True, None),
        ("763104351884.dkr.ecr-fips.eu-west-1.amazonaws.com/tensorflow-training:" + GPU_TAG, True, STARTER),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.19.0-gpu-py312", True, None),
    ],
)
def test_image_from_the_settings(uri, stock, starter):
    """AWS's TensorFlow images are recognized; the newer ones for GPUs have a starter."""
    assert choose(uri, built=OWN) == Image(uri, stock=stock, starter=starter)


def test_image_with_old_tensorflow_trains_on_one_machine():
    """That of donkeycar 2, by the tag that this program gives it."""
    classic = Image(OWN.replace("dk54", "dk22"), stock=False)
    check_count(classic, 1)
    check_count(Image(OWN, stock=False), 8)
    check_count(choose(), 8)
    with pytest.raises(OneMachineImage):
        check_count(classic, 2)


def test_own_image_tag():
    """The tag names the car's generation and the kind of instance."""
    assert own_image_tag("dk54", "ml.c5.xlarge") == "dk54-cpu"
    assert own_image_tag("dk22", "ml.p3.2xlarge") == "dk22-gpu"


def test_region_of_an_image():
    """The registry's name contains it."""
    assert region_of(OWN) == "eu-west-1"
    assert region_of("local") is None


def test_own_image_is_recognized():
    """Repository and tag matter, account and region do not; owners may add other images."""
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
    assert is_own(registry + "donkey-sagemaker:dk54-cpu")
    assert not is_own(registry + "donkey-sagemaker:robocars")
    assert not is_own(registry + "donkey-sagemaker")
    assert not is_own(registry + "tensorflow-training:2.21.0")
    assert not is_own("local")
