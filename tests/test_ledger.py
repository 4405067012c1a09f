"""What the car remembers of its jobs, and what another machine is told of one."""

import json

import pytest

from donkey_sagemaker.car import ledger
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.ledger import Launch, Ledger, NoSuchLaunch, describe, read_description
from donkey_sagemaker.cloud.request import JobKeys

KEYS = JobKeys("bucket", "donkeycar", "donkey-pilot-1")


@pytest.fixture
def car(tmp_path):
    folder = tmp_path / "mycar"
    folder.mkdir()
    (folder / "config.py").write_text("")
    return open_car(str(folder), flags={}, myconfig="myconfig.py")


def launch_of(car, **changes):
    launch = Launch(
        job="donkey-pilot-1",
        state=ledger.LAUNCHED,
        backend="aws",
        bucket="bucket",
        prefix="donkeycar",
        started=1600000000.25,
        model_type="linear",
        base=car.path + "/models/pilot",
        models=[(".keras", "keras"), (".tflite", "tflite")],
        tubs=[car.path + "/data", "/elsewhere/tub"],
        transfer=None,
        comment="wet",
        val_loss=None,
        fingerprint="f",
        requests=[{"TrainingJobName": "donkey-pilot-1"}],
        set_aside={"picture empty": 2},
    )
    return launch._replace(**changes)


def test_a_launch_is_kept_as_it_is(car):
    """Every field comes back from the disk."""
    jobs = Ledger(car.scratch("jobs"))
    jobs.write(launch_of(car))
    assert jobs.read("donkey-pilot-1") == launch_of(car)


def test_the_newest_that_waits_is_meant(car):
    """Neither one that is done nor an older one, unless it is named."""
    jobs = Ledger(car.scratch("jobs"))
    jobs.write(launch_of(car, job="old", started=1.0))
    jobs.write(launch_of(car, job="waits", started=2.0))
    jobs.write(launch_of(car, job="done", started=3.0, state=ledger.INSTALLED))
    assert jobs.waiting().job == "waits" and jobs.waiting("old").job == "old"
    with pytest.raises(NoSuchLaunch) as refusal:
        jobs.waiting("none")
    assert refusal.value.what == "This car has launched no job named none."


def test_a_launch_of_the_version_before_is_read(car):
    """It knew no fingerprint, request or cost."""
    jobs = Ledger(car.scratch("jobs"))
    jobs.write(launch_of(car))
    path = car.scratch("jobs", "donkey-pilot-1.json")
    with open(path) as file:
        fields = json.load(file)
    for name in ("fingerprint", "requests", "billed_s", "cost_usd", "set_aside"):
        del fields[name]
    with open(path, "w") as file:
        json.dump(fields, file)
    assert jobs.read("donkey-pilot-1") == launch_of(car, fingerprint="", requests=[], set_aside={})


def test_another_machine_goes_on_with_it(car):
    """The model goes into that machine's own models folder, wherever the car lies there."""
    text = json.dumps(describe(launch_of(car), car)).encode()
    assert read_description(text, car, keys=KEYS, backend="aws") == launch_of(
        car, fingerprint="", requests=[]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"car": "another"},
        {"model": ""},
        {"model": "models/.."},
        {"model": "models/.hidden"},
        {"models": []},
        {"models": [["/../../x", "keras"]]},
        {"models": [[".keras", "pickle"]]},
        {"started": "now"},
        {"tubs": 3},
        {"set_aside": 3},
        {"set_aside": {"picture empty": "many"}},
    ],
)
def test_what_no_car_of_ours_wrote_is_not_believed(car, changes):
    """The bucket is not trusted: nothing is installed that it points elsewhere."""
    told = dict(describe(launch_of(car), car), **changes)
    assert read_description(json.dumps(told).encode(), car, keys=KEYS, backend="aws") is None


def test_a_model_outside_the_models_folder_comes_into_it(car):
    """Only its name is taken over."""
    told = dict(describe(launch_of(car), car), model="/etc/pilot")
    launch = read_description(json.dumps(told).encode(), car, keys=KEYS, backend="aws")
    assert launch.base == car.path + "/models/pilot"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_damaged_text_is_nobody_s(car, text):
    """And no traceback."""
    assert read_description(text, car, keys=KEYS, backend="aws") is None
