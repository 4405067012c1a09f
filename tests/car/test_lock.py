"""The lock of a car: one process at a time, and the others learn which one."""

import os
import re
import signal
import subprocess
import sys

import pytest

from donkey_sagemaker.car.lock import hold_lock
from donkey_sagemaker.untrusted_file import UnusableFile

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such lock")
HOLDER = """
import sys
from donkey_sagemaker.car.lock import hold_lock
with hold_lock(sys.argv[1], purpose="sagemaker-train", on_wait=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def hold(path, waits, *, after_first=lambda: None):
    """Takes the lock; what on_wait was called with."""

    def sleep(_seconds):
        after_first()

    with hold_lock(str(path), purpose="test", on_wait=waits.append, sleep=sleep):
        return waits


@pytest.mark.parametrize("end", ["closes", "is killed"])
def test_a_second_process_waits_and_says_for_whom(holder, tmp_path, end):
    """Until the first one ends, however it ends."""

    def end_holder():
        if end == "closes":
            holder.stdin.close()
        else:
            os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    (text,) = hold(tmp_path / "lock", [], after_first=end_holder)
    assert re.fullmatch(rf"process {holder.pid} \(sagemaker-train, since \d\d:\d\d:\d\d\)", text)


def test_a_free_lock_is_taken_at_once(tmp_path):
    """Again and again, whatever the file contains."""
    path = tmp_path / "lock"
    for content in (b"", b"{", b"\0" * 5000, b'{"process": 1e400, "since": 1e400, "purpose": []}'):
        path.write_bytes(content)
        assert hold(path, []) == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"process": 1e400, "purpose": 0, "since": 1e400}'])
def test_a_holder_that_left_no_name(holder, tmp_path, content):
    """Somebody else wrote into the file."""
    (tmp_path / "lock").write_bytes(content)
    (text,) = hold(tmp_path / "lock", [], after_first=lambda: (holder.stdin.close(), holder.wait()))
    assert text == "another process"


def test_no_link_is_written_through(tmp_path):
    """Whoever holds the lock writes its name into the file."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(UnusableFile):
        hold(tmp_path / "lock", [])
    assert (tmp_path / "precious").read_text() == "precious"
