"""Where jobs run: AWS, or SageMaker as played by this machine."""

from typing import Any

from ..settings import Settings


def open_cloud(settings: Settings, local_folder: str, *, trains: bool) -> Any:
    """The cloud that SAGEMAKER_BACKEND names.

    Args:
        trains: whether a job may be started; only then must this machine be able to train.
    Raises:
        BadInput, CloudRefused
    """
    if settings.backend == "aws":
        from ..aws.backend import AwsCloud

        return AwsCloud(settings)
    from ..local.backend import LocalCloud
    from ..local.interpreter import find_interpreter

    return LocalCloud(local_folder, python=find_interpreter(settings.python) if trains else "")


def open_account(settings: Settings) -> Any:
    """The AWS account itself, for what is not a job.

    Raises:
        NoRegion, NoProfile, BadConfigFile
    """
    from ..aws.backend import Connection

    return Connection(settings)
