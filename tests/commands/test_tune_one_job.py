"""sagemaker-tune by default: one job begins all trials, and trains the best one to the end."""

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from aws_owner import push_own_image
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.resources import container_path
from small_donkeycar import install_small_donkeycar

pytestmark = pytest.mark.minutes
PRETENDED = str(Path(__file__).parent.parent / "pretended_trainer.py")


@pytest.fixture
def tuner(owner, aws):
    """An owner whose image has the real trainer."""
    push_own_image(aws, [sys.executable, os.path.join(container_path(), "train")])
    owner.configures(
        'SAGEMAKER_TUNE = {"DEFAULT_MODEL_TYPE": ["linear", "categorical"], "SAGEMAKER_RECIPE": ["robust"]}'
    )
    owner.configures('SAGEMAKER_DRIVING_PROOF, SAGEMAKER_INSTALL = True, "always"')
    return owner


def plan_of(owner):
    (entry,) = open_car(str(owner.path), flags={}).ledger.entries()
    return entry.job.plan, entry.state


def test_the_best_trial_is_installed(tuner, aws):
    """Also one of another type than the car's: the model is checked, named and driven as that type."""
    assert tuner.types("tune", "--trials=3", "--model=models/best") == 0, tuner.err
    assert "3 trials in one job: all of them begin, the best go on" in tuner.out
    (number,) = re.findall(
        r"^The best is trial (\d): .*\. It is trained to the end$", tuner.out, re.MULTILINE
    )
    trained = re.findall(r"^Trial (\d)/3: off the line \S+ times in 100 m, .* after 1 epoch", tuner.out, re.M)
    assert trained[:3] == ["1", "2", "3"]
    (request,) = aws.requests("sagemaker", "CreateTrainingJob")
    assert not aws.requests("sagemaker", "CreateHyperParameterTuningJob")
    plan, state = plan_of(tuner)
    (settings,) = re.findall(f"^The best is trial {number}: (.*)\\. It is", tuner.out, re.MULTILINE)
    expected = "categorical" if settings.startswith("DEFAULT_MODEL_TYPE=categorical") else "linear"
    assert (plan.model_type, state) == (expected, "installed")
    assert plan.comment == "tune: 3 trials" and plan.trial_epochs >= 2
    assert f"--type tflite_{expected}" in tuner.out or f"--type {expected}" in tuner.out
    report = (tuner.path / "models" / "best.html").read_text()
    assert "the training image is too old" not in tuner.out  # the best trial's recipe may be another one
    assert "Settings that were tried" in report and "DEFAULT_MODEL_TYPE=categorical" in report


def test_another_process_continues(tuner, aws):
    """As with any job; the type is not known before."""
    assert tuner.types("tune", "--trials=3", "--model=models/best", "--detach") == 0, tuner.err
    assert plan_of(tuner)[0].trial_types == ["categorical", "linear"]
    assert tuner.types("tune", "--trials=3", "--model=models/best", "--detach") == 0
    assert "already trains exactly this: attaching to it" in tuner.out
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == 1
    assert tuner.types("tune", "--attach") == 0, tuner.err
    assert "Installed models/best" in tuner.out


def test_what_it_can_cost(tuner):
    """The likely cost is that of the trials as well, and a limit holds before anything is started."""
    assert tuner.types("tune", "--max-cost-usd=0.1") == 2
    assert "SAGEMAKER_MAX_COST_USD is 0.1" in tuner.err
    assert tuner.types("train", "--dry-run") == 0
    one = likely_s(tuner.out)
    assert tuner.types("tune", "--trials=40", "--dry-run") == 0
    assert likely_s(tuner.out) > one


def likely_s(out):
    (text,) = re.findall(r"likely \S+ USD in (\d+) s", out)
    return int(text)


def test_types_that_cannot_be_compared(tuner):
    """Without the proof of driving, only the losses of one type say which trial is better."""
    tuner.configures("SAGEMAKER_DRIVING_PROOF = False")
    tuner.configures(
        'SAGEMAKER_TUNE = {"DEFAULT_MODEL_TYPE": ["categorical", "linear"], "BATCH_SIZE": [16, 32]}'
    )
    assert tuner.types("tune", "--trials=2", "--dry-run") == 0
    assert "DEFAULT_MODEL_TYPE stays as it is: without SAGEMAKER_DRIVING_PROOF" in tuner.out
    assert "Trying BATCH_SIZE: 16, 32" in tuner.out.splitlines()
    tuner.configures('SAGEMAKER_TUNE = {"DEFAULT_MODEL_TYPE": ["categorical"], "BATCH_SIZE": [16, 32]}')
    assert tuner.types("tune", "--trials=2", "--dry-run") == 0
    assert "Training a categorical model" in tuner.out


@pytest.mark.parametrize(
    "space, words, message",
    [
        (
            "{'SAGEMAKER_INSTANCE_TYPE': ['ml.m5.large', 'ml.c5.large']}",
            [],
            "cannot try values of SAGEMAKER_IN",
        ),
        ("{'BATCH_SIZE': [0, 32]}", [], "BATCH_SIZE"),
        ("{'DEFAULT_MODEL_TYPE': ['linear', 'quadratic']}", [], "quadratic"),
        ("{'DEFAULT_MODEL_TYPE': [['linear'], ['rnn']]}", [], "is not a type without a prefix"),
        ("{'IMAGE_W': [80, 160]}", [], "IMAGE_W: the car itself must have the same when it drives"),
        ("{'ROI_CROP_TOP': (0, 45)}", ["--full"], "ROI_CROP_TOP: the car itself must have the same when it"),
        ("{'DEFAULT_MODEL_TYPE': [['rnn']], 'BATCH_SIZE': [8, 16]}", [], "is not a type without a prefix"),
        ("{'DEFAULT_MODEL_TYPE': [['rnn']], 'BATCH_SIZE': [8, 16]}", ["--full"], "is not a type without a"),
        ("{'BATCH_SIZE': [16]}", [], "there is only one value of each"),
        ("{'BATCH_SIZE': [16, 32]}", ["--parallel=2"], "--parallel is for trials that have a job each"),
        ("{'BATCH_SIZE': [16, 32]}", ["--instance-count=2"], "the trials of one job share one machine"),
    ],
)
def test_what_cannot_be_tried(tuner, aws, space, words, message):
    """It is said before anything is uploaded."""
    tuner.configures(f"SAGEMAKER_TUNE = {space}")
    assert tuner.types("tune", *words) == 2 and message in tuner.err
    assert not aws.requests("sagemaker", "CreateTrainingJob")


def test_an_image_that_is_older(owner, aws, small_model):
    """Its trainer does not know of trials, and trains with the car's settings."""
    install_small_donkeycar(owner.path)
    push_own_image(aws, [sys.executable, PRETENDED, str(small_model)])
    owner.configures('SAGEMAKER_TUNE = {"BATCH_SIZE": [16, 32]}')
    assert owner.types("tune", "--trials=2") == 0, owner.err
    assert "the training image is older than this program" in owner.out
