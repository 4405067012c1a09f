"""The seam to whoever runs training jobs: AWS, or SageMaker emulated on this machine."""

from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from ..aws.account import Account
    from .cloud import Cloud


def open_cloud(settings: Settings, local_folder: str, *, trains: bool) -> "Cloud":
    """The cloud that SAGEMAKER_BACKEND names.

    Args:
        trains: whether a job may be started. Only then does SAGEMAKER_BACKEND = "local" need TensorFlow.
    Raises:
        BadInput, CloudRefused
    """
    if settings.backend == "aws":
        return open_account(settings).open_cloud()
    from ..local.backend import LocalCloud
    from ..local.interpreter import find_interpreter

    return LocalCloud(
        local_folder, python=find_interpreter(settings.python, car=settings.car) if trains else ""
    )


def open_account(settings: Settings) -> "Account":
    """The AWS account itself, for sagemaker-setup and sagemaker-image.

    Raises:
        BadInput: there is no region, no such profile, or AWS's configuration files are not valid.
    """
    from ..aws.account import Account
    from ..aws.connection import Connection

    return Account(settings, Connection(settings))
