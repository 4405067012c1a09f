"""The code channel of a stock image: the trainer, and the packages that the image lacks."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile

import pytest

from donkey_sagemaker.resources import container_path
from donkey_sagemaker.training.trainer_code import (
    NoWheels,
    build_trainer,
    fetch_wheels,
    make_script,
)
from opt_ml_factory import make_opt_ml, write
from trainer_process import TrainerProcess

FETCH = """
import io, sys, zipfile
from donkey_sagemaker.training.trainer_code import fetch_wheels
for wheel in zipfile.ZipFile(io.BytesIO(fetch_wheels(sys.argv[1]))).infolist():
    print(wheel.filename, wheel.file_size)
"""


def test_the_trainer_is_the_same_bytes_each_time():
    """So that it is uploaded only once."""
    assert build_trainer() == build_trainer()
    with zipfile.ZipFile(io.BytesIO(build_trainer())) as archive:
        names = archive.namelist()
    assert {"__main__.py", "trainer/main.py", "donkey_sagemaker/contract.py"} <= set(names)
    assert not [name for name in names if re.match("donkey_sagemaker/(car|cloud)/", name)]


def test_the_script_of_a_tuning(tmp_path):
    """AWS's image copies it beside the trainer, and runs it with hyperparameters as arguments."""
    (tmp_path / "start.py").write_bytes(make_script())
    with zipfile.ZipFile(str(tmp_path / "trainer.pyz"), "w") as archive:
        archive.writestr("__main__.py", "import sys; print(sys.argv[1:])")
    command = [sys.executable, str(tmp_path / "start.py"), "--LEARNING_RATE", "0.01"]
    assert subprocess.check_output(command, universal_newlines=True) == "[]\n"


def test_the_list_of_wheels_is_pinned_by_digest():
    """Only tested packages run in a job."""
    with open(os.path.join(container_path(), "generations", "stock.txt")) as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}", line), line


def test_a_missing_package_index_is_an_error(tmp_path, monkeypatch):
    """The message has pip's last line and a command to try."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(NoWheels) as raised:
        fetch_wheels(str(tmp_path / "wheels"))
    assert raised.value.what == (
        "The packages that AWS's own TensorFlow image lacks could not be downloaded: "
        "ERROR: No matching distribution found for albucore==0.0.24"
    )
    assert raised.value.fix == "Check that `python -m pip download pyfiglet` works here, then train again."


@pytest.fixture(scope="module")
def wheels(tmp_path_factory, generation_python, repo_path):
    """A folder of wheels that the oldest car has downloaded."""
    folder = str(tmp_path_factory.mktemp("wheels") / "kept")
    subprocess.check_call([generation_python("py36"), "-c", FETCH, folder], cwd=repo_path)
    return folder


@pytest.mark.generations
def test_wheels_are_downloaded_once(wheels, repo_path, generation_python):
    """The second time the index is not used. A damaged wheel is downloaded again."""
    environ = dict(os.environ, PIP_NO_INDEX="1")
    command = [generation_python("py313"), "-c", FETCH, wheels]
    listed = subprocess.check_output(command, cwd=repo_path, env=environ).decode()
    assert len(listed.splitlines()) == 9 and "donkeycar-5.4.0-py3-none-any.whl" in listed
    with open(os.path.join(wheels, "donkeycar-5.4.0-py3-none-any.whl"), "ab") as file:
        file.write(b"x")
    assert subprocess.check_output(command, cwd=repo_path).decode() == listed


@pytest.mark.generations
def test_a_stock_image_trains_with_the_code_channel(wheels, tmp_path, generation_python, repo_path):
    """A Python with nothing but TensorFlow 2.21, and without a network, trains, also with augmentations."""
    tub = str(tmp_path / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([generation_python("py313"), draw, "--out", tub, "--records", "48"])
    base = make_opt_ml(
        str(tmp_path / "ml"),
        tub,
        models=[("pilot.keras", "keras"), ("pilot.tflite", "tflite")],
        config='MAX_EPOCHS = 1\nAUGMENTATIONS = ["BRIGHTNESS"]\nAUG_BRIGHTNESS_RANGE = 0.2\n'
        'TRANSFORMATIONS = ["CROP"]\nROI_CROP_TOP = 45\n'
        "ROI_CROP_BOTTOM = ROI_CROP_LEFT = ROI_CROP_RIGHT = 0\n",
    )
    write(base, "input/data/code/trainer.pyz", build_trainer())
    write(base, "input/data/code/wheels.zip", fetch_wheels(wheels))
    without_network = ["unshare", "-n" if os.getuid() == 0 else "-rn"]
    command = [generation_python("stock"), "-I", base + "/input/data/code/trainer.pyz"]
    trainer = TrainerProcess(without_network + command, base, PYTHONPATH="")
    assert trainer.end() == 0, "\n".join(trainer.lines)
    artifact = trainer.unpack(tmp_path / "archive")
    assert [model.format for model in artifact.models] == ["keras", "tflite"]
    assert artifact.versions["tensorflow"] == "2.21.0" and artifact.versions["donkeycar"] == "5.4.0"
    with open(os.path.join(base, "model", "artifact.json")) as file:
        assert json.load(file)["notes"] == []
