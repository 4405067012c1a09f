"""Where the files beside our code are: inside the package once installed, at the root of a checkout."""

import os


def templates_path() -> str:
    """The folder of what is copied into a car or sent to AWS as it is."""
    return _folder("templates")


def container_path() -> str:
    """The folder of the trainer and its image."""
    return _folder("container")


def _folder(name: str) -> str:
    package_path = os.path.dirname(os.path.realpath(__file__))
    installed_path = os.path.join(package_path, name)
    return (
        installed_path if os.path.isdir(installed_path) else os.path.join(os.path.dirname(package_path), name)
    )
