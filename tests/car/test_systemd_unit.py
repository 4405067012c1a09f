"""The unit with which systemd runs sagemaker-follow."""

import shutil
import subprocess
import sys

import pytest

from donkey_sagemaker.car.systemd_unit import NAME, make_unit


def test_words_mean_to_systemd_what_they_say():
    """A folder and a word may contain what a unit gives a meaning to."""
    unit = make_unit(
        car_path="/home/pi/100% mine",
        start=["/my env/python", "-m", "x", '--a=$b "c" 5%\\'],
        command="python manage.py sagemaker-follow --unit",
    )
    lines = unit.splitlines()
    assert "WorkingDirectory=/home/pi/100%% mine" in lines
    assert r'ExecStart="/my env/python" -m x "--a=$$b \"c\" 5%%\\"' in lines
    assert f"#   python manage.py sagemaker-follow --unit > ~/.config/systemd/user/{NAME}" in lines


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_it(tmp_path):
    """Without a warning."""
    path = tmp_path / NAME
    car = tmp_path / "100% mine"
    car.mkdir()
    path.write_text(make_unit(car_path=str(car), start=[sys.executable, "-m", "a $b"], command="x"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed = [line for line in done.stdout.decode().splitlines() if NAME in line]
    assert (done.returncode, printed) == (0, [])
