"""The form of a training, and the command that it becomes."""

from pathlib import Path
from typing import Any, Dict, List

import pytest

from donkey_sagemaker.car.job import INSTALLED, Outcome
from donkey_sagemaker.console.car_reader import CarReader
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.train_page import BadForm, find_places, read_words, show_train
from job_factory import make_job
from tub_factory import make_v2


@pytest.fixture
def reader(tmp_path: Path) -> CarReader:
    """A car with two tubs, for which another machine trains."""
    for name in ("one", "two"):
        make_v2(tmp_path / "data" / name, 10)
    (tmp_path / "config.py").write_text(
        f'DATA_PATH = {str(tmp_path / "data")!r}\nSAGEMAKER_CAR = "donkeycar 5.3, tflite-runtime 2.14"\n'
    )
    return CarReader(str(tmp_path), myconfig="myconfig.py", local=False)


def configure(reader: CarReader, text: str) -> None:
    (Path(reader.path) / "myconfig.py").write_text(text)


def words_of(reader: CarReader, **changes: Any) -> List[str]:
    """The command of a form in which everything is as it is shown at first."""
    form: Dict[str, List[str]] = {
        "place": ["local"],
        "tub": [found.key for found in reader.tubs()[0]],
        "type": ["linear"],
        "epochs": [""],
        "model": [""],
        "transfer": [""],
        "comment": [""],
    }
    form.update({name: value if isinstance(value, list) else [value] for name, value in changes.items()})
    return read_words(reader.car(), form, reader.tubs()[0])


def install_pilot(reader: CarReader) -> str:
    """A model that a job has made and that is installed; returns the path of its base."""
    base = Path(reader.path) / "models" / "pilot"
    base.parent.mkdir()
    for ending in (".h5", ".tflite"):
        (base.parent / ("pilot" + ending)).write_text(ending)
    job = make_job()
    plan = job.plan._replace(base=str(base), models=[(".h5", "h5"), (".tflite", "tflite")])
    reader.car().ledger.write(job._replace(plan=plan), Outcome(INSTALLED, epochs=3))
    return str(base)


def test_places(reader: CarReader) -> None:
    """Those that the owner has set up, what SAGEMAKER_BACKEND says first; the limit of the cost is shown."""
    assert [place.name for place in find_places(reader.car())] == ["local"]
    configure(reader, 'SAGEMAKER_BUCKET = "my-bucket"\nSAGEMAKER_MAX_COST_USD = 2.5\n')
    places = find_places(reader.car())
    assert [place.name for place in places] == ["aws", "local"]
    assert places[0].note == "costs money, at most 2.50 USD a job; the next page shows how much"


def test_a_host_is_a_place(reader: CarReader) -> None:
    """With its name."""
    configure(reader, 'SAGEMAKER_BACKEND = "ssh"\nSAGEMAKER_HOST = "me@pc.local"\n')
    assert [(place.name, place.label) for place in find_places(reader.car())] == [
        ("ssh", "me@pc.local"),
        ("local", "This machine"),
    ]
    assert words_of(reader, place="ssh")[-3:-1] == ["--set", "SAGEMAKER_BACKEND=ssh"]


def test_the_form(reader: CarReader) -> None:
    """All tubs are chosen, and the type that the car drives."""
    page = "\n".join(show_train(reader.car(), Forms("key"), reader.tubs()[0]))
    assert page.count('type="checkbox"') == page.count("checked>") - 1 == 2
    assert '<option value="linear" selected>' in page and '<option value="3d">' in page


def test_words(reader: CarReader) -> None:
    """Each choice is an option of sagemaker-train."""
    one, two = (found.path for found in reader.tubs()[0])
    assert words_of(reader) == [
        *("train", "--json", "--no-bell", f"--tub={one}", f"--tub={two}", "--local", "--type=linear")
    ]
    base = install_pilot(reader)
    words = words_of(
        reader, tub=reader.tubs()[0][1].key, epochs="7", model="pilot", transfer="pilot", comment="a --b; c"
    )
    assert words[3:] == [
        f"--tub={two}",
        "--local",
        "--type=linear",
        "--epochs=7",
        f"--model={base}",
        f"--transfer={base}.h5",
        "--comment=a --b; c",
    ]


def test_what_costs_money_is_planned_first(reader: CarReader) -> None:
    """By a dry run."""
    configure(reader, 'SAGEMAKER_BUCKET = "my-bucket"\n')
    assert words_of(reader, place="aws")[5:] == [
        "--set",
        "SAGEMAKER_BACKEND=aws",
        "--type=linear",
        "--dry-run",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"place": "aws"},  # it is not set up
        {"place": ""},
        {"tub": []},
        {"tub": "/etc"},
        {"type": "--debug"},
        {"epochs": "0"},
        {"epochs": "1e9"},
        {"model": "../evil"},
        {"transfer": "pilot"},  # there is none
    ],
)
def test_bad_forms(reader: CarReader, changes: Dict[str, Any]) -> None:
    """What the form does not offer is refused."""
    with pytest.raises(BadForm):
        words_of(reader, **changes)


def test_a_lite_model_cannot_be_trained_further(reader: CarReader) -> None:
    """Nor one whose file is gone."""
    base = install_pilot(reader)
    (Path(base + ".h5")).unlink()
    with pytest.raises(BadForm, match="pilot cannot be trained further"):
        words_of(reader, transfer="pilot")
