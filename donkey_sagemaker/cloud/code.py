"""The trainer as one file, trainer.pyz: the `code` channel of a job whose image knows nothing of us."""

import io
import os
import zipfile
from typing import Iterator, Tuple

from ..resources import container_path

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SHARED = (
    "__init__.py",
    "contract.py",
    "errors.py",
    "page.py",
)  # what the trainer uses of the car's side, beside tubs/


def build_trainer() -> bytes:
    """A zip that Python runs, the same bytes for the same code, so that it is sent once."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(_files()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            with open(path, "rb") as file:
                archive.writestr(entry, file.read())
    return body.getvalue()


def _files() -> Iterator[Tuple[str, str]]:
    yield "__main__.py", os.path.join(container_path(), "train")
    for name in _SHARED:
        yield "donkey_sagemaker/" + name, os.path.join(_PACKAGE, name)
    for package, folder in (
        ("donkey_sagemaker/tubs/", os.path.join(_PACKAGE, "tubs")),
        ("trainer/", os.path.join(container_path(), "trainer")),
    ):
        for name in os.listdir(folder):
            if name.endswith(".py"):
                yield package + name, os.path.join(folder, name)
