"""atomic: the old or the new, never half of either."""

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
    """A new file has the bytes, the mode that the umask gives, and leaves nothing beside it."""
    path = tmp_path / "a.bin"
    atomic.write_bytes(str(path), b"\x00new")
    other = tmp_path / "other"
    other.write_bytes(b"")
    assert path.read_bytes() == b"\x00new"
    assert path.stat().st_mode == other.stat().st_mode
    assert names_in(tmp_path) == ["a.bin", "other"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_write_bytes_keeps_the_mode(tmp_path: pathlib.Path) -> None:
    """A manage.py that can be executed still can after it was written."""
    path = tmp_path / "manage.py"
    path.write_bytes(b"old")
    path.chmod(0o750)
    atomic.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_write_bytes_writes_through_a_link(tmp_path: pathlib.Path) -> None:
    """A configuration kept elsewhere and linked into the car is written where it is kept."""
    kept = tmp_path / "kept.py"
    kept.write_bytes(b"old")
    link = tmp_path / "myconfig.py"
    link.symlink_to(kept)
    atomic.write_bytes(str(link), b"new")
    assert link.is_symlink()
    assert kept.read_bytes() == b"new"


def test_a_refused_write_leaves_the_old_file_and_nothing_else(tmp_path: pathlib.Path) -> None:
    """A value that is not bytes fails before the old content is touched."""
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
    """JSON is indented ASCII, so that a file opened in any locale reads."""
    path = tmp_path / "a.json"
    atomic.write_json(str(path), {"name": "ä"})
    assert path.read_bytes() == b'{\n    "name": "\\u00e4"\n}\n'


def make(path: pathlib.Path, content: str) -> None:
    """A file of the content, or a folder with a file f of it."""
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
    """A file or folder takes the place of nothing, a file or a folder, on every kind of system."""
    if exchange == "with a gap":
        monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    target, staged = tmp_path / "target", tmp_path / "staged"
    if old:
        make(target, old)
    make(staged, new)
    atomic.replace_path(str(staged), str(target))
    assert content_of(target) == new
    assert names_in(tmp_path) == ["target"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux's")
def test_linux_exchanges_folders_in_one_step(tmp_path: pathlib.Path) -> None:
    """Where this project's tests run, the exchange is the one without a gap."""
    first, second = tmp_path / "first", tmp_path / "second"
    make(first, "folder 1")
    make(second, "folder 2")
    assert atomic._exchange(str(first), str(second))
    assert (content_of(first), content_of(second)) == ("folder 2", "folder 1")


def test_an_exchange_that_fails_says_so(tmp_path: pathlib.Path) -> None:
    """A missing name is an error of the system, not a reason to take the way with a gap."""
    make(tmp_path / "first", "folder 1")
    with pytest.raises(FileNotFoundError):
        atomic._exchange(str(tmp_path / "first"), str(tmp_path / "missing"))


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot ask whether a process lives")
def test_sweep_removes_what_a_killed_writer_left(tmp_path: pathlib.Path) -> None:
    """Its half-written file goes; that of a living writer and the user's own hidden files stay."""
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


def test_sweep_knows_the_names_that_write_bytes_makes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that dies before the rename leaves a name that the sweep matches."""
    left: List[str] = []

    def die(stage: str, target: str) -> None:
        left.append(os.path.basename(stage))
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic, "replace_path", die)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_bytes(str(tmp_path / "a.bin"), b"new")
    assert atomic._STAGE.fullmatch(left[0]).group(1) == str(os.getpid())
