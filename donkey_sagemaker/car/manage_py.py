"""`install` and `uninstall`: adds a block of lines to a car's manage.py and comments to its myconfig.py.

The files belong to the owner. They are edited as bytes, so that the encoding and every other line stay the
same. The added lines are between two markers. The first marker contains a digest of these lines: it
distinguishes lines that the owner has edited, which are never overwritten, from those of an older version.
"""

import ast
import codecs
import hashlib
import importlib.util
import io
import itertools
import os
import sys
import tokenize
import warnings
from typing import List, NamedTuple, Optional, Union

from ..atomic import write_bytes
from ..contract import MYCONFIG_NAME
from ..errors import BadInput
from ..resources import templates_path
from ..settings import make_myconfig_section

MANAGE_NAME = "manage.py"
HOOK_NAME = "manage_hook.py"  # in templates/

_BEGIN = b"# >>> donkey-sagemaker "
_END = b"# <<< donkey-sagemaker"
_NOTE = b" (`donkey-sagemaker uninstall` removes these lines)"
_MADE = b"# `donkey-sagemaker install` made this file.\n"  # cars in use contain this line: keep it
_CHANGED = "contains settings that you changed, which were left as they are"


class NoManage(BadInput):
    """The folder is not a car's."""

    def __init__(self, manage_path: str) -> None:
        super().__init__(
            f"{manage_path} does not exist, so this is not a car's folder.",
            "Pass --path the folder that `donkey createcar --path FOLDER` created.",
        )


class NotPython(BadInput):
    """A file of the car does not compile, so there is no way to know where lines can be added."""

    def __init__(self, path: str, error: Union[SyntaxError, ValueError]) -> None:
        line = getattr(error, "lineno", None)
        location = f"{path}, line {line}," if line else path
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        super().__init__(
            f"{location} is not valid Python {version}: {getattr(error, 'msg', error)}. Nothing was changed.",
            "Fix it, or run `python -m donkey_sagemaker install` with the Python that drives this car.",
        )


class HookChanged(BadInput):
    """The block in manage.py is not as install wrote it."""

    def __init__(self, manage_path: str, first: int, last: int) -> None:
        super().__init__(
            f"{manage_path}, lines {first} to {last}: the lines that install added were changed by hand. "
            "Nothing was changed.",
            "Delete the remaining donkey-sagemaker lines there, and run the command again.",
        )


class FileNotAccessible(BadInput):
    """The operating system does not allow reading or writing a file of the car."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"{path} could not be read or written: {error.strerror}.",
            "Check that you have permission to read and write the file and its folder, "
            "and run the command again.",
        )


class _Block(NamedTuple):
    """The lines that install added to a file, with their markers."""

    first: int  # line number of the first marker, counted from 1
    last: int
    body: bytes  # the lines between the markers, each ending with \n
    is_unchanged: bool  # exactly as some version of install wrote it


class _Edit(NamedTuple):
    """The content of a file before and after an edit; None if the file does not exist."""

    path: str
    old: Optional[bytes]
    new: Optional[bytes]
    report: str


def install(car_path: str) -> List[str]:
    """Adds the commands to manage.py and the settings, as comments, to myconfig.py.

    Running it again changes nothing more, except to update the lines that an older version added.

    Returns:
        what was done, one line per file.

    Raises:
        NoManage, NotPython, HookChanged: nothing was written.
        FileNotAccessible
    """
    return _apply([_add_hook(car_path), _add_section(car_path)])


def uninstall(car_path: str) -> List[str]:
    """Removes what install added. Everything else stays the same, byte for byte.

    Returns:
        what was done, one line per file.

    Raises:
        NoManage, HookChanged: nothing was written.
        FileNotAccessible
    """
    return _apply([_remove_hook(car_path), _remove_section(car_path)])


def _apply(edits: List[_Edit]) -> List[str]:
    for edit in edits:
        try:
            if edit.new is None and edit.old is not None:
                os.remove(edit.path)
            elif edit.new is not None and edit.new != edit.old:
                write_bytes(edit.path, edit.new)
        except OSError as error:
            raise FileNotAccessible(edit.path, error) from error
    return [f"{os.path.basename(edit.path)}: {edit.report}" for edit in edits]


def _add_hook(car_path: str) -> _Edit:
    path = os.path.join(car_path, MANAGE_NAME)
    data = _read_manage(path)
    _check_compiles(path, data)
    with open(os.path.join(templates_path(), HOOK_NAME), encoding="ascii") as template:
        body = template.read().encode("ascii")
    hook = _find_hook(path, data)
    if hook is None:
        return _Edit(path, data, _insert_block(data, body, after=_hook_position(data)), "commands added")
    if hook.body == body:
        return _Edit(path, data, data, "already has the commands")
    bare = _remove_block(data, hook)
    return _Edit(path, data, _insert_block(bare, body, after=_hook_position(bare)), "commands updated")


def _remove_hook(car_path: str) -> _Edit:
    path = os.path.join(car_path, MANAGE_NAME)
    data = _read_manage(path)
    hook = _find_hook(path, data)
    if hook is None:
        return _Edit(path, data, data, "has no donkey-sagemaker commands")
    return _Edit(path, data, _remove_block(data, hook), "commands removed")


def _add_section(car_path: str) -> _Edit:
    path = os.path.join(car_path, MYCONFIG_NAME)
    data = _read(path)
    body = make_myconfig_section().encode("ascii")
    if data is None:
        content = _insert_block(b"", _MADE + body, after=0)
        return _Edit(path, None, content, "created, with the settings as comments")
    section = _find_block(data)
    if section is None:
        _check_compiles(path, data)
        content = _insert_block(data, body, after=len(_split_lines(data)) - 1)
        return _Edit(path, data, content, "settings added as comments")
    if not section.is_unchanged:
        return _Edit(path, data, data, _CHANGED)
    if section.body in (body, _MADE + body):
        return _Edit(path, data, data, "already has the settings")
    bare = _remove_block(data, section)
    body = _MADE + body if section.body.startswith(_MADE) else body
    return _Edit(path, data, _insert_block(bare, body, after=section.first - 1), "settings updated")


def _remove_section(car_path: str) -> _Edit:
    path = os.path.join(car_path, MYCONFIG_NAME)
    data = _read(path)
    section = None if data is None else _find_block(data)
    if data is None or section is None:
        return _Edit(path, data, data, "has no donkey-sagemaker settings")
    if not section.is_unchanged:
        return _Edit(path, data, data, _CHANGED)
    bare = _remove_block(data, section)
    if section.body.startswith(_MADE) and not bare:
        return _Edit(path, data, None, "removed, because install created it")
    return _Edit(path, data, bare, "settings removed")


def _read_manage(path: str) -> bytes:
    data = _read(path)
    if data is None:
        raise NoManage(path)
    return data


def _read(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileNotAccessible(path, error) from error


def _check_compiles(path: str, data: bytes) -> None:
    try:
        text = importlib.util.decode_source(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the owner's code do not matter here
            compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: a wrong encoding or a NUL byte
        raise NotPython(path, error) from error


def _hook_position(data: bytes) -> int:
    """The line of manage.py after which the hook goes: what Python requires to come first stays first."""
    text = importlib.util.decode_source(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    first = [
        statement
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__" and not statement.level
    ]  # type: List[ast.stmt]
    if ast.get_docstring(tree, clean=False) is not None:
        first.insert(0, tree.body[0])
    if not first:  # the shebang and the encoding can only be in the first two lines
        comments = itertools.takewhile(lambda line: line.strip()[:1] in (b"", b"#"), _split_lines(data)[1:3])
        return len(list(comments))
    # Before Python 3.8, ast does not report the end of a statement, and not always its correct beginning.
    tokens = tokenize.generate_tokens(io.StringIO(text + "\n").readline)
    ends = (token.start[0] for token in tokens if token.type == tokenize.NEWLINE)
    return next(end for end in ends if end >= first[-1].lineno)


def _find_hook(path: str, data: bytes) -> Optional[_Block]:
    hook = _find_block(data)
    if hook is not None and not hook.is_unchanged:
        raise HookChanged(path, hook.first, hook.last)
    return hook


def _find_block(data: bytes) -> Optional[_Block]:
    lines = [_strip_line_end(line) for line in _split_lines(data)]
    markers = [number for number, line in enumerate(lines) if line.startswith((_BEGIN, _END))]
    if not markers:
        return None
    first, last = markers[0], markers[-1]
    body = b"".join(line + b"\n" for line in lines[first + 1 : last])
    is_unchanged = lines[first].startswith(_begin_marker(body)) and lines[last] == _END
    return _Block(first, last, body, is_unchanged)


def _begin_marker(body: bytes) -> bytes:
    return _BEGIN + hashlib.sha256(body).hexdigest()[:8].encode("ascii")


def _insert_block(data: bytes, body: bytes, *, after: int) -> bytes:
    """The file with the block inserted after that line, using the line ends of the file.

    A line end goes in front of each line of the block, and the end of the line before it goes behind the
    block. Removing the block then leaves the original bytes, even if that line is the last and has no end.
    """
    lines = _split_lines(data)
    head, tail = b"".join(lines[: after + 1]), b"".join(lines[after + 1 :])
    line_end = _line_end(b"".join(lines[1:2])) or b"\n"  # the same as that of the first line
    block = line_end.join([_begin_marker(body) + _NOTE] + body.splitlines() + [_END])
    if after == 0:
        return head + block + line_end + tail
    return _strip_line_end(head) + line_end + block + _line_end(head) + tail


def _remove_block(data: bytes, block: _Block) -> bytes:
    lines = _split_lines(data)
    head, tail = b"".join(lines[: block.first]), b"".join(lines[block.last + 1 :])
    if block.first == 1:
        return head + tail
    return _strip_line_end(head) + _line_end(lines[block.last]) + tail


def _split_lines(data: bytes) -> List[bytes]:
    """The byte order mark or an empty string, then the lines with their ends: line 1 has the index 1."""
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    return [bom] + data[len(bom) :].splitlines(True)


def _line_end(text: bytes) -> bytes:
    return text[len(_strip_line_end(text)) :]


def _strip_line_end(text: bytes) -> bytes:
    """The text without the end of its last line: \\n, \\r\\n or \\r."""
    for line_end in (b"\r\n", b"\n", b"\r"):
        if text.endswith(line_end):
            return text[: -len(line_end)]
    return text
