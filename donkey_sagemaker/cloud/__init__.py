"""The seam to whoever runs training jobs: AWS, or SageMaker emulated on this machine or on a host."""

from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from ..aws.account import Account
    from .cloud import CarId, Cloud


def open_cloud(settings: Settings, local_folder: str, *, car_id: "CarId", trains: bool) -> "Cloud":
    """The cloud that SAGEMAKER_BACKEND names.

    Args:
        local_folder: where a job on this machine keeps its files.
        trains: whether a job may be started. Only then does SAGEMAKER_BACKEND = "local" need TensorFlow.
    Raises:
        BadInput, CloudRefused
    """
    if settings.backend == "aws":
        return open_account(settings).open_cloud()
    if settings.backend == "ssh":
        from ..ssh.backend import open_host

        return open_host(settings, car_id)
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
