"""Plugging into a car: a block of lines in its manage.py and a section of comments in its myconfig.py.

The files are the owner's. They are edited as bytes, so that every other line, its line end and the encoding
stay as they are. What is put in lies between two markers, the first of which holds a digest of the lines in
between: what the owner has changed there is told from an older version of ours, and never overwritten.
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
_NOTE = b" (`donkey-sagemaker uninstall` takes these lines out)"
_MADE = b"# `donkey-sagemaker install` made this file.\n"


class NoManage(BadInput):
    """The folder is not a car's."""

    def __init__(self, manage_path: str) -> None:
        super().__init__(
            f"There is no {manage_path}: this is not a car's folder.",
            "Give --path the folder that `donkey createcar --path FOLDER` made.",
        )


class NotPython(BadInput):
    """A file of the car cannot be compiled, so that there is no telling where to put anything."""

    def __init__(self, path: str, error: Union[SyntaxError, ValueError]) -> None:
        line = getattr(error, "lineno", None)
        super().__init__(
            "{}{} cannot be read by Python {}.{}: {}. The car is left as it was.".format(
                path,
                f", line {line}," if line else "",
                *sys.version_info[:2],
                getattr(error, "msg", error),
            ),
            "Mend it, or run `python -m donkey_sagemaker install` with the Python that drives this car.",
        )


class HookChanged(BadInput):
    """The block in manage.py is not one that install wrote."""

    def __init__(self, manage_path: str, first: int, last: int) -> None:
        super().__init__(
            f"{manage_path}, lines {first} to {last}: what install had put there was changed by hand. "
            "The car is left as it was.",
            "Delete what is left of donkey-sagemaker's lines there, and start again.",
        )


class FileRefused(BadInput):
    """The system does not let us read or write a file of the car."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be read or written: {error.strerror}.",
            "See to it that you may read and write it and the folder it is in, and start again.",
        )


class _Block(NamedTuple):
    """Our lines in a file of the owner's."""

    first: int  # line of the first marker, counted from 1
    last: int
    body: bytes  # the lines in between, each ended by \n
    is_ours: bool  # just as some version of install wrote it


class _Edit(NamedTuple):
    """A file as it is and as it shall be; None where there is none."""

    path: str
    old: Optional[bytes]
    new: Optional[bytes]
    report: str


def install(car_path: str) -> List[str]:
    """Puts our commands into manage.py and our settings, as comments, into myconfig.py.

    Returns:
        what was done, a line a file. What was done before is not done again.

    Raises:
        NoManage, NotPython, HookChanged: and nothing is written.
        FileRefused: by the system.
    """
    return _carry_out([_add_hook(car_path), _add_section(car_path)])


def uninstall(car_path: str) -> List[str]:
    """Takes out what install put in; all else stays byte for byte.

    Returns:
        what was done, a line a file.

    Raises:
        NoManage, HookChanged: and nothing is written.
        FileRefused: by the system.
    """
    return _carry_out([_remove_hook(car_path), _remove_section(car_path)])


def _carry_out(edits: List[_Edit]) -> List[str]:
    for edit in edits:
        try:
            if edit.new is None and edit.old is not None:
                os.remove(edit.path)
            elif edit.new is not None and edit.new != edit.old:
                write_bytes(edit.path, edit.new)
        except OSError as error:
            raise FileRefused(edit.path, error) from error
    return [f"{os.path.basename(edit.path)}: {edit.report}" for edit in edits]


def _add_hook(car_path: str) -> _Edit:
    path = os.path.join(car_path, MANAGE_NAME)
    data = _read_manage(path)
    _check_compiles(path, data)
    with open(os.path.join(templates_path(), HOOK_NAME), encoding="ascii") as template:
        body = template.read().encode("ascii")
    hook = _find_hook(path, data)
    if hook is None:
        return _Edit(path, data, _put_in(data, body, line=_find_place(data)), "commands added")
    if hook.body == body:
        return _Edit(path, data, data, "has the commands already")
    bare = _take_out(data, hook)
    return _Edit(path, data, _put_in(bare, body, line=_find_place(bare)), "commands brought up to date")


def _remove_hook(car_path: str) -> _Edit:
    path = os.path.join(car_path, MANAGE_NAME)
    data = _read_manage(path)
    hook = _find_hook(path, data)
    if hook is None:
        return _Edit(path, data, data, "has no commands of ours")
    return _Edit(path, data, _take_out(data, hook), "commands taken out")


def _add_section(car_path: str) -> _Edit:
    path = os.path.join(car_path, MYCONFIG_NAME)
    data = _read(path)
    body = make_myconfig_section().encode("ascii")
    if data is None:
        return _Edit(path, None, _put_in(b"", _MADE + body, line=0), "made, with the settings as comments")
    section = _find(data)
    if section is None:
        _check_compiles(path, data)
        return _Edit(
            path, data, _put_in(data, body, line=len(_split(data)) - 1), "settings added as comments"
        )
    if not section.is_ours:
        return _Edit(path, data, data, "has settings that you have changed, left as they are")
    if section.body in (body, _MADE + body):
        return _Edit(path, data, data, "has the settings already")
    bare = _take_out(data, section)
    body = _MADE + body if section.body.startswith(_MADE) else body
    return _Edit(path, data, _put_in(bare, body, line=section.first - 1), "settings brought up to date")


def _remove_section(car_path: str) -> _Edit:
    path = os.path.join(car_path, MYCONFIG_NAME)
    data = _read(path)
    section = None if data is None else _find(data)
    if data is None or section is None:
        return _Edit(path, data, data, "has no settings of ours")
    if not section.is_ours:
        return _Edit(path, data, data, "has settings that you have changed, left as they are")
    bare = _take_out(data, section)
    if section.body.startswith(_MADE) and not bare:
        return _Edit(path, data, None, "removed, as install had made it")
    return _Edit(path, data, bare, "settings taken out")


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
        raise FileRefused(path, error) from error


def _check_compiles(path: str, data: bytes) -> None:
    try:
        text = importlib.util.decode_source(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the owner's code may be warned of is not our business
            compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: the encoding, a NUL byte
        raise NotPython(path, error) from error


def _find_place(data: bytes) -> int:
    """The line of manage.py to put the hook after: all that Python wants to be first stays first."""
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
        comments = itertools.takewhile(lambda line: line.strip()[:1] in (b"", b"#"), _split(data)[1:3])
        return len(list(comments))
    # Where a statement ends, ast tells from Python 3.8 on only, and before that not always where it begins.
    tokens = tokenize.generate_tokens(io.StringIO(text + "\n").readline)
    ends = (token.start[0] for token in tokens if token.type == tokenize.NEWLINE)
    return next(end for end in ends if end >= first[-1].lineno)


def _find_hook(path: str, data: bytes) -> Optional[_Block]:
    hook = _find(data)
    if hook is not None and not hook.is_ours:
        raise HookChanged(path, hook.first, hook.last)
    return hook


def _find(data: bytes) -> Optional[_Block]:
    lines = [_strip_line_end(line) for line in _split(data)]
    markers = [number for number, line in enumerate(lines) if line.startswith((_BEGIN, _END))]
    if not markers:
        return None
    first, last = markers[0], markers[-1]
    body = b"".join(line + b"\n" for line in lines[first + 1 : last])
    is_ours = lines[first].startswith(_begin(body)) and lines[last] == _END
    return _Block(first, last, body, is_ours)


def _begin(body: bytes) -> bytes:
    return _BEGIN + hashlib.sha256(body).hexdigest()[:8].encode("ascii")


def _put_in(data: bytes, body: bytes, *, line: int) -> bytes:
    """The file with the block after that line, in the file's line ends.

    The block's line ends stand in front of its lines, and the line's own end behind the block: so the same
    bytes are left when it is taken out, even where that line is the last and has no end.
    """
    lines = _split(data)
    head, tail = b"".join(lines[: line + 1]), b"".join(lines[line + 1 :])
    line_end = _line_end(b"".join(lines[1:2])) or b"\n"  # as the first line ends
    block = line_end.join([_begin(body) + _NOTE] + body.splitlines() + [_END])
    if line == 0:
        return head + block + line_end + tail
    return _strip_line_end(head) + line_end + block + _line_end(head) + tail


def _take_out(data: bytes, block: _Block) -> bytes:
    lines = _split(data)
    head, tail = b"".join(lines[: block.first]), b"".join(lines[block.last + 1 :])
    if block.first == 1:
        return head + tail
    return _strip_line_end(head) + _line_end(lines[block.last]) + tail


def _split(data: bytes) -> List[bytes]:
    """The lines with their ends, in front of them the byte order mark, if any: so line 1 is at 1."""
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    return [bom] + data[len(bom) :].splitlines(True)


def _line_end(text: bytes) -> bytes:
    return text[len(_strip_line_end(text)) :]


def _strip_line_end(text: bytes) -> bytes:
    """The text without the end of its last line, be that \\n, \\r\\n or \\r."""
    for line_end in (b"\r\n", b"\n", b"\r"):
        if text.endswith(line_end):
            return text[: -len(line_end)]
    return text
