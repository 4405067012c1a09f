"""A module of this package in a child process."""

import os
import subprocess
import sys

from donkey_sagemaker.child_process import module_command


def test_the_child_finds_this_package_from_anywhere(tmp_path):
    """It works in any working directory, with arguments, and without PYTHONPATH."""
    out = subprocess.check_output(module_command("donkey_sagemaker", "jobs", "--help"), cwd=str(tmp_path))
    assert out.decode().startswith("usage: donkey-sagemaker jobs")


def test_the_package_folder_does_not_shadow_the_standard_library(tmp_path):
    """A 2018 car's site-packages contain backports (enum34) that break Python if they come first."""
    command = module_command("json.tool", "--help")
    assert command[:2] == [sys.executable, "-c"]
    shadow = tmp_path / "packages"
    shadow.mkdir()
    (shadow / "json.py").write_text("raise SystemExit('shadowed')")
    source = command[2].replace(
        repr(os.path.dirname(os.path.dirname(module_command.__code__.co_filename))), repr(str(shadow))
    )
    assert repr(str(shadow)) in source
    subprocess.check_output([sys.executable, "-c", source, "--help"])
