"""What artifact.json, which is in every archive, says about the car."""

import json

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from donkey_sagemaker.verdict import make_verdict, read_facts
from trainer.artifact import make_artifact
from trainer.callbacks import Fitted
from trainer.job import Job
from validation_pictures import DEAD

CONFIG = {
    "IMAGE_W": 160,
    "NUM_LOCATIONS": 10,
    "TRANSFORMATIONS": ["CROP"],
    "OPTIMIZER": object(),  # not JSON
    "MQTT_PASSWORD": "hunter2",
    "CONTROLLER_TOKEN": "t0ken",
}


def make_job(model_type, config):
    return Job(
        name="pilot",
        model_type=model_type,
        models=[("pilot.h5", "h5")],
        transfer_path=None,
        slide=1,
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        seed=1,
        tub_paths={},
        config=config,
    )


def test_no_setting_that_may_be_a_secret():
    """People share archives, so they contain only the settings that affect a model."""
    job = make_job("localizer", CONFIG)
    history = {"loss": [2.0], "val_loss": [1.0]}
    fitted = Fitted(history, 1, 10.0, 100, False)
    artifact = make_artifact(
        job,
        pilot="KerasLocalizer",
        notes=[],
        fitted=fitted,
        history=history,
        records={},
        validation={},
    )
    assert artifact["config"] == {"IMAGE_W": 160, "NUM_LOCATIONS": 10, "TRANSFORMATIONS": ["CROP"]}
    assert "hunter2" not in json.dumps(artifact)
    assert "t0ken" not in json.dumps(artifact)


def test_the_verdict_is_that_on_its_own_numbers():
    """The car reads the same ones."""
    history = {"loss": [2.0], "val_loss": [1.0]}
    job = make_job("linear", {"MAX_EPOCHS": 1})
    artifact = make_artifact(
        job,
        pilot="KerasLinear",
        notes=[],
        fitted=Fitted(history, 1, 10.0, 100, False),
        history=history,
        records={"training": 800, "validation": 200},
        validation={"pictures": 200, "angle": DEAD},
    )
    assert artifact["verdict"] == {
        "level": "bad",
        "sentence": (
            "Its steering hardly varies (by 0.001 on 200 validation pictures, the driver's by 0.280)."
        ),
        "advice": "Train longer: `--epochs=40`.",
    }
    assert artifact["verdict"] == make_verdict(read_facts(artifact))._asdict()
