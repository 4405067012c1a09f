"""Where jobs run, behind one interface: AWS, or SageMaker emulated on this machine."""

from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from ..aws.account import Account
    from .cloud import Cloud


def open_cloud(settings: Settings, local_folder: str, *, trains: bool) -> "Cloud":
    """The cloud that SAGEMAKER_BACKEND names.

    Args:
        local_folder: where the emulated SageMaker keeps its files.
        trains: whether a job may be started; only then must this machine be able to train.
    Raises:
        BadInput, CloudRefused
    """
    if settings.backend == "aws":
        from ..aws.account import Account

        return Account(settings).open_cloud()
    from ..local.backend import LocalCloud
    from ..local.interpreter import find_interpreter

    return LocalCloud(local_folder, python=find_interpreter(settings.python) if trains else "")


def open_account(settings: Settings) -> "Account":
    """The AWS account itself, for what only AWS has.

    Raises:
        BadInput: no region is set, or the profile or AWS's configuration files cannot be used.
    """
    from ..aws.account import Account
    from ..aws.connection import Connection

    return Account(settings, Connection(settings))
