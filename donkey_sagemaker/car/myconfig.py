"""Writes single settings into the owner's myconfig.py."""

import os
from typing import Any

from ..atomic import write_bytes
from ..errors import BadInput

_MARK = b"  # written by donkey-sagemaker"


class MyconfigNotWritten(BadInput):
    def __init__(self, path: str, line: str, error: OSError) -> None:
        super().__init__(
            f"{path} could not be written: {error.strerror}.", f"Add this line to it yourself: {line}"
        )


def write_setting(path: str, variable: str, value: Any) -> None:
    """Appends `variable = value` to the file, where it overrides everything above it.

    A line that an earlier call wrote is removed. Every other byte of the file stays the same.

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
