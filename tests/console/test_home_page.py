"""The first page."""

from pathlib import Path

import pytest

from donkey_sagemaker.console.car_reader import CarReader
from donkey_sagemaker.console.home_page import show_activity, show_home
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.runs import Runs
from job_factory import make_job
from tub_factory import make_v2


@pytest.fixture
def reader(tmp_path: Path) -> CarReader:
    (tmp_path / "config.py").write_text(f"DATA_PATH = {str(tmp_path / 'data')!r}\n")
    return CarReader(str(tmp_path), myconfig="myconfig.py", local=False)


def test_a_car_without_records(reader: CarReader) -> None:
    """It cannot train, and the page says what to do."""
    page = "\n".join(show_home(reader.car(), [], problem="Record a tub."))
    assert "Record a tub." in page and "/train" not in page


def test_records(reader: CarReader) -> None:
    """How many there are, and a few pictures of the tub that was changed last."""
    for name in ("one", "two"):
        make_v2(Path(reader.path) / "data" / name, 20)
    page = "\n".join(show_home(reader.car(), reader.tubs()[0], problem=""))
    assert "40 records in 2 tubs" in page and page.count("<img") == 4 and 'href="/train"' in page


def test_a_job_that_nobody_watches(reader: CarReader) -> None:
    """Such as after a power cut: it is one tap away."""
    car = reader.car()
    car.ledger.write(make_job())
    page = "\n".join(show_activity(car, Runs(car), Forms("key")))
    assert "The job donkey-pilot-1 was started" in page and 'action="/attach"' in page
