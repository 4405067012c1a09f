"""Which container images exist, and what this machine runs for them."""

import re
from fnmatch import fnmatchcase
from typing import Any, Dict, List, NamedTuple, Optional

from moto.ecr.exceptions import ImageNotFoundException
from moto.ecr.models import ecr_backends

from .account import ACCOUNT_ID, REGION
from .aws_error import AwsError

_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)(?::([^@]+)|@(sha256:.+))?")

# Sets CUDA up in the stock images of 2.21, and then runs its arguments
DLC_STARTER = {"/usr/local/bin/entrypoint.sh": '#!/bin/sh\nexec "$@"\n'}
DLC_STARTER_TAG = "2.21.0-gpu-py312-cu129-amzn2023-sagemaker"
PULL = "has proper pull permissions for SageMaker."

# AWS Deep Learning Containers in this region
DLC_ACCOUNT = "763104351884"
DLC_REPOSITORY = "tensorflow-training"
DLC_TAGS = (
    "2.16.2-cpu-py310-ubuntu20.04-sagemaker",
    "2.18.0-cpu-py310-ubuntu22.04-sagemaker",
    "2.18.0-gpu-py310-cu125-ubuntu22.04-sagemaker",
    "2.19.0-cpu-py312-ubuntu22.04-sagemaker",
    "2.19.0-gpu-py312-cu125-ubuntu22.04-sagemaker",
    "2.21.0-cpu-py312-amzn2023-sagemaker",
    "2.21.0-gpu-py312-cu129-amzn2023-sagemaker",
)


class Image(NamedTuple):
    """What runs in place of a container.

    Its `command` is the ENTRYPOINT, which gets "train" as its argument; `python` is what the word python3
    means in it; `files` are scripts by their path in the image.
    """

    command: List[str]
    python: Optional[str]
    environment: Dict[str, str]
    files: Dict[str, str]


class Images:
    """The images that tests have defined, by patterns of URIs; the latest match counts."""

    def __init__(self) -> None:
        self._named: List[Any] = []

    def name(
        self,
        pattern: str,
        *,
        command: Optional[List[str]] = None,
        python: Optional[str] = None,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        self._named.insert(0, (pattern, Image(command or [], python, environment or {}, {})))

    def find(self, uri: str) -> Optional[Image]:
        found = next((image for pattern, image in self._named if fnmatchcase(uri, pattern)), None)
        return found._replace(files=DLC_STARTER) if found and uri.endswith(DLC_STARTER_TAG) else found


def check_image(uri: str) -> None:
    """Rejects images that are not in a registry that a job of this account can pull from."""
    match = _ECR.fullmatch(uri)
    if not match or match.group(2) != REGION:
        raise AwsError(
            "ValidationException",
            "Invalid training image. Please provide a valid Amazon Elastic Container Registry path "
            "of the Docker image to run.",
        )
    registry, _region, repository, tag, digest = match.groups()
    if registry == ACCOUNT_ID:
        _check_own(uri, repository, {"imageDigest": digest} if digest else {"imageTag": tag or "latest"})
    elif registry != DLC_ACCOUNT:
        raise AwsError(
            "ValidationException",
            f"Access denied for repository: {repository} in registry ID: {registry}.",
        )
    elif repository != DLC_REPOSITORY:
        raise _no_repository(repository, registry)
    elif tag not in DLC_TAGS:
        raise _no_image(uri)


def _check_own(uri: str, repository: str, image_id: Dict[str, str]) -> None:
    registry = ecr_backends[ACCOUNT_ID][REGION]
    if repository not in registry.repositories:
        raise _no_repository(repository, ACCOUNT_ID)
    try:
        registry.describe_images(repository, ACCOUNT_ID, [image_id])
    except ImageNotFoundException:
        raise _no_image(uri) from None


def _no_repository(repository: str, registry: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"Cannot find repository: {repository} in registry ID: {registry}. Please check if your ECR"
        f" repository exists and role {PULL}",
    )


def _no_image(uri: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"Cannot find the requested image: {uri}. Please check if your ECR image exists and role {PULL}",
    )
