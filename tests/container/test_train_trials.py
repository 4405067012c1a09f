"""What a trial of a tuning does beside an ordinary training."""

import os
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from donkey_sagemaker.tuning import format_objective, objective
from trainer.callbacks import Fitted
from trainer.opt_ml import OptMl
from trainer.train import describe_training, open_checkpoint, report_objective
from trainer_jobs import make_job

pytestmark = pytest.mark.minutes
FITTED = Fitted({"val_loss": [0.3, 0.2, 0.25]}, best_epoch=2, seconds=1.0, images=9, stopped=False)


@pytest.mark.parametrize(
    "proof, driving_loss",
    [
        (None, None),
        (SimpleNamespace(metres=0.0), None),
        (SimpleNamespace(metres=50.0, times_off=4, mean_distance_m=0.12), 8.12),
    ],
)
def test_the_result(capfd, proof, driving_loss):
    """How the model drove, otherwise its best loss, is the last number that SageMaker reads."""
    report_objective(FITTED, proof)
    expected = format_objective(objective(val_loss=0.2, driving_loss=driving_loss))
    assert capfd.readouterr().out == expected + "\n"


def test_checkpoints_of_the_trials(tmp_path):
    """Each has its own, whether or not they have one folder in the bucket."""
    (tmp_path / "checkpoints").mkdir()
    paths = []
    for name in ("donkey-tune--1-001-a", "donkey-tune--1-002-b"):
        opt_ml = OptMl({"SAGEMAKER_BASE_DIR": str(tmp_path), "TRAINING_JOB_NAME": name})
        inputs = SimpleNamespace(job=make_job()._replace(tuned={"BATCH_SIZE": 32}), shards=[])
        paths.append(open_checkpoint(opt_ml, inputs, None).path)
        assert describe_training(inputs)["tuned"] == {"BATCH_SIZE": 32}
    assert [os.path.basename(os.path.dirname(path)) for path in paths] == [
        "donkey-tune--1-001-a",
        "donkey-tune--1-002-b",
    ]
    plain = SimpleNamespace(job=make_job(), shards=[])
    assert open_checkpoint(opt_ml, plain, None).path == str(tmp_path / "checkpoints" / "training.npz")
