"""The `code` channel of a job whose image knows nothing of us: the trainer as one file, trainer.pyz, and the
packages that a stock AWS image lacks, as wheels beside it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import Dict, Iterator, List, Tuple

from ..contract import TRAINER_NAME
from ..errors import BadInput
from ..fixed_zip import make_zip, read_files
from ..resources import container_path

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WHEELS_LIST = "stock.txt"  # in container/generations
# A stock image's Python; the car's own may be any.
_STOCK_PYTHON = (
    "--python-version=3.12",
    "--implementation=cp",
    "--abi=cp312",
    "--platform=manylinux2014_x86_64",
)
# What the trainer uses of the car's side, besides tubs/
_SHARED = (
    "__init__.py",
    "atomic.py",
    "contract.py",
    "driving.py",
    "errors.py",
    "page.py",
    "paired_errors.py",
    "quality.py",
    "training_memory.py",
    "tuning.py",
    "untrusted_json.py",
    "verdict.py",
)


# AWS's image copies the folder of this script, and runs it with the hyperparameters as arguments
_SCRIPT = """import os, sys
trainer = os.path.join(os.path.dirname(os.path.abspath(__file__)), %r)
os.execv(sys.executable, [sys.executable, trainer])
"""


class NoWheels(BadInput):
    def __init__(self, why: str) -> None:
        super().__init__(
            f"The packages that AWS's own TensorFlow image lacks could not be downloaded: {why}",
            "Check that `python -m pip download pyfiglet` works here, then train again.",
        )


def fetch_wheels(folder: str) -> bytes:
    """The packages that a stock image lacks, 9 MB in one zip; downloaded by pip the first time.

    Args:
        folder: where they are kept, for this and every later job.
    Raises:
        NoWheels
    """
    list_path = os.path.join(container_path(), "generations", _WHEELS_LIST)
    with open(list_path, encoding="utf-8") as file:
        sha256s = sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", file.read()))
    wheels = _read_wheels(folder)
    if _digests(wheels) != sha256s:  # never fetched, of another version, or the power went off meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        _download(list_path, folder)
        wheels = _read_wheels(folder)
    return make_zip(wheels, compression=zipfile.ZIP_STORED)


def _download(list_path: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", *_STOCK_PYTHON]
    done = subprocess.run(
        command + ["--requirement", list_path, "--dest", folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise NoWheels(lines[-1] if lines else f"pip ended with exit code {done.returncode}")


def _read_wheels(folder: str) -> Dict[str, bytes]:
    wheels = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            wheels[name] = file.read()
    return wheels


def _digests(wheels: Dict[str, bytes]) -> List[str]:
    return sorted(hashlib.sha256(body).hexdigest() for body in wheels.values())


def make_script() -> bytes:
    """Runs the trainer beside it in the trials of a tuning, which cannot have an entry point."""
    return (_SCRIPT % TRAINER_NAME).encode("utf-8")


def build_trainer() -> bytes:
    """A zip that Python runs, the same bytes for the same code, so that it is sent once."""
    return make_zip(read_files(dict(_files())), compression=zipfile.ZIP_DEFLATED)


def zip_build_context() -> bytes:
    """What an image is built from: the Dockerfile, its lists and the trainer, laid out as in a checkout."""
    paths = dict(_files())
    paths["container/train"] = paths.pop("__main__.py")
    for name in [name for name in paths if name.startswith("trainer/")]:
        paths["container/" + name] = paths.pop(name)
    lists = os.listdir(os.path.join(container_path(), "generations"))
    for name in ["Dockerfile"] + ["generations/" + each for each in lists]:
        paths["container/" + name] = os.path.join(container_path(), name)
    return make_zip(read_files(paths), compression=zipfile.ZIP_DEFLATED)


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
