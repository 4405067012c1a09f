"""Which training image a job runs."""

import re
from typing import NamedTuple, Optional

from ..contract import CLASSIC_GENERATION
from ..errors import BadInput
from .machines import is_gpu
from .partitions import find_partition

OWN_REPOSITORY = "donkey-sagemaker"  # in the account's registry

_STOCK_REPOSITORY = "tensorflow-training"
_STOCK_CPU_TAG = "2.21.0-cpu-py312-amzn2023-sagemaker"
_STOCK_GPU_TAG = "2.21.0-gpu-py312-cu129-amzn2023-sagemaker"
_STARTER = "/usr/local/bin/entrypoint.sh"  # in stock images since 2.21

# The accounts with AWS's Deep Learning Containers: one for most regions, and one for each other region.
# The images in China and GovCloud are known for earlier versions of TensorFlow; 2.21 has not been seen there.
_MOST_REGIONS = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 "
    "eu-central-1 eu-north-1 ap-northeast-1 ap-northeast-2 ap-southeast-1 ap-southeast-2 ap-south-1"
)
_STOCK_ACCOUNTS = {
    **dict.fromkeys(_MOST_REGIONS.split(), "763104351884"),
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z.]+/"
    r"(?P<repository>[^:@]+)(?P<tag>([:@].*)?)"
)
_OWN_TAG = re.compile(r":dk\d\d-(cpu|gpu)")


class Image(NamedTuple):
    uri: str
    stock: bool  # does not contain the trainer, which is passed to it in the `code` channel
    starter: Optional[str] = None  # script in a stock image that sets up CUDA and then runs its arguments


class NoStockImage(BadInput):
    def __init__(self, region: str) -> None:
        super().__init__(
            f"This program does not know of a TensorFlow image of AWS in {region}.",
            "Set SAGEMAKER_IMAGE in myconfig.py to an image in that region.",
        )


class ImageElsewhere(BadInput):
    def __init__(self, uri: str, region: str) -> None:
        super().__init__(
            f"The job would run in {region}, but SAGEMAKER_IMAGE is {uri}.",
            "Set SAGEMAKER_IMAGE in myconfig.py to an image in the ECR registry of that region.",
        )


class OneMachineImage(BadInput):
    def __init__(self, uri: str, count: int) -> None:
        super().__init__(
            f"SAGEMAKER_INSTANCE_COUNT is {count}, but the image {uri} has TensorFlow 1, which trains on one"
            " machine only.",
            "Add --instance-count=1 to the command, or set SAGEMAKER_INSTANCE_COUNT = 1 in myconfig.py.",
        )


def check_count(image: Image, count: int) -> None:
    """An image of an owner's own may have any TensorFlow: there the trainer itself refuses.

    Args:
        count: of machines.
    Raises:
        OneMachineImage
    """
    is_classic = is_own(image.uri) and f":{CLASSIC_GENERATION}-" in image.uri
    if count > 1 and is_classic:
        raise OneMachineImage(image.uri, count)


def choose_image(wanted: str, *, built: Optional[str], region: str, instance_type: str) -> Image:
    """The image that SAGEMAKER_IMAGE selects.

    Args:
        wanted: an image in ECR, or "auto" for `built` if there is one and AWS's TensorFlow image otherwise.
        built: the image that sagemaker-image built for the car's generation and for this kind of instance.
    Raises:
        NoStockImage, ImageElsewhere
    """
    if wanted == "auto":
        return Image(built, stock=False) if built else _stock_image(region, instance_type)
    found = _URI.fullmatch(wanted)
    if found is None or found.group("region") != region:
        raise ImageElsewhere(wanted, region)
    if not is_stock(wanted):
        return Image(wanted, stock=False)
    return Image(wanted, stock=True, starter=_starter(found.group("tag")))


def is_stock(uri: str) -> bool:
    """Whether an image is one of AWS's TensorFlow images."""
    found = _URI.fullmatch(uri)
    return (
        found is not None
        and found.group("repository") == _STOCK_REPOSITORY
        and found.group("account") == _STOCK_ACCOUNTS.get(found.group("region"))
    )


def is_own(uri: str) -> bool:
    """Whether sagemaker-image built it, judging by repository and tag; owners may add images of their own."""
    found = _URI.fullmatch(uri)
    return (
        found is not None
        and found.group("repository") == OWN_REPOSITORY
        and _OWN_TAG.fullmatch(found.group("tag") or "") is not None
    )


def own_image_tag(generation: str, instance_type: str) -> str:
    """The tag of an image that sagemaker-image builds, as "dk54-cpu"."""
    return f"{generation}-{'gpu' if is_gpu(instance_type) else 'cpu'}"


def region_of(uri: str) -> Optional[str]:
    """The region of an image in ECR; None for any other image."""
    found = _URI.fullmatch(uri)
    return found.group("region") if found else None


def _stock_image(region: str, instance_type: str) -> Image:
    if region not in _STOCK_ACCOUNTS:
        raise NoStockImage(region)
    domain = find_partition(region).domain
    tag = ":" + (_STOCK_GPU_TAG if is_gpu(instance_type) else _STOCK_CPU_TAG)
    uri = f"{_STOCK_ACCOUNTS[region]}.dkr.ecr.{region}.{domain}/{_STOCK_REPOSITORY}{tag}"
    return Image(uri, stock=True, starter=_starter(tag))


def _starter(tag: str) -> Optional[str]:
    """The script of a stock GPU image; images before 2.21 have none."""
    version = re.match(r":(\d+)\.(\d+).*-gpu-", tag)
    return _STARTER if version and (int(version.group(1)), int(version.group(2))) >= (2, 21) else None
