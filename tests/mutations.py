"""Damaged and hostile inputs, made from good ones. The same dice give the same input.

Every function returns what it made together with a few words on it, for the message of a test that fails.
"""

import contextlib
import copy
import gzip
import io
import json
import os
import random
import socket
import tarfile
from typing import Any, List, Tuple

from donkey_sagemaker.atomic import remove_path

Made = Tuple[bytes, str]

HUGE_BYTES = 1 << 40  # of a sparse file: whoever reads all of it runs out of memory at once

TEXTS = (
    "",
    " ",
    ".",
    "..",
    "/",
    "../victim",
    "../../outside/victim",
    "../../../outside/victim",
    "..\\..\\outside\\victim",
    "a/../../b",
    "C:victim",
    "~",
    "-rf",
    "pilot",
    "models/x; touch PWNED #",
    "$(touch PWNED)",
    "<script>alert(1)</script>",
    "\x1b]0;title\x07\x1b[2J",
    "one\r\ntwo",
    "\x00",
    "nul\x00inside",
    "\x9b31m",
    "\u202egnp",
    "\ud800",
    "a" * 300,
    "b" * 70000,
    "\U0001f4a5",
    "\u0663.\u0663",
    "9" * 5000 + ".1",
    "nan",
    "%s%n{0}",
    "hdf5",
    "h5",
    "tflite",
    "installed",
    "linear",
)
VALUES = TEXTS + (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    2**31,
    2**53,
    2**63,
    -(2**63),
    10**299,
    0.5,
    -1.5,
    1e-300,
    5e-324,
    1e300,
    1e308,
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"a": {"b": "c"}},
    ["a", 1],
)
# What json.dumps would not write
RAW = (
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "1" + "0" * 400,
    "-" + "9" * 5000,
    "01",
    "1.",
    "'single'",
    "nul",
    '"\\ud800"',
    '"\\u0000"',
    '"\\x"',
    '"\x1b[2J"',
    "[" * 90 + "]" * 90,
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000,
    '{"a": 1, "a": 2}',
    "",
)
_MARK = "@raw@"


def strange_value(dice: random.Random) -> Any:
    return copy.deepcopy(dice.choice(VALUES))


def mutate_json(value: Any, dice: random.Random) -> Made:
    """JSON text of the value with a few changes in it, some of which are not even JSON."""
    tree, said = copy.deepcopy(value), []
    raw = ""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = dice.choice(places)
        where = f"{key!r:.40}"
        action = dice.randrange(8)
        if action <= 2:
            holder[key] = strange_value(dice)
            said.append(f"{where} = {holder[key]!r:.60}")
        elif action == 3:
            raw, holder[key] = dice.choice(RAW), _MARK
            said.append(f"{where} = raw {raw:.60}")
        elif action == 4:
            del holder[key]
            said.append(f"without {where}")
        elif action == 5:
            other_holder, other_key = dice.choice(places)
            holder[key] = copy.deepcopy(other_holder[other_key])
            said.append(f"{where} = that of {other_key!r:.40}")
        elif action == 6:
            holder[key] = [holder[key]]
            said.append(f"{where} in a list")
        elif isinstance(holder, dict):
            new = str(dice.choice(TEXTS))
            holder[new] = holder.pop(key)
            said.append(f"{where} renamed to {new!r:.60}")
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
            said.append(f"{where} twice")
    text = json.dumps(tree).replace(json.dumps(_MARK), raw).encode("utf-8", "surrogatepass")
    if dice.random() < 0.2:
        text, change = mutate_bytes(text, dice)
        said.append(change)
    return text, "; ".join(said)


def _places(tree: Any) -> Any:
    """(container, key) of every value in a tree."""
    items: Any = ()
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))
    for key, value in items:
        yield tree, key
        yield from _places(value)


def mutate_bytes(data: bytes, dice: random.Random) -> Made:
    """The bytes cut off, flipped, repeated, or replaced."""
    action = dice.randrange(9)
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.choice((1, 2, 10, 100)))
    if action == 0:
        return data[:at], f"cut off at {at}"
    if action == 1:
        return b"", "empty"
    if action == 2:
        return b"\0" * len(data), "all NUL"
    if action == 3:
        return data[:at] + b"\0" * (end - at) + data[end:], f"NUL from {at} to {end}"
    if action == 4:
        return data[:at] + data[end:], f"without {at} to {end}"
    if action == 5:
        return data[:end] + data[at:], f"{at} to {end} twice"
    if action == 6:
        return data + dice.choice((b"}", b"\n", b"\xff\xfe", b"\0" * 512, data)), "with more at the end"
    if action == 7:
        return dice.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 500)) + data, "with more at the start"
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 3, 20)) if data else 0):
        position = dice.randrange(len(changed))
        changed[position] ^= 1 << dice.randrange(8)
    return bytes(changed), "bits flipped"


# -- files ------------------------------------------------------------------------------------------------


def spoil_file(path: str, dice: random.Random, *, outside: str, links: bool = True) -> str:
    """Puts something else in the place of a file, or changes the file.

    Args:
        outside: path of a file elsewhere, which nobody may change.
        links: also links to that; otherwise none but one to itself.
    """
    kinds = "folder filled loop pipe socket device huge empty missing changed changed".split()
    kind = dice.choice(kinds + ["link", "dangling"] * links)
    content = b""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            content = file.read(2**20)
    if os.path.lexists(path):
        remove_path(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if kind == "folder":
        os.mkdir(path)
    elif kind == "filled":
        os.makedirs(os.path.join(path, "inside"))
    elif kind in ("link", "dangling", "loop"):
        targets = {"link": outside, "dangling": outside + "-missing", "loop": os.path.basename(path)}
        os.symlink(targets[kind], path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as server, _folder_of(path) as name:
            server.bind(name)
    elif kind == "device":
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # as /dev/zero, which does not end
        except OSError:  # only root makes devices
            os.symlink("/dev/zero", path)
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(HUGE_BYTES)
    elif kind == "changed":
        content, change = mutate_bytes(content, dice)
        kind += ": " + change
    if kind == "empty" or kind.startswith("changed"):
        with open(path, "wb") as file:
            file.write(content if kind != "empty" else b"")
    return f"{os.path.basename(path)}: {kind}"


@contextlib.contextmanager
def _folder_of(path: str) -> Any:
    """Works in the folder of a path, with its name: a socket's path must be short."""
    before = os.getcwd()
    os.chdir(os.path.dirname(path))
    try:
        yield os.path.basename(path)
    finally:
        os.chdir(before)


# -- archives ---------------------------------------------------------------------------------------------

Members = List[Tuple[tarfile.TarInfo, bytes]]
_KINDS = (
    b"1",
    b"2",
    b"3",
    b"4",
    b"5",
    b"6",
    b"7",
    b"S",
    b"x",
    b"g",
    b"L",
    b"K",
    b"D",
    b"M",
    b"V",
    b"\0",
    b"Z",
)
_SIZES = (0, 1, 511, 512, 100000, 2**31, 2**40, 2**63, -1, -(2**40))
_PAX = (
    ("path", "../../outside/victim"),
    ("path", "/outside"),
    ("path", "nul\0inside"),
    ("path", "c" * 2000),
    ("linkpath", "../../outside/victim"),
    ("size", "-1"),
    ("size", "1e400"),
    ("size", "9" * 400),
    ("size", "x"),
    ("mtime", "nan"),
    ("mtime", "1e400"),
    ("uid", "9" * 400),
    ("hdrcharset", "BINARY"),
    ("GNU.sparse.major", "1"),
    ("GNU.sparse.map", "0,1,2"),
    ("GNU.sparse.map", "x"),
    ("GNU.sparse.size", "9" * 30),
    ("GNU.sparse.realsize", "-5"),
    ("GNU.sparse.name", "../../outside/victim"),
    ("SCHILY.xattr.user.x", "y" * 5000),
)


def mutate_archive(members: Members, dice: random.Random) -> Made:
    """A .tar.gz of these members with a few changes."""
    members, said = [(copy.copy(info), content) for info, content in members], []
    tar_format = dice.choice(
        (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)
    )
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        if not members:
            break
        number = dice.randrange(len(members))
        info, content = members[number]
        said.append(f"{info.name[:40]!r}: ")
        action = dice.randrange(10)
        if action == 0:
            info.name = str(dice.choice(TEXTS)) or "x"
            said.append(f"named {info.name!r:.60}")
        elif action == 1:
            info.type, info.linkname = dice.choice(_KINDS), dice.choice(("../../outside/victim", info.name))
            said.append(f"of type {info.type!r}")
        elif action == 2:
            info.size = dice.choice(_SIZES)
            said.append(f"of size {info.size}")
        elif action == 3:
            twin = copy.copy(info)
            twin.name = dice.choice((info.name, "./" + info.name, info.name.upper(), info.name + "/x"))
            members.insert(dice.randrange(len(members) + 1), (twin, dice.choice((content, b"another"))))
            said.append(f"again as {twin.name!r}")
        elif action == 4:
            key, value = dice.choice(_PAX)
            info.pax_headers = {key: value}
            tar_format = tarfile.PAX_FORMAT
            said.append(f"PAX {key} = {value:.40}")
        elif action == 5:
            del members[number]
            said.append("left out")
        elif action == 6:
            members[number] = (info, dice.choice(members)[1])
            info.size = len(members[number][1])
            said.append("with the content of another")
        elif action == 7:
            changed, change = mutate_bytes(content, dice)
            info.size = len(changed)
            members[number] = (info, changed)
            said.append(change)
        elif action == 8:
            extra = tarfile.TarInfo(
                dice.choice(("pilot.h5", "x.pkl", "pilot.savedmodel/x", "sub", "manage.py"))
            )
            extra.size = len(content)
            members.insert(number, (extra, content))
            said.append(f"copied to {extra.name!r}")
        else:
            dice.shuffle(members)
            said.append("shuffled")
    text = b"".join(_block(info, content, tar_format) for info, content in members)
    if dice.random() < 0.1:
        header = tarfile.TarInfo("deep")
        header.type = dice.choice((b"x", b"g", b"L", b"K"))
        text = header.tobuf() * dice.choice((2, 400, 1900)) + text
        said.append(f"many headers of type {header.type!r}")
    text += b"\0" * tarfile.RECORDSIZE * dice.choice((0, 1, 1, 1))
    if dice.random() < 0.25:
        text, change = mutate_bytes(text, dice)
        said.append(f"in the tar: {change}")
    zipped = gzip.compress(text, 1)
    if dice.random() < 0.25:
        zipped, change = mutate_bytes(dice.choice((zipped, zipped, text, gzip.compress(zipped, 1))), dice)
        said.append(f"in the gzip: {change}")
    return zipped, " ".join(said)


def _block(info: tarfile.TarInfo, content: bytes, tar_format: int) -> bytes:
    """A member's headers and content, with a size that need not be the right one."""
    buffer = io.BytesIO()
    try:
        header = info.tobuf(tar_format, "utf-8", "surrogatepass")
    except (ValueError, OverflowError):
        header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogatepass")
    buffer.write(header)
    buffer.write(content)
    buffer.write(b"\0" * (-len(content) % tarfile.BLOCKSIZE))
    return buffer.getvalue()
