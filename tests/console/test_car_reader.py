"""The car as the console reads it."""

import os
from pathlib import Path

import pytest

from donkey_sagemaker.console.car_reader import CarReader, NoSuchTub
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.review.deletions import delete_records, restore_records
from tub_factory import make_v2


@pytest.fixture
def reader(tmp_path: Path) -> CarReader:
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    return CarReader(str(tmp_path), myconfig="myconfig.py", local=False)


def later(path: Path) -> None:
    """As if it were written some seconds later."""
    stat = os.stat(str(path))
    os.utime(str(path), (stat.st_atime, stat.st_mtime + 5))


def test_a_changed_configuration_is_read_again(reader: CarReader) -> None:
    """And only then: it is the owner's program."""
    assert reader.car() is reader.car()
    config = Path(reader.path) / "myconfig.py"
    config.write_text('SAGEMAKER_BACKEND = "local"\n')
    assert reader.car().settings.backend == "local"
    config.write_text("SAGEMAKER_BACKEND =\n")
    later(config)
    with pytest.raises(BadInput):
        reader.car()


def test_local_overrides_the_configuration(reader: CarReader) -> None:
    """As the option does for every command."""
    other = CarReader(reader.path, myconfig="myconfig.py", local=True)
    assert (reader.car().settings.backend, other.car().settings.backend) == ("aws", "local")


def test_no_tub(reader: CarReader) -> None:
    """What is wrong is shown in place of the list."""
    tubs, problem = reader.tubs()
    assert tubs == [] and problem and "There is no folder" in problem.what
    with pytest.raises(NoSuchTub):
        reader.tub("0" * 12)


def test_deleted_records_are_noticed(reader: CarReader) -> None:
    """Whoever has deleted or restored them; a tub that has not changed is not read again."""
    path = Path(reader.path) / "data"
    make_v2(path, 30)
    (found,), problem = reader.tubs()
    assert problem is None and found.records == 30
    assert reader.tub(found.key) is found
    delete_records(str(path), found.tub, {3, 4})
    later(path / "manifest.json")
    assert reader.tub(found.key).records == 28
    restore_records(str(path), reader.tub(found.key).tub)
    later(path / "manifest.json")
    later(path / "manifest.json")
    assert reader.tub(found.key).records == 30
