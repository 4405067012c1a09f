"""What is found in tubs that real cars have recorded, where they lie beside the checkout."""

import os
import tarfile
from pathlib import Path
from typing import Dict

import pytest

from donkey_sagemaker.review.duplicates import Seen
from donkey_sagemaker.review.footage import read_footage
from donkey_sagemaker.review.review import review_footage
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub


@pytest.mark.parametrize(
    "name, expected",
    [
        ("tub_v1_lobby", {"stuck": 34, "saturated": 1366, "one direction": 3983}),
        ("tub_v2_kerb", {"still": 268, "constant throttle": 5854, "one direction": 5854}),
        ("tub_v2_track", {"late": 1000, "one direction": 1000}),
    ],
)
def test_real_tubs(name: str, expected: Dict[str, int], shared_data: str, tmp_path: Path) -> None:
    """Each finding was looked at. A lag is proposed for one tub only: in the others, its curve is flat."""
    with tarfile.open(os.path.join(shared_data, name + ".tar.gz")) as archive:
        archive.extractall(str(tmp_path))
    (footage,) = read_footage(read_tub(FolderFiles(str(tmp_path / "tub")), name=name))
    found = {finding.kind: finding.records for finding in review_footage(footage, Seen())}
    assert list(found) == list(expected)
    assert all(abs(found[kind] - expected[kind]) <= 20 for kind in expected)
