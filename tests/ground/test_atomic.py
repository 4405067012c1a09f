"""Atomic writes: the old content or the new one, never half of it."""

import os
import pathlib
import stat
import subprocess
import sys
from typing import List, Optional

import pytest

from donkey_sagemaker import atomic


def names_in(folder: pathlib.Path) -> List[str]:
    return sorted(os.listdir(str(folder)))


def test_write_bytes_makes_a_new_file(tmp_path: pathlib.Path) -> None:
    """It has the content, the mode of the umask, and leaves no other file."""
    path = tmp_path / "a.bin"
    atomic.write_bytes(str(path), b"\x00new")
    other = tmp_path / "other"
    other.write_bytes(b"")
    assert path.read_bytes() == b"\x00new"
    assert path.stat().st_mode == other.stat().st_mode
    assert names_in(tmp_path) == ["a.bin", "other"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_write_bytes_keeps_the_mode(tmp_path: pathlib.Path) -> None:
    """An executable manage.py stays executable."""
    path = tmp_path / "manage.py"
    path.write_bytes(b"old")
    path.chmod(0o750)
    atomic.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_write_bytes_writes_through_a_link(tmp_path: pathlib.Path) -> None:
    """A configuration that is linked into the car is written where it really is."""
    kept = tmp_path / "kept.py"
    kept.write_bytes(b"old")
    link = tmp_path / "myconfig.py"
    link.symlink_to(kept)
    atomic.write_bytes(str(link), b"new")
    assert link.is_symlink()
    assert kept.read_bytes() == b"new"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: pathlib.Path) -> None:
    """A value that is not bytes raises an error before the old content changes."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        atomic.write_bytes(str(path), "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.bin"]


def test_write_text_keeps_line_ends_and_writes_utf8(tmp_path: pathlib.Path) -> None:
    """CRLF stays CRLF on every system."""
    path = tmp_path / "a.txt"
    atomic.write_text(str(path), "ä\r\nb\n")
    assert path.read_bytes() == b"\xc3\xa4\r\nb\n"


def test_write_json(tmp_path: pathlib.Path) -> None:
    """JSON is indented ASCII, which can be read in any locale."""
    path = tmp_path / "a.json"
    atomic.write_json(str(path), {"name": "ä"})
    assert path.read_bytes() == b'{\n    "name": "\\u00e4"\n}\n'


def make(path: pathlib.Path, content: str) -> None:
    """Makes a file with the content, or a folder with such a file in it."""
    if content.startswith("folder"):
        path.mkdir()
        (path / "f").write_text(content)
    else:
        path.write_text(content)


def content_of(path: pathlib.Path) -> str:
    return (path / "f").read_text() if path.is_dir() else path.read_text()


@pytest.mark.parametrize("exchange", ["system", "with a gap"])
@pytest.mark.parametrize("old", [None, "file old", "folder old"])
@pytest.mark.parametrize("new", ["file new", "folder new"])
def test_replace_path(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, old: Optional[str], new: str, exchange: str
) -> None:
    """A file or folder replaces nothing, a file or a folder, on every kind of system."""
    if exchange == "with a gap":
        monkeypatch.setattr(atomic, "exchange", lambda first, second: False)
    target, staged = tmp_path / "target", tmp_path / "staged"
    if old:
        make(target, old)
    make(staged, new)
    atomic.replace_path(str(staged), str(target))
    assert content_of(target) == new
    assert names_in(tmp_path) == ["target"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux's")
def test_linux_exchanges_folders_in_one_step(tmp_path: pathlib.Path) -> None:
    """The target is never missing in between."""
    first, second = tmp_path / "first", tmp_path / "second"
    make(first, "folder 1")
    make(second, "folder 2")
    assert atomic.exchange(str(first), str(second))
    assert (content_of(first), content_of(second)) == ("folder 2", "folder 1")


def test_an_exchange_that_fails_raises_an_error(tmp_path: pathlib.Path) -> None:
    """A missing file is an error, and not a reason to replace with a gap."""
    make(tmp_path / "first", "folder 1")
    with pytest.raises(FileNotFoundError):
        atomic.exchange(str(tmp_path / "first"), str(tmp_path / "missing"))


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot check whether a process is running")
def test_sweep_removes_the_half_written_files_of_killed_writers(tmp_path: pathlib.Path) -> None:
    """Those of running writers and the user's own hidden files stay."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    digits = "0123456789abcdef" * 2
    mine = f".config.py.{os.getpid()}-{digits}.part"
    (tmp_path / f".config.py.{ended.pid}-{digits}.part").write_text("half")
    for name in (mine, ".hidden.part", ".git"):
        (tmp_path / name).write_text("")
    atomic.sweep(str(tmp_path))
    assert names_in(tmp_path) == sorted([mine, ".hidden.part", ".git"])
    atomic.sweep(str(tmp_path / "none"))


def leave_half(path: pathlib.Path, only_writer: bool) -> None:
    """Starts a writer that is killed before it is done."""
    code = (
        "import os, sys; from donkey_sagemaker.atomic import open_atomic\n"
        "with open_atomic(sys.argv[1], only_writer=sys.argv[2] == 'True') as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(1)\n"
    )
    assert subprocess.call([sys.executable, "-c", code, str(path), str(only_writer)]) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot check whether a process is running")
def test_sweep_knows_the_names_that_writers_use(tmp_path: pathlib.Path) -> None:
    """A writer that is killed before the rename leaves a file that the sweep removes."""
    leave_half(tmp_path / "a.bin", only_writer=False)
    assert len(names_in(tmp_path)) == 1
    atomic.sweep(str(tmp_path))
    assert names_in(tmp_path) == []


def test_an_only_writer_leaves_at_most_one_half_written_file(tmp_path: pathlib.Path) -> None:
    """The next write uses the same hidden file, however many writers were killed before."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    for _ in range(2):
        leave_half(path, only_writer=True)
    assert names_in(tmp_path) == [".a.bin.part", "a.bin"] and path.read_bytes() == b"old"
    atomic.write_bytes(str(path), b"new", only_writer=True)
    assert names_in(tmp_path) == ["a.bin"] and path.read_bytes() == b"new"


def test_a_block_that_raises_keeps_the_old_file(tmp_path: pathlib.Path) -> None:
    """And removes its own half-written one."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyError):
        with atomic.open_atomic(str(path)) as file:
            file.write(b"half")
            raise KeyError
    assert names_in(tmp_path) == ["a.bin"] and path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_file_of_our_own_replaces_a_link(tmp_path: pathlib.Path) -> None:
    """What it leads to is not ours."""
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "job.json").symlink_to("precious")
    atomic.write_json(str(tmp_path / "job.json"), {})
    assert not (tmp_path / "job.json").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_sweep_tree(tmp_path: pathlib.Path) -> None:
    """Half-written files in all folders, but only those of processes that have ended."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    ended, running = (f".x.{number}-{'0' * 32}.part" for number in (2**22 + 1, os.getpid()))
    for folder in (tmp_path, tmp_path / "a" / "b"):
        for name in (ended, running, "x"):
            (folder / name).write_bytes(b"")
    atomic.sweep_tree(str(tmp_path))
    assert names_in(tmp_path / "a" / "b") == names_in(tmp_path)[:1] + ["x"] == [running, "x"]
