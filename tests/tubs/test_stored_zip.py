"""Zips without compression."""

import io
import os
import random
import zipfile
from typing import List

from donkey_sagemaker.tubs.stored_zip import MAX_FILES, StoredZip


def zipfile_bytes(names: List[str], data: List[bytes]) -> bytes:
    """The zip that the standard library creates from the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in zip(names, data):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def test_the_bytes_are_those_of_zipfile() -> None:
    """Files of any length and content, including no files, result in the same zip as with zipfile."""
    dice = random.Random(3)
    for count in (0, 1, 2, 300):
        names = [f"tub/images/{dice.random()}_{number}.jpg" for number in range(count)]
        data = [os.urandom(dice.choice([0, 1, 100, 70000])) for _ in names]
        made = StoredZip()
        for name, body in zip(names, data):
            made.add(name, body)
        assert (len(made), made.close()) == (count, zipfile_bytes(names, data))


def test_names_are_unique() -> None:
    """Only the first file with a name is kept."""
    made = StoredZip()
    made.add("a", b"one")
    filled_bytes = made.filled_bytes
    made.add("a", b"two")
    assert (len(made), made.filled_bytes) == (1, filled_bytes)
    assert made.close() == zipfile_bytes(["a"], [b"one"])


def test_the_largest_number_of_files() -> None:
    """The largest number of files without Zip64 can be read back."""
    made = StoredZip()
    for number in range(MAX_FILES):
        made.add(str(number), b"")
    with zipfile.ZipFile(io.BytesIO(made.close())) as archive:
        assert len(archive.infolist()) == MAX_FILES == 65535
