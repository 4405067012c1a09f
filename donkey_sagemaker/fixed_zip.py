"""Zips that are the same bytes for the same content, so that each one is sent once."""

import io
import zipfile
from typing import Dict, Mapping


def make_zip(files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """
    Args:
        files: content by name in the zip.
    """
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = compression
            entry.create_system = 3
            archive.writestr(entry, content)
    return body.getvalue()


def read_files(paths: Mapping[str, str]) -> Dict[str, bytes]:
    """The content of files, by the names that `paths` gives them."""
    contents = {}
    for name, path in paths.items():
        with open(path, "rb") as file:
            contents[name] = file.read()
    return contents
