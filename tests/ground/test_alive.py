"""Whether a process lives that has been started and left to itself."""

import fcntl
import os

import pytest

from donkey_sagemaker.child_process import ALIVE_NAME, is_alive


def test_a_process_lives_as_long_as_it_holds_the_lock(tmp_path):
    """Those who ask do not take each other for it."""
    assert not is_alive(str(tmp_path)) and not is_alive(str(tmp_path / "missing"))
    path = str(tmp_path / ALIVE_NAME)
    with open(path, "r+b") as lock, open(path, "rb") as asks:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_alive(str(tmp_path))
        fcntl.flock(lock, fcntl.LOCK_UN)
        fcntl.flock(asks, fcntl.LOCK_SH)
        assert not is_alive(str(tmp_path))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_plain_file_is_no_lock(make, tmp_path):
    """Nothing of ours has locked it, and asking does not hang."""
    make(str(tmp_path / ALIVE_NAME))
    assert not is_alive(str(tmp_path))
