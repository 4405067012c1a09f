"""What `prepare` installs on a host, from lists that are as short as a test needs them."""

import io
import os
import zipfile

import pytest

from donkey_sagemaker.ssh.boot import build_program
from donkey_sagemaker.ssh.machine import prepared_pythons
from donkey_sagemaker.ssh.prepare import GENERATIONS, find_working, plan_preparation, prepare


@pytest.mark.parametrize(
    "programs, generation, command",
    [
        (["python3.11", "python3.12", "uv"], "dk54", ["/bin/python3.12", "-m", "venv"]),
        (["python3.11", "uv"], "dk53", ["/bin/python3.11", "-m", "venv"]),
        (["python3.9"], "dk50", ["/bin/python3.9", "-m", "venv"]),
        (["python3.13", "uv"], "dk54", ["/bin/uv", "venv", "--seed", "--python", "3.12"]),
    ],
)
def test_the_newest_generation_that_runs_there(programs, generation, command):
    """Of the Pythons that are installed; uv brings its own."""
    plan = plan_preparation(lambda name: "/bin/" + name if name in programs else None)
    assert plan == (generation, command)


def test_no_python_fits():
    """Then nothing is made."""
    assert plan_preparation(lambda name: None) is None


def test_the_lists_travel_with_the_program():
    """Those of the training images, for CPU and GPU."""
    names = zipfile.ZipFile(io.BytesIO(build_program().body)).namelist()
    for generation, _version in GENERATIONS:
        for device in ("cpu", "gpu"):
            assert f"generations/{generation}-{device}.txt" in names


@pytest.mark.minutes
def test_an_environment_is_made(tmp_path, capsys):
    """With a Python that is found afterwards."""
    plan = plan_preparation(find_working)
    if plan is None or plan.make[1:] != ["-m", "venv"]:
        pytest.skip("none of the Pythons of the images is here")
    program = str(tmp_path / "program.pyz")
    with zipfile.ZipFile(program, "w") as archive:
        for device in ("cpu", "gpu"):
            archive.writestr(f"generations/{plan.generation}-{device}.txt", "# nothing\n")
    assert prepare(str(tmp_path), program) == 0
    python = str(tmp_path / "python" / plan.generation / "bin" / "python")
    assert prepared_pythons(str(tmp_path)) == [python] and os.access(python, os.X_OK)
    assert f" in {os.path.dirname(os.path.dirname(python))}\n" in capsys.readouterr().out
