"""The paths of the data files: inside the installed package, or at the root of a checkout."""

import os


def templates_path() -> str:
    """The folder with the files that are copied into a car or sent to AWS unchanged."""
    return _folder("templates")


def container_path() -> str:
    """The folder with the trainer and its image."""
    return _folder("container")


def _folder(name: str) -> str:
    package_path = os.path.dirname(os.path.realpath(__file__))
    installed_path = os.path.join(package_path, name)
    if os.path.isdir(installed_path):
        return installed_path
    return os.path.join(os.path.dirname(package_path), name)
