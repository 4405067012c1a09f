"""Where jobs run: AWS, or SageMaker as played by this machine."""

from typing import Any

from ..errors import BadInput
from ..settings import Settings


class NoAws(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "This version trains on this machine only, not on AWS yet.",
            'Add --local, or set SAGEMAKER_BACKEND = "local" in myconfig.py.',
        )


def open_cloud(settings: Settings, local_folder: str, *, trains: bool) -> Any:
    """The cloud that SAGEMAKER_BACKEND names.

    Args:
        trains: whether a job may be started; only then must this machine be able to train.
    """
    if settings.backend != "local":
        raise NoAws()
    from .interpreter import find_interpreter
    from .local import LocalCloud

    return LocalCloud(local_folder, python=find_interpreter(settings.python) if trains else "")
