"""Trials in one job: all begin, some go on, the best is trained to the end. The trainer runs as a process."""

import json
import math
import os
import re
import signal
import subprocess
import sys

import pytest

from donkey_sagemaker.tuning import (
    Trial,
    Trials,
    count_kept,
    count_trial_epochs,
    describe_trials,
    plan_rounds,
    read_trials,
)
from opt_ml_factory import make_opt_ml
from trainer_process import TRAIN_PATH, TrainerProcess

pytest.importorskip("tensorflow")

MODELS = [("pilot.h5", "h5")]
RATES = [0.000001, 0.001, 0.000002, 0.000003, 0.000004]
TRIALS = Trials([Trial(f"LEARNING_RATE={rate}", {"LEARNING_RATE": rate}) for rate in RATES], [1, 2])
CONFIG = 'OPTIMIZER = "adam"\nMAX_EPOCHS = 4\n'


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", "240"])
    return path


def prepare(folder, tub_path, trials, *, models=MODELS, **options):
    """The folder of a job that tries them."""
    base = make_opt_ml(
        str(folder / "opt"), tub_path, models=models, config=CONFIG, checkpoints=True, **options
    )
    path = os.path.join(base, "input", "data", "car", "job.json")
    with open(path) as file:
        job = json.load(file)
    with open(path, "w") as file:
        json.dump(dict(job, tuning=describe_trials(trials)), file)
    return base


def run_again(base, python=sys.executable):
    process = TrainerProcess([python, TRAIN_PATH, "train"], base)
    assert process.end() == 0, "\n".join(process.lines)
    return process


def trials_of(process):
    """The number of each trial that was trained, in order."""
    return [int(number) for number in re.findall(r"^\[donkey\] Trial (\d+)/", "\n".join(process.lines), re.M)]


@pytest.mark.minutes
def test_the_best_trial_is_trained_to_the_end(tub_path, tmp_path):
    """All begin, a quarter goes on (rounded up), and the model is that of the best one."""
    process = run_again(prepare(tmp_path, tub_path, TRIALS))
    trained = trials_of(process)
    assert trained[:5] == [1, 2, 3, 4, 5] and len(trained) == 5 + 2 and 2 in trained[5:]
    (best,) = [line for line in process.lines if "The best is trial" in line]
    assert best.startswith("[donkey] The best is trial 2: LEARNING_RATE=0.001.")
    assert [epoch.epoch for epoch in process.epochs()] == [3, 4], "it continues where the trial was"
    artifact = process.unpack(tmp_path / "artifact")
    assert artifact.metrics["epochs"] == 4 and artifact.metrics["stopped"] is False


@pytest.mark.minutes
def test_a_job_that_is_stopped_keeps_its_best_trial(tub_path, tmp_path):
    """Before the last trial has begun: the first one may be the best so far, and is delivered."""
    base = prepare(tmp_path, tub_path, TRIALS)
    process = TrainerProcess([sys.executable, TRAIN_PATH, "train"], base)
    process.read_until(r"\[donkey\] Trial 2/5")
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 0, "\n".join(process.lines)
    assert "[donkey] The best is trial 2: LEARNING_RATE=0.001. It is trained to the end" in process.lines
    metrics = process.unpack(tmp_path / "artifact").metrics
    assert metrics["epochs"] == 1 and metrics["stopped"] is True


@pytest.mark.generations
@pytest.mark.parametrize(
    "generation, model_type, models",
    [
        ("dk22", "categorical", [("pilot", "hdf5")]),
        ("dk50", "linear", [("pilot.savedmodel", "savedmodel")]),
        ("dk54", "linear", [("pilot.keras", "keras")]),
    ],
)
def test_every_generation(tub_path, tmp_path, generation_python, generation, model_type, models):
    """Trials drive and are compared, and the best one goes on, with TensorFlow 1.4 as well."""
    two = TRIALS._replace(trials=TRIALS.trials[:2])
    proof = {"driving_proof": True}
    base = prepare(tmp_path, tub_path, two, model_type=model_type, models=models, hyperparameters=proof)
    process = run_again(base, generation_python(generation))
    assert trials_of(process)[:2] == [1, 2]
    drove = sum("off the line" in line for line in process.lines if "] Trial " in line)
    assert drove in (2 + 1, 2 + 2)  # both of them go on if none has learned to steer yet
    assert [epoch.epoch for epoch in process.epochs()] == [3, 4]


@pytest.mark.minutes
def test_an_interrupted_job_keeps_its_choice(tub_path, tmp_path):
    """Nothing is tried again after a spot instance was taken away."""
    first = run_again(prepare(tmp_path, tub_path, Trials(TRIALS.trials[:2], [1])))
    again = run_again(first.base)
    assert trials_of(again) == [] and "[donkey] Continuing from the checkpoint after epoch 4" in again.lines


@pytest.mark.minutes
@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"number": 1, "trials": {}}', b'{"number": "x"}', b"[" * 10**6]
    + [
        b'{"number": %s, "trials": %s}' % (number, json.dumps(describe_trials(TRIALS)).encode())
        for number in (b"0", b"6", b"true", b"1.5", b"1e999", b"NaN", b"null")
    ],
)
def test_a_choice_that_is_not_of_this_job_is_ignored(tmp_path, content, capfd):
    """It comes back from a bucket. One with a trial that there is not is no choice, either."""
    from trainer.opt_ml import OptMl
    from trainer.trials import Choice

    opt_ml = OptMl({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    Choice(opt_ml, TRIALS).write(1)
    assert Choice(opt_ml, TRIALS).read() is None and os.listdir(str(tmp_path)) == [], "without checkpoints"
    (tmp_path / "checkpoints").mkdir()
    choice = Choice(opt_ml, TRIALS)
    assert choice.read() is None
    choice.write(5)
    assert choice.read() == 5
    (tmp_path / "checkpoints" / "trial.json").write_bytes(content)
    assert choice.read() is None
    assert "The choice of an earlier run is ignored, and all trials begin again" in capfd.readouterr().out


def test_rounds():
    """Twelve trials cost less than one further training; few epochs still make one round."""
    rounds = plan_rounds(30, examples=8000)
    assert rounds == [1, 6] and count_kept(12) == 3 and count_kept(1) == 1
    assert count_trial_epochs(12, rounds) == 12 * 1 + 3 * 5 - 6 < 30
    assert plan_rounds(1, examples=80) == [1] and plan_rounds(100, examples=0) == [5, 20]
    assert plan_rounds(20, examples=800) == [2, 4] and plan_rounds(20, examples=100) == [10]


@pytest.mark.minutes
def test_which_trial_is_better():
    """How it drove counts once it steers. Otherwise it is luck, and the validation loss says more."""
    from trainer.trials import Tried

    base = Tried(1, None, epochs=1, val_loss=0.3)
    driven = base._replace(times_off_per_100_m=38.0, mean_distance_m=0.1)
    ranked = [
        driven._replace(times_off_per_100_m=20.0, steers=True),
        driven._replace(times_off_per_100_m=25.0, steers=True, val_loss=0.1),
        driven._replace(times_off_per_100_m=42.0, val_loss=0.2),
        driven,
        base._replace(epochs=0, val_loss=math.inf),
    ]
    shuffled = [ranked[place] for place in (3, 0, 4, 2, 1)]
    assert sorted(shuffled, key=lambda each: each.objective) == ranked
    assert driven.describe() == (
        "off the line 38.0 times in 100 m, as with constant steering, validation loss 0.3000 after 1 epoch"
    )


def test_what_the_car_writes_the_trainer_reads():
    """As JSON."""
    assert read_trials(json.loads(json.dumps(describe_trials(TRIALS)))) == TRIALS
    assert read_trials({"parameters": {}}) is None
