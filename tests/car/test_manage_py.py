"""install and uninstall on files of every kind."""

import ast
import codecs
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from donkey_sagemaker.car.manage_py import (
    FileNotAccessible,
    HookChanged,
    NoManage,
    NotPython,
    install,
    uninstall,
)

ADDED = ["manage.py: commands added", "myconfig.py: created, with the settings as comments"]
ALREADY = ["manage.py: already has the commands", "myconfig.py: already has the settings"]
REMOVED = ["manage.py: commands removed", "myconfig.py: removed, because install created it"]

DOC = b'"""My car.\n\nUsage:\n    manage.py (drive)\n"""\n'
CODE = b"import os\nprint(os.name)\n"
BEGIN = b"# >>> donkey-sagemaker "
END = b"# <<< donkey-sagemaker"


def make_car(tmp_path: Path, manage: bytes, myconfig: Optional[bytes] = None) -> str:
    """A car's folder with these files."""
    (tmp_path / "manage.py").write_bytes(manage)
    if myconfig is not None:
        (tmp_path / "myconfig.py").write_bytes(myconfig)
    return str(tmp_path)


def read(car_path: str, name: str = "manage.py") -> bytes:
    return Path(car_path, name).read_bytes()


def read_all(car_path: str) -> Dict[str, bytes]:
    return {name: read(car_path, name) for name in os.listdir(car_path)}


SHAPES = {
    "docstring": (DOC, CODE),
    "shebang": (b"#!/usr/bin/env python3\n" + DOC, CODE),
    "encoding": (
        b"#!/usr/bin/env python3\n# -*- coding: latin-1 -*-\n# by J\xfcrgen\n" + DOC,
        b"x = '\xfc'\n",
    ),
    "future": (
        DOC
        + b"\n# why\nfrom __future__ import annotations_maybe\n".replace(b"annotations_maybe", b"division"),
        CODE,
    ),
    "futures": (
        b"from __future__ import (division,\n    print_function)\nfrom __future__ import generators\n",
        CODE,
    ),
    "future and more": (b'"doc"; from __future__ import division; import sys\n', CODE),
    "no docstring": (b"", CODE),
    "shebang alone": (b"#!/usr/bin/env python3\n", CODE),
    "shebang, encoding": (b"#!/usr/bin/env python3\n# coding: utf-8\n", b"# note\n" + CODE),
    "encoding below a blank line": (b"\n# coding: latin-1\n", b"x = '\xfc'\n"),
    "decorated first": (b"", b"@staticmethod\ndef f():\n    pass\n"),
    "string that is no docstring": (b"", b'"a {}".format(\n1)\n' + CODE),
    "bytes that are no docstring": (b"", b'b"""a\nb"""\n' + CODE),
    "docstring of parts": (b'("""a\n"""\n"b" \\\n"c")\n', CODE),
    "docstring, comment": (b"# one\n# two\n# three\nr'''a\\d''' # four\n", CODE),
    "CRLF": (DOC.replace(b"\n", b"\r\n"), CODE.replace(b"\n", b"\r\n")),
    "CR": (DOC.replace(b"\n", b"\r"), CODE.replace(b"\n", b"\r")),
    "mixed line ends": (b'"""a\nb"""\r\n', CODE),
    "BOM": (codecs.BOM_UTF8 + DOC, CODE),
    "BOM, no docstring": (codecs.BOM_UTF8, CODE),
    "BOM, CRLF, no docstring": (codecs.BOM_UTF8, CODE.replace(b"\n", b"\r\n")),
    "docstring without line end": (DOC[:-1], b""),
    "CRLF docstring without line end": (DOC.replace(b"\n", b"\r\n")[:-2], b""),
    "no line end": (DOC, CODE[:-1]),
    "empty": (b"", b""),
    "shebang, form feed": (b"#!/usr/bin/env python3 \x0c# note\n", CODE),
    "form feed": (DOC, b"\x0c\n" + CODE),
}


@pytest.mark.parametrize("head, tail", SHAPES.values(), ids=list(SHAPES))
def test_hook_is_in_the_right_place_and_can_be_removed(tmp_path: Path, head: bytes, tail: bytes) -> None:
    """The hook follows what must come first and precedes everything else; removing it restores the bytes."""
    car_path = make_car(tmp_path, head + tail)
    before = ast.parse(head + tail)
    assert install(car_path) == ADDED
    manage = read(car_path)
    start, stop = manage.index(BEGIN), manage.index(END) + len(END)
    assert manage[:start].rstrip(b"\r\n") == head.rstrip(b"\r\n")
    assert manage[stop:].strip(b"\r\n") == tail.strip(b"\r\n")
    line_ends = {line[len(line.rstrip(b"\r\n")) :] for line in manage[start:stop].splitlines(True)[:-1]}
    assert len(line_ends) == 1 and line_ends.pop() in head + tail + b"\n"

    after = ast.parse(manage)
    compile(manage, "manage.py", "exec")
    assert ast.get_docstring(after, clean=False) == ast.get_docstring(before, clean=False)
    hooks = [statement for statement in after.body if isinstance(statement, ast.If)]
    assert len(hooks) == 1 and len(after.body) == len(before.body) + 1

    assert install(car_path) == ALREADY
    assert read(car_path) == manage
    assert uninstall(car_path) == REMOVED
    assert read_all(car_path) == {"manage.py": head + tail}


def test_uninstall_twice(tmp_path: Path) -> None:
    """A car that has no donkey-sagemaker lines is not changed."""
    car_path = make_car(tmp_path, DOC + CODE, b"IMAGE_W = 160\n")
    assert uninstall(car_path) == [
        "manage.py: has no donkey-sagemaker commands",
        "myconfig.py: has no donkey-sagemaker settings",
    ]
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": b"IMAGE_W = 160\n"}


def test_edits_of_the_owner_are_kept(tmp_path: Path) -> None:
    """What the owner changed above and below the hook stays."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    edited = (b"#!/usr/bin/python\n" + read(car_path)).replace(b"My car", b"Our car") + b"more = 1\n"
    make_car(tmp_path, edited)
    assert install(car_path) == ALREADY
    assert read(car_path) == edited
    uninstall(car_path)
    expected = b"#!/usr/bin/python\n" + DOC.replace(b"My car", b"Our car") + CODE + b"more = 1\n"
    assert read(car_path) == expected


def test_code_added_after_a_docstring_without_line_end(tmp_path: Path) -> None:
    """Code that the owner added below the hook stays on its own line."""
    car_path = make_car(tmp_path, DOC[:-1])
    install(car_path)
    make_car(tmp_path, read(car_path) + b"\nimport os\n")
    uninstall(car_path)
    assert read(car_path) == DOC + b"import os\n"


def make_older(data: bytes, car_path: str, name: str) -> bytes:
    """Writes the file as an older version of install would have: with another last line in the block."""
    # The digest in the marker is that of the lines in the block, in every version
    lines = data.splitlines(True)
    first = next(number for number, line in enumerate(lines) if line.startswith(BEGIN))
    last = next(number for number, line in enumerate(lines) if line.startswith(END))
    body = lines[first + 1 : last] + [b"# older\n"]
    digest = hashlib.sha256(b"".join(body)).hexdigest()[:8]
    older = b"".join(lines[:first] + [BEGIN + digest.encode() + b" an older note\n"] + body + lines[last:])
    Path(car_path, name).write_bytes(older)
    return older


def test_older_version_is_replaced(tmp_path: Path) -> None:
    """The lines of an older version are replaced by those of this version."""
    car_path = make_car(tmp_path, DOC + CODE, b"IMAGE_W = 160\n")
    install(car_path)
    files = read_all(car_path)
    for name, data in files.items():
        assert make_older(data, car_path, name) != data
    assert install(car_path) == [
        "manage.py: commands updated",
        "myconfig.py: settings updated",
    ]
    assert read_all(car_path) == files


def test_older_version_of_a_created_myconfig(tmp_path: Path) -> None:
    """After an update, a myconfig.py that install created is still recognized as such."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    make_older(read(car_path, "myconfig.py"), car_path, "myconfig.py")
    assert install(car_path)[1] == "myconfig.py: settings updated"
    assert uninstall(car_path)[1] == "myconfig.py: removed, because install created it"


def test_mode_and_link_stay(tmp_path: Path) -> None:
    """The real file is edited, the link to it stays a link, and the file stays executable."""
    real_path, car_path = tmp_path / "real", tmp_path / "car"
    real_path.mkdir()
    car_path.mkdir()
    make_car(real_path, DOC + CODE)
    (real_path / "manage.py").chmod(0o751)
    (car_path / "manage.py").symlink_to(real_path / "manage.py")
    install(str(car_path))
    assert (car_path / "manage.py").is_symlink()
    assert stat.S_IMODE((real_path / "manage.py").stat().st_mode) == 0o751
    assert BEGIN in read(str(real_path))
    assert os.listdir(str(real_path)) == ["manage.py"]
    uninstall(str(car_path))
    assert (car_path / "manage.py").is_symlink()
    assert stat.S_IMODE((real_path / "manage.py").stat().st_mode) == 0o751
    assert read(str(real_path)) == DOC + CODE


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    """The second install does not even write to the files."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    for name in ("manage.py", "myconfig.py"):
        os.utime(os.path.join(car_path, name), (1, 1))
    install(car_path)
    assert [os.stat(os.path.join(car_path, name)).st_mtime for name in ("manage.py", "myconfig.py")] == [1, 1]


@pytest.mark.parametrize("command", [install, uninstall])
def test_not_a_car(tmp_path: Path, command: Callable[[str], List[str]]) -> None:
    """A folder without manage.py is not a car's, and nothing is created in it."""
    with pytest.raises(NoManage) as caught:
        command(str(tmp_path))
    assert caught.value.what == f"{tmp_path / 'manage.py'} does not exist, so this is not a car's folder."
    assert caught.value.fix == "Pass --path the folder that `donkey createcar --path FOLDER` created."
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "manage, line",
    [
        (b"import os\nprint 'Python 2'\n", ", line 2,"),
        (b"x = 1\n\nif x\n    pass\n", ", line 3,"),
        (DOC + b"x = 1\0\n", ""),
        (b"# coding: no-such\n", ""),
        (b"# \xfc\n", ""),
    ],
    ids=["Python 2", "syntax error", "NUL", "unknown encoding", "not UTF-8"],
)
def test_manage_that_cannot_be_compiled(tmp_path: Path, manage: bytes, line: str) -> None:
    """A manage.py that this Python cannot compile is an error, and the car is not changed."""
    car_path = make_car(tmp_path, manage)
    with pytest.raises(NotPython) as caught:
        install(car_path)
    location, version = f"{tmp_path / 'manage.py'}{line}", "{}.{}".format(*sys.version_info)
    assert caught.value.what.startswith(f"{location} is not valid Python {version}: ")
    assert caught.value.what.endswith(". Nothing was changed.")
    assert caught.value.fix == (
        "Fix it, or run `python -m donkey_sagemaker install` with the Python that drives this car."
    )
    assert read_all(car_path) == {"manage.py": manage}


def test_myconfig_that_cannot_be_compiled(tmp_path: Path) -> None:
    """A broken myconfig.py is reported before manage.py is changed."""
    car_path = make_car(tmp_path, DOC + CODE, b"X = '''\n")
    with pytest.raises(NotPython) as caught:
        install(car_path)
    assert caught.value.what.startswith(str(tmp_path / "myconfig.py"))
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": b"X = '''\n"}


def break_begin(manage: bytes) -> bytes:
    return manage.replace(manage[manage.index(BEGIN) :].splitlines(True)[0], b"")


BREAKS = {
    "no begin": break_begin,
    "no end": lambda manage: manage.replace(END + b"\n", b""),
    "edited": lambda manage: manage.replace(b"sys.exit(2)", b"sys.exit(3)"),
    "end edited": lambda manage: manage.replace(END, END + b" here"),
    "twice": lambda manage: manage + manage[manage.index(BEGIN) :],
}  # type: Dict[str, Callable[[bytes], bytes]]


@pytest.mark.parametrize("command", [install, uninstall])
@pytest.mark.parametrize("edit", BREAKS.values(), ids=list(BREAKS))
def test_changed_hook_is_an_error(
    tmp_path: Path, command: Callable[[str], List[str]], edit: Callable[[bytes], bytes]
) -> None:
    """A block that is incomplete or edited is reported with its line numbers, and the car is not changed."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    broken = edit(read(car_path))
    make_car(tmp_path, broken)
    files = read_all(car_path)
    marked = [number for number, line in enumerate(broken.splitlines(), 1) if line.startswith((BEGIN, END))]
    with pytest.raises(HookChanged) as caught:
        command(car_path)
    assert caught.value.what == (
        f"{tmp_path / 'manage.py'}, lines {marked[0]} to {marked[-1]}: the lines that install added were "
        "changed by hand. Nothing was changed."
    )
    assert caught.value.fix == "Delete the remaining donkey-sagemaker lines there, and run the command again."
    assert read_all(car_path) == files


MYCONFIGS = {
    "usual": b"# My CAR CONFIG\nIMAGE_W = 160\n",
    "no line end": b"IMAGE_W = 160",
    "CRLF": b"IMAGE_W = 160\r\nIMAGE_H = 120\r\n",
    "empty": b"",
    "BOM": codecs.BOM_UTF8 + b"IMAGE_W = 160\n",
    "latin-1": b"# coding: latin-1\nNAME = '\xfc'\n",
}


@pytest.mark.parametrize("myconfig", MYCONFIGS.values(), ids=list(MYCONFIGS))
def test_section_is_appended_and_removed(tmp_path: Path, myconfig: bytes) -> None:
    """The section consists of comments with the line ends of the file, and uninstall restores the bytes."""
    car_path = make_car(tmp_path, DOC + CODE, myconfig)
    assert install(car_path)[1] == "myconfig.py: settings added as comments"
    changed = read(car_path, "myconfig.py")
    assert changed.startswith(myconfig)
    assert b"# SAGEMAKER_SPOT = False" in changed.splitlines()
    assert (b"\r\n" in myconfig) == (b"\r\n" in changed) and (
        b"\r\n" not in changed or changed.count(b"\n") == changed.count(b"\r\n")
    )
    namespace, changed_namespace = {}, {}  # type: Dict[str, object], Dict[str, object]
    exec(compile(myconfig, "myconfig.py", "exec"), {}, namespace)
    exec(compile(changed, "myconfig.py", "exec"), {}, changed_namespace)
    assert changed_namespace == namespace
    assert install(car_path) == ALREADY
    assert uninstall(car_path)[1] == "myconfig.py: settings removed"
    assert read(car_path, "myconfig.py") == myconfig


def test_lines_added_after_the_section(tmp_path: Path) -> None:
    """A myconfig.py that install created is kept if the owner added lines to it."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    with open(os.path.join(car_path, "myconfig.py"), "a") as file:
        file.write("IMAGE_W = 120\n")
    assert install(car_path) == ALREADY
    assert uninstall(car_path)[1] == "myconfig.py: settings removed"
    assert read(car_path, "myconfig.py") == b"IMAGE_W = 120\n"


@pytest.mark.parametrize("myconfig", [None, b"IMAGE_W = 160\n"])
def test_changed_section_is_kept(tmp_path: Path, myconfig: Optional[bytes]) -> None:
    """A setting that the owner changed is never lost."""
    car_path = make_car(tmp_path, DOC + CODE, myconfig)
    install(car_path)
    edited = read(car_path, "myconfig.py").replace(b"# SAGEMAKER_SPOT = False", b"SAGEMAKER_SPOT = True")
    Path(car_path, "myconfig.py").write_bytes(edited)
    report = "myconfig.py: contains settings that you changed, which were left as they are"
    assert install(car_path) == ["manage.py: already has the commands", report]
    assert uninstall(car_path) == ["manage.py: commands removed", report]
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": edited}


@pytest.fixture
def read_only_car() -> Iterator[str]:
    """A car in a read-only folder. Root can write anywhere, so it runs as nobody in the meantime."""
    with tempfile.TemporaryDirectory() as folder:
        make_car(Path(folder), DOC + CODE)
        os.chmod(folder, 0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        yield folder
        if is_root:
            os.seteuid(0)
        os.chmod(folder, 0o755)


def test_read_only_folder(read_only_car: str) -> None:
    """A read-only folder is reported with the reason of the operating system."""
    with pytest.raises(FileNotAccessible) as caught:
        install(read_only_car)
    path = os.path.join(read_only_car, "manage.py")
    assert caught.value.what == path + " could not be read or written: Permission denied."
    assert caught.value.fix == (
        "Check that you have permission to read and write the file and its folder, and run the command again."
    )
    assert read_all(read_only_car) == {"manage.py": DOC + CODE}


def test_manage_is_a_folder(tmp_path: Path) -> None:
    """A folder in place of manage.py is reported with the reason of the operating system."""
    path = tmp_path / "manage.py"
    path.mkdir()
    with pytest.raises(FileNotAccessible) as caught:
        install(str(tmp_path))
    assert caught.value.what == f"{path} could not be read or written: Is a directory."
