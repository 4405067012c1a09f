"""What the trainer reads of a job: the car's config finds what was sent with it."""

import json
import os
import sys

import pytest

from opt_ml_factory import write
from trainer.job import WrongTrial, read_job
from trainer.opt_ml import JobUnreadable, OptMl


@pytest.fixture
def opt_ml(tmp_path, monkeypatch):
    """A job of a car whose myconfig.py imports one file of its folder and opens two."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    base = str(tmp_path)
    channel = "input/data/car/"
    job = {"name": "pilot", "type": "linear", "models": [["pilot.h5", "h5"]]}
    write(base, channel + "job.json", json.dumps(job).encode())
    write(base, channel + "config.py", b"IMAGE_W = 160\n")
    write(
        base,
        channel + "track_filters_1.py",
        b"def is_fast(record):\n    from later_1 import FAST\n    return FAST\n",
    )
    write(base, channel + "later_1.py", b"FAST = 0.3\n")
    write(base, channel + "lib/a.json", b"[1]")
    write(base, channel + "b.json", b"[2]")
    write(
        base,
        channel + "myconfig.py",
        b"import json, os\n"
        b"from track_filters_1 import is_fast\n"
        b"TRAIN_FILTER = is_fast\n"
        b"A = json.load(open(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'lib', 'a.json')))\n"
        b"B = json.load(open('b.json'))\n",
    )
    write(base, "input/config/hyperparameters.json", b"{}")
    return OptMl({"SAGEMAKER_BASE_DIR": base})


def test_the_config_finds_what_lies_beside_it(opt_ml):
    """As in the car's folder, and when a function of it is called later."""
    before = os.getcwd()
    config = read_job(opt_ml).config
    assert (config["A"], config["B"]) == ([1], [2])
    assert config["TRAIN_FILTER"](None) == 0.3
    assert os.getcwd() == before


def test_hyperparameters_override_the_config(opt_ml):
    """Those in capital letters: what `sagemaker-train --set` sends."""
    write(
        opt_ml.base,
        "input/config/hyperparameters.json",
        b'{"IMAGE_W": "120", "MAX_EPOCHS": "2", "seed": "3"}',
    )
    job = read_job(opt_ml)
    assert (job.config["IMAGE_W"], job.config["MAX_EPOCHS"], job.seed) == (120, 2, 3)
    assert "seed" not in job.config


TUNING = {
    "parameters": {
        "LEARNING_RATE": {"low": 0.001, "high": 0.1},
        "DEFAULT_MODEL_TYPE": {"values": ["linear", "categorical"]},
        "with_slide": {"values": [0, 2]},
        "AUGMENTATIONS": {"values": [[], ["BLUR"]]},
    },
    "models": {"categorical": [["pilot.keras", "keras"]]},
}
TUNED = {
    "LEARNING_RATE": "0.0123",
    "DEFAULT_MODEL_TYPE": '"categorical"',
    "with_slide": "2",
    "AUGMENTATIONS": '["BLUR"]',
}


def write_trial(opt_ml, **texts):
    job = {"name": "pilot", "type": "linear", "models": [["pilot.h5", "h5"]], "tuning": TUNING}
    write(opt_ml.base, "input/data/car/job.json", json.dumps(job).encode())
    texts = dict(TUNED, _tuning_objective_metric="objective", seed="3", **texts)
    write(opt_ml.base, "input/config/hyperparameters.json", json.dumps(texts).encode())


def test_a_trial_of_a_tuning(opt_ml):
    """What SageMaker has chosen replaces the car's own settings, its type included."""
    write_trial(opt_ml)
    job = read_job(opt_ml)
    assert (job.model_type, job.models, job.slide) == ("categorical", [("pilot.keras", "keras")], 2)
    assert job.config["LEARNING_RATE"] == 0.0123 and job.config["AUGMENTATIONS"] == ["BLUR"]
    assert job.tuned == {
        "LEARNING_RATE": 0.0123,
        "DEFAULT_MODEL_TYPE": "categorical",
        "with_slide": 2,
        "AUGMENTATIONS": ["BLUR"],
    }


def test_a_trial_of_another_tuning(opt_ml):
    """Only values of the space that the car has sent are accepted."""
    write_trial(opt_ml, LEARNING_RATE="0.5")
    with pytest.raises(WrongTrial) as error:
        read_job(opt_ml)
    assert error.value.what == (
        "This is no trial of the tuning that the car has launched: LEARNING_RATE cannot be 0.5."
    )


def test_a_config_that_fails_is_named(opt_ml):
    """With the error, and the working folder is as before."""
    before = os.getcwd()
    os.unlink(os.path.join(opt_ml.channel("car"), "b.json"))
    with pytest.raises(JobUnreadable) as failed:
        read_job(opt_ml)
    assert "myconfig.py" in failed.value.what and "b.json" in failed.value.what
    assert os.getcwd() == before
