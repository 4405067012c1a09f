"""Settings that a command writes into the owner's myconfig.py."""

import os
from typing import Any

from ..atomic import write_bytes
from ..errors import BadInput

_MARK = b"  # written by donkey-sagemaker"


class MyconfigNotWritten(BadInput):
    def __init__(self, path: str, line: str, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror}.",
            f"Write this line into it yourself: {line}",
        )


def write_setting(path: str, variable: str, value: Any) -> None:
    """Puts `variable = value` at the end of the file, where it wins over what stands before it.

    A line of an earlier call goes away; every other byte of the file stays.

    Raises:
        MyconfigNotWritten
    """
    line = f"{variable} = {value!r}"
    try:
        data = b""
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
        lines = data.splitlines(True)
        kept = [old for old in lines if not (old.startswith(variable.encode() + b" = ") and _MARK in old)]
        line_end = b"\r\n" if data.endswith(b"\r\n") else b"\n"
        if kept and not kept[-1].endswith((b"\n", b"\r")):
            kept.append(line_end)
        write_bytes(path, b"".join(kept) + line.encode("utf-8") + _MARK + line_end)
    except OSError as error:
        raise MyconfigNotWritten(path, line, error) from error
