"""Settings that a command writes into the owner's myconfig.py."""

import os

import pytest

from donkey_sagemaker.car.myconfig import MyconfigNotWritten, write_setting

LINE = b"SAGEMAKER_IMAGE = 'new'  # written by donkey-sagemaker"


@pytest.mark.parametrize(
    "before, after",
    [
        (None, LINE + b"\n"),
        (b"A = 1\n", b"A = 1\n" + LINE + b"\n"),
        (b"A = 1", b"A = 1\n" + LINE + b"\n"),
        (b"A = 1\r\n", b"A = 1\r\n" + LINE + b"\r\n"),
        (b"SAGEMAKER_IMAGE = 'mine'\n", b"SAGEMAKER_IMAGE = 'mine'\n" + LINE + b"\n"),
        (
            b"A = 1\nSAGEMAKER_IMAGE = 'old'  # written by donkey-sagemaker\nB = 2\n",
            b"A = 1\nB = 2\n" + LINE + b"\n",
        ),
        (b"# SAGEMAKER_IMAGE = 'auto'\n\xff", b"# SAGEMAKER_IMAGE = 'auto'\n\xff\n" + LINE + b"\n"),
    ],
)
def test_the_line_is_at_the_end_once(tmp_path, before, after):
    """There it overrides the owner's own line. Every other byte stays the same."""
    path = tmp_path / "myconfig.py"
    if before is not None:
        path.write_bytes(before)
    write_setting(str(path), "SAGEMAKER_IMAGE", "new")
    assert path.read_bytes() == after
    write_setting(str(path), "SAGEMAKER_IMAGE", "new")
    assert path.read_bytes() == after


def test_a_file_that_cannot_be_written(tmp_path):
    """The message contains the line to add."""
    path = str(tmp_path / "nowhere" / "myconfig.py")
    with pytest.raises(MyconfigNotWritten) as caught:
        write_setting(path, "SAGEMAKER_IMAGE", "new")
    assert caught.value.what == f"{path} could not be written: {os.strerror(2)}."
    assert caught.value.fix == "Add this line to it yourself: SAGEMAKER_IMAGE = 'new'"
