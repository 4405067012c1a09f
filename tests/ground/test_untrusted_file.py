"""Files that are not what this program expects where its own files are."""

import os
import socket

import pytest

from donkey_sagemaker.untrusted_file import UnusableFile, open_own, read_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pipes with a path, and links need a privilege")


def make_folder(path):
    os.mkdir(path)


def make_socket(path):
    server = socket.socket(socket.AF_UNIX)
    os.chdir(os.path.dirname(path))  # a socket's path must be short
    server.bind(os.path.basename(path))
    server.close()


def make_loop(path):
    os.symlink(os.path.basename(path), path)


def make_endless(path):
    os.symlink("/dev/zero", path)


def make_huge(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "file")


@pytest.mark.parametrize("make", [make_folder, os.mkfifo, make_socket, make_loop, make_endless, make_huge])
def test_what_is_no_small_plain_file_is_not_read(path, make):
    """At once: a pipe would keep the program waiting, and a device would fill the memory."""
    make(path)
    with pytest.raises(UnusableFile) as caught:
        read_file(path)
    assert caught.value.filename == path and caught.value.strerror


def test_a_plain_file_is_read_up_to_a_limit(path):
    """Also through a link, as the owner may have made one."""
    with open(path, "wb") as file:
        file.write(b"12345")
    os.symlink("file", path + "-link")
    assert read_file(path, max_bytes=5) == read_file(path + "-link") == b"12345"
    with pytest.raises(UnusableFile) as caught:
        read_file(path, max_bytes=4)
    assert caught.value.strerror == "it has more than 4 bytes"


@pytest.mark.parametrize("make", [make_folder, os.mkfifo, make_socket, make_loop, make_endless])
def test_nothing_is_written_to_what_is_no_plain_file(path, make):
    make(path)
    with pytest.raises(UnusableFile):
        open_own(path)


def test_nothing_is_written_through_a_link(path):
    """It would land in a file that is not ours."""
    with open(path + "-of-another", "w") as file:
        file.write("precious")
    os.symlink("file-of-another", path)
    with pytest.raises(UnusableFile):
        open_own(path)


def test_an_own_file_is_made_and_kept(path):
    with open_own(path) as file:
        file.write(b"first")
    with open_own(path) as file:
        assert file.read() == b"first"
