"""What is expensive and the same for many tests, made once in a run: cars, a drawn tub, a trained model."""

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Callable

import pytest

RECORDS = 160
MakeOnce = Callable[[str, Callable[[Path], None]], Path]
CreateCar = Callable[..., Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """A function that returns a folder by its name and lets the first process of a run fill it.

    With pytest-xdist several processes run the tests; they share the folder that holds theirs.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        path = shared / name
        with open(str(shared / (name + ".lock")), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                part = shared / (name + ".part")
                shutil.rmtree(str(part), ignore_errors=True)
                part.mkdir()
                fill(part)
                part.rename(path)
        return path

    return make


@pytest.fixture(scope="session")
def create_car(make_once: MakeOnce) -> CreateCar:
    """A function that makes a car at a path, as `donkey createcar` of a Python's donkeycar makes it."""

    def create(path: Path, *, python: str = sys.executable, template: str = "complete") -> Path:
        bin_path = os.path.dirname(python)
        donkey = [python, os.path.join(bin_path, "donkey"), "createcar", "--template", template]

        def fill(folder: Path) -> None:
            subprocess.check_call(donkey + ["--path", str(folder / "mycar")], stdout=subprocess.DEVNULL)

        name = "{}-{}".format(os.path.basename(os.path.dirname(bin_path)), template)
        shutil.copytree(str(make_once(name, fill) / "mycar"), str(path))
        return path

    return create


@pytest.fixture(scope="session")
def drawn_tub(make_once: MakeOnce, repo_path: str) -> str:
    """The path of a tub of 160 records. Nothing may write to it."""
    draw = [sys.executable, os.path.join(repo_path, "demo", "draw_tub.py"), "--records", str(RECORDS)]

    def fill(folder: Path) -> None:
        subprocess.check_call(
            draw + ["--seed", "7", "--out", str(folder / "data")], stdout=subprocess.DEVNULL
        )

    return str(make_once("drawn_tub", fill) / "data")


@pytest.fixture(scope="session")
def trained_model(make_once: MakeOnce, create_car: CreateCar, drawn_tub: str) -> Path:
    """The content of an archive: what the trainer made of that tub, for a car of this environment."""

    def fill(folder: Path) -> None:
        from donkey_sagemaker import cli

        car = create_car(folder / "mycar")
        with open(str(car / "myconfig.py"), "a") as file:
            file.write("\nMAX_EPOCHS = 1\nSAGEMAKER_DRIVING_PROOF = False\n")
        command = ["train", "--tub", drawn_tub, "--model", "models/pilot", "--local"]
        assert cli.main(command, car_path=str(car)) == 0
        bucket = car / ".sagemaker" / "local" / "buckets" / "local" / "donkeycar"
        (archive,) = bucket.glob("models/*/output/model.tar.gz")
        with tarfile.open(str(archive)) as tar:
            tar.extractall(str(folder / "model"))

    return make_once("trained_model", fill) / "model"
