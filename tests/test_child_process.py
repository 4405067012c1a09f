"""One of our modules as a process of its own."""

import os
import subprocess
import sys

from donkey_sagemaker.child_process import module_command


def test_the_child_finds_this_package_from_anywhere(tmp_path):
    """Whatever the working folder, with its own arguments, without any help of PYTHONPATH."""
    out = subprocess.check_output(module_command("donkey_sagemaker", "jobs", "--help"), cwd=str(tmp_path))
    assert out.decode().startswith("usage: donkey-sagemaker jobs")


def test_the_packages_place_does_not_hide_the_standard_library(tmp_path):
    """A 2018 car's site-packages hold backports (enum34) that break a newer Python when they come first."""
    command = module_command("json.tool", "--help")
    assert command[:2] == [sys.executable, "-c"]
    shadow = tmp_path / "place"
    shadow.mkdir()
    (shadow / "json.py").write_text("raise SystemExit('shadowed')")
    source = command[2].replace(
        repr(os.path.dirname(os.path.dirname(module_command.__code__.co_filename))), repr(str(shadow))
    )
    assert repr(str(shadow)) in source
    subprocess.check_output([sys.executable, "-c", source, "--help"])
