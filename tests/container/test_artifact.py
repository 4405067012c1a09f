"""What artifact.json, which is in every archive, says about the car."""

import json

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.artifact import make_artifact
from trainer.callbacks import Fitted
from trainer.job import Job

CONFIG = {
    "IMAGE_W": 160,
    "NUM_LOCATIONS": 10,
    "TRANSFORMATIONS": ["CROP"],
    "OPTIMIZER": object(),  # not JSON
    "MQTT_PASSWORD": "hunter2",
    "CONTROLLER_TOKEN": "t0ken",
}


def test_no_setting_that_may_be_a_secret():
    """People share archives, so they contain only the settings that affect a model."""
    job = Job(
        name="pilot",
        model_type="localizer",
        models=[("pilot.h5", "h5")],
        transfer_path=None,
        slide=1,
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        seed=1,
        tub_paths={},
        config=CONFIG,
    )
    history = {"loss": [2.0], "val_loss": [1.0]}
    fitted = Fitted(history, 1, 10.0, 100, False)
    artifact = make_artifact(
        job,
        pilot="KerasLocalizer",
        files=[],
        notes=[],
        fitted=fitted,
        history=history,
        records={},
        validation={},
    )
    assert artifact["config"] == {"IMAGE_W": 160, "NUM_LOCATIONS": 10, "TRANSFORMATIONS": ["CROP"]}
    assert "hunter2" not in json.dumps(artifact)
    assert "t0ken" not in json.dumps(artifact)
