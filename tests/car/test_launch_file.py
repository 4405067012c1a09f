"""launch.json: what another machine of the same car needs to attach to a job."""

import json

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.launch_file import LaunchFile, make_launch_file, read_launch_file
from donkey_sagemaker.cloud.request import JobKeys
from job_factory import make_job

KEYS = JobKeys("bucket", "donkeycar", "donkey-pilot-1")


@pytest.fixture
def car(tmp_path):
    folder = tmp_path / "mycar"
    folder.mkdir()
    (folder / "config.py").write_text("")
    return open_car(str(folder), flags={})


def job_of(car, **changes):
    return make_job(base=car.path + "/models/pilot", tubs=[car.path + "/data", "/elsewhere/tub"], **changes)


def changed(car, changes):
    content = dict(json.loads(make_launch_file(job_of(car), car).decode()), **changes)
    return json.dumps(content).encode()


def test_another_machine_attaches_to_the_job(car):
    """The model goes into that machine's own models folder, wherever the car is there."""
    car_id = car.ensure_id()
    text = make_launch_file(job_of(car), car)
    job = job_of(car, fingerprint="", requests=[])
    assert read_launch_file(text, car, keys=KEYS) == LaunchFile(job, "mycar", car_id)


def test_a_file_of_the_first_version_names_no_car(car):
    """Its cars had no id, and its jobs no trials."""
    content = json.loads(make_launch_file(job_of(car), car).decode())
    del content["car_id"], content["trial_types"]
    found = read_launch_file(json.dumps(content).encode(), car, keys=KEYS)
    assert found.car_id is None and found.job.plan.trial_types == []


def test_the_types_that_a_job_tries(car):
    """On another machine, too, its model may be of any of them."""
    found = read_launch_file(changed(car, {"trial_types": ["categorical", "linear"]}), car, keys=KEYS)
    assert found.job.plan.trial_types == ["categorical", "linear"]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "linear; touch PWNED #"},
        {"type": ["linear"]},
        {"model": "models/x\x1b[31m"},
        {"model": ""},
        {"model": "models/.."},
        {"model": "models/.hidden"},
        {"models": []},
        {"models": [["/../../x", "keras"]]},
        {"models": [[".keras", "pickle"]]},
        {"started": "now"},
        {"started": 1e400},
        {"started": -1.0},
        {"tubs": 3},
        {"set_aside": 3},
        {"set_aside": {"picture empty": "many"}},
        {"set_aside": {"picture empty": 1e300}},
        {"model": "x" * 300},
        {"models": [["", "keras"], ["", "tflite"]]},
        {"tubs": [3]},
        {"transfer": ["a"]},
        {"comment": ["a"]},
        {"trial_types": ["linear", "linear; touch PWNED #"]},
        {"trial_types": [["linear"]]},
        {"trial_types": 3},
        {"trial_types": None},
        {"car": 3},
    ],
)
def test_what_this_program_did_not_write_is_not_believed(car, changes):
    """The bucket is not trusted: nothing is installed where it points to."""
    assert read_launch_file(changed(car, changes), car, keys=KEYS) is None


def test_a_model_outside_the_models_folder_goes_into_it(car):
    """Only its name counts."""
    found = read_launch_file(changed(car, {"model": "/etc/pilot"}), car, keys=KEYS)
    assert found.job.plan.base == car.path + "/models/pilot"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_damaged_file_is_no_job(car, text):
    """And causes no traceback."""
    assert read_launch_file(text, car, keys=KEYS) is None


@pytest.mark.parametrize("transfer", [None, False, "", [], {}, 0])
def test_what_is_believed_can_be_read_again(car, transfer):
    """It goes into the ledger."""
    found = read_launch_file(changed(car, {"transfer": transfer, "comment": "x" * 5000}), car, keys=KEYS)
    car.ledger.write(found.job)
    assert car.ledger.read(found.job.name).job == found.job
    assert found.job.plan.transfer is None and len(found.job.plan.comment) == 1000
