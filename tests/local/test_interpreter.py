"""Which Python trains on this machine, and what is known to be wrong with one."""

import sys

import pytest

from donkey_sagemaker.local.interpreter import describe_metal


@pytest.mark.skipif(sys.version_info < (3, 8), reason="tensorflow-metal needs a later Python")
def test_apples_gpu_plug_in_is_reported(tmp_path, monkeypatch):
    """On a Mac that has it, also where SAGEMAKER_PYTHON is another Python than this one."""
    assert describe_metal(sys.executable, platform="darwin") is None
    folder = tmp_path / "tensorflow_metal-1.2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow-metal\nVersion: 1.2.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert describe_metal(sys.executable, platform="linux") is None
    assert describe_metal(sys.executable, platform="darwin") == (
        "tensorflow-metal 1.2.0 is installed, and losses have been seen to grow without end with it: "
        "if yours does, run `pip uninstall tensorflow-metal` and train on the CPU"
    )
