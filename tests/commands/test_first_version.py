"""A car's .sagemaker folder as the first version of this program, 108bd81, wrote it is still understood.

golden/first_version/ has JSON files of a car that trained on its own machine: those of a detached job, and
the list of a swap of the model `pilot`.
"""

import json
import os

import pytest

pytest.importorskip("tensorflow", reason="training on this machine needs donkeycar and TensorFlow")

from donkey_sagemaker import cli
from ended_job import JOB, copy_golden, leave_ended_job
from small_donkeycar import install_small_donkeycar


@pytest.fixture
def car(tmp_path):
    path = tmp_path / "mycar"
    (path / "models").mkdir(parents=True)
    (path / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\nIMAGE_DEPTH = 3\n")
    install_small_donkeycar(path)
    return path


@pytest.fixture
def detached_car(car, small_model):
    """A car that has detached from a job, which has ended since."""
    leave_ended_job(car, small_model)
    return car


@pytest.mark.minutes
@pytest.mark.parametrize("has_ledger", [True, False])
def test_attach_to_a_job(detached_car, small_model, capsys, has_ledger):
    """From the ledger of that version, or on another machine from its launch.json."""
    car = detached_car
    entry = car / ".sagemaker" / "jobs" / (JOB + ".json")
    if not has_ledger:
        entry.unlink()
    command = ["train", "--attach" if has_ledger else "--attach=" + JOB, "--local"]
    assert cli.main(command, car_path=str(car)) == 0
    out = capsys.readouterr().out
    from_where = (
        "" if has_ledger else f"Warning: {JOB} was launched by an earlier version, in a car named mycar\n"
    )
    assert out.startswith(f"{from_where}Job {JOB}\nState: Completed\n")
    assert "Driven by this car's donkeycar as tflite: as in training" in out
    installed = {"other.tflite", "other.png", "other.history.json", "other.html"}
    assert installed < set(os.listdir(str(car / "models")))
    assert (car / "models" / "other.tflite").read_bytes() == (small_model / "pilot.tflite").read_bytes()
    assert json.loads(entry.read_text())["state"] == "installed"
    assert cli.main(["jobs", "--local"], car_path=str(car)) == 0
    assert f"{JOB}  installed  51 s  models/other, validation" in capsys.readouterr().out


def write_backup(car, list_name):
    """A model that this version swapped: the new files in models/, the old ones in the backup."""
    backup = car / ".sagemaker" / "previous" / "pilot"
    copy_golden("previous.json", backup / list_name, car)
    listed = json.loads((backup / list_name).read_text())
    for folder, content in ((car / "models", "new"), (backup / listed["folder"], "old")):
        for name in listed["kept"]:
            path = folder / name / "saved_model.pb" if name.endswith(".savedmodel") else folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content} {name}")
    for name, mtime_ns in listed["new_mtimes_ns"].items():
        os.utime(str(car / "models" / name), ns=(mtime_ns, mtime_ns))
    return listed["kept"]


def read_model(car, names):
    paths = [car / "models" / name for name in names]
    return [(path / "saved_model.pb" if path.is_dir() else path).read_text() for path in paths]


def test_roll_back_a_model(car, capsys):
    """The previous files and their entry in the database are restored; a second rollback undoes that."""
    names = write_backup(car, "previous.json")
    database = car / "models" / "database.json"
    database.write_text(json.dumps([{"Number": number, "Name": "pilot"} for number in (1, 0)]))
    assert cli.main(["rollback", "models/pilot", "--local"], car_path=str(car)) == 0
    assert capsys.readouterr().out == (
        "Restored models/pilot.savedmodel, models/pilot.tflite, models/pilot.png, models/pilot.history.json, "
        "models/pilot.html\nRun the same command again to undo this.\n"
    )
    assert read_model(car, names) == [f"old {name}" for name in names]
    assert [entry["Number"] for entry in json.loads(database.read_text())] == [0, 1]
    assert cli.main(["rollback", "--local"], car_path=str(car)) == 0
    assert read_model(car, names) == [f"new {name}" for name in names]


def test_undo_an_interrupted_swap(car, capsys):
    """The power failed during the swap, so pending.json has what previous.json would have."""
    names = write_backup(car, "pending.json")
    assert cli.main(["rollback", "models/pilot", "--local"], car_path=str(car)) == 2
    assert capsys.readouterr().err.startswith("There is no previous version of pilot to restore.")
    assert read_model(car, names) == [f"old {name}" for name in names]
