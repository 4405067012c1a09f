"""What a killed command leaves half written is removed by the next one, in whichever folder it lies."""

import pathlib
import re
import sys

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.local.backend import LocalCloud
from donkey_sagemaker.training.clean_up import clean_up
from donkey_sagemaker.ui import PlainUi

HALF_WRITTEN = f".x.npz.{2**22 + 1}-{'0' * 32}.part"  # by a process whose number none has
FILES = {"car_id", "lock"}
BY_PIP = {"wheels"}  # fetched again if they are not complete


def named_in_source(repo_path: str) -> set:
    """Every folder below .sagemaker."""
    source = pathlib.Path(repo_path, "donkey_sagemaker")
    found = set()
    for path in source.rglob("*.py"):
        found |= set(re.findall(r"""state_path\("(\w+)\"""", path.read_text(encoding="utf-8")))
    return found - FILES - BY_PIP


def test_in_every_folder_of_the_car(tmp_path: pathlib.Path, repo_path: str) -> None:
    (tmp_path / "config.py").write_text("")
    (tmp_path / "myconfig.py").write_text("SAGEMAKER_CAR = 'donkeycar 5.3, tensorflow 2.15'\n")
    car = open_car(str(tmp_path), flags={})
    names = named_in_source(repo_path)
    assert {"validation", "trained", "jobs"} < names
    folders = [tmp_path, tmp_path / "models", tmp_path / ".sagemaker"]
    folders += [tmp_path / ".sagemaker" / name for name in sorted(names)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / HALF_WRITTEN).write_bytes(b"half")
    clean_up(car, LocalCloud(car.state_path("local"), python=sys.executable), PlainUi())
    assert [path for path in tmp_path.rglob("*") if path.name == HALF_WRITTEN] == []
