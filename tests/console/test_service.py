"""The unit of systemd."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from donkey_sagemaker.console.service import UNIT_NAME, make_unit


def test_unit() -> None:
    """It starts this Python in the car's folder, and leaves trainings alone."""
    unit = make_unit("/home/pi/mycar", ["--lan"])
    assert f"\nExecStart={sys.executable} -m donkey_sagemaker console --lan\n" in unit
    assert "\nWorkingDirectory=/home/pi/mycar\n" in unit
    assert "\nKillMode=process\n" in unit and "\nNice=10\n" in unit


def test_odd_words_are_quoted() -> None:
    """What systemd would replace or split stays as it is."""
    unit = make_unit("/home/my 100%/car", ['--myconfig=a "b" $HOME;c\\'])
    assert "\nWorkingDirectory=/home/my 100%%/car\n" in unit
    assert '"--myconfig=a \\"b\\" $$HOME;c\\\\"\n' in unit


def test_systemd_accepts_it(tmp_path: Path) -> None:
    """As far as it can be checked without installing it."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    path = tmp_path / UNIT_NAME
    path.write_text(make_unit(str(tmp_path), ["--lan", "--myconfig=a b.py"]))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    assert UNIT_NAME not in done.stdout, done.stdout
