"""sagemaker-tune: trials on this machine, whose best model is installed."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")
pytest.importorskip("optuna", reason="pip install optuna")

from donkey_sagemaker import cli
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.commands._trials import Limits, Trials, TuningInterrupted
from donkey_sagemaker.local.backend import LocalCloud
from donkey_sagemaker.training.plan import TrainOptions
from donkey_sagemaker.training.tune_space import Chooser
from donkey_sagemaker.ui import PlainUi
from fuzz_car import artifact, listed
from small_donkeycar import MEAN, install_small_donkeycar, write_samples
from tub_factory import make_v2

pytestmark = pytest.mark.minutes
TRAINER = str(Path(__file__).parent.parent / "pretended_trainer.py")
PYTHON = '#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {} {} {} train\n'
TUNE = ["tune", "--full", "--model", "models/pilot.tflite", "--type", "linear"]


@pytest.fixture
def trained(tmp_path):
    """What a container leaves: a model for the small donkeycar."""
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "pilot.tflite").write_text(MEAN)
    write_samples(str(folder / "samples.npz"), shape=(120, 160, 3))
    files = [
        listed("pilot.tflite", (folder / "pilot.tflite").read_bytes(), "model", "tflite"),
        listed("samples.npz", (folder / "samples.npz").read_bytes(), "samples"),
    ]
    (folder / "artifact.json").write_text(json.dumps(artifact(files=files)))
    return folder


@pytest.fixture
def car(tmp_path, trained):
    """A car whose trainer on this machine pretends."""
    path = tmp_path / "mycar"
    make_v2(path / "data", 6)
    (path / "models").mkdir()
    (path / "config.py").write_text(
        "IMAGE_W, IMAGE_H, IMAGE_DEPTH = 160, 120, 3\nMAX_EPOCHS = 6\nBATCH_SIZE = 64\nOPTIMIZER = None\n"
    )
    install_small_donkeycar(path)
    python = tmp_path / "python"
    python.write_text(PYTHON.format(sys.executable, TRAINER, trained))
    python.chmod(0o755)
    with open(str(path / "myconfig.py"), "a") as file:
        file.write(
            f'SAGEMAKER_BACKEND = "local"\nSAGEMAKER_PYTHON = {str(python)!r}\n'
            'SAGEMAKER_TUNE = {"LEARNING_RATE": (0.0003, 0.03)}\n'
        )
    return path


@pytest.fixture
def run(car, capsys):
    def run(*words):
        code = cli.main(list(words), car_path=str(car))
        return (code, *capsys.readouterr())

    return run


def table_of(out):
    """The rows of the last table, as dicts."""
    lines = [re.split(r"  +", line) for line in out.splitlines()]
    start = next(place for place, line in enumerate(lines) if line[0] == "trial")
    rows = []
    for line in lines[start + 1 :]:
        if not line[0].isdigit():
            break
        rows.append(dict(zip(lines[start], line)))
    return rows


def test_the_best_model_is_installed(run, car):
    """The first trial has the car's own settings; the others stay where sagemaker-models lists them."""
    code, out, err = run(*TUNE, "--trials", "5", "--parallel", "2")
    assert code == 0, (out, err)
    lines = out.splitlines()
    assert lines[0] == "5 trials, 2 at a time, on this machine; the first one has the car's own settings"
    assert "Trying LEARNING_RATE: 0.0003 to 0.03" in lines
    assert re.search(r"^Trial 1/5 runs as donkey-pilot-\S+: the car's own settings$", out, re.MULTILINE)
    rows = table_of(out)
    losses = [float(row["val. loss"]) for row in rows if row["val. loss"] != "-"]
    assert losses == sorted(losses) and len(rows) == 5 and {row["trial"] for row in rows} == set("12345")
    assert losses[0] < 1.4  # that of the car's own settings
    best = rows[0]
    assert f"The best is trial {best['trial']}: {best['settings']}" in lines
    assert (car / "models" / "pilot.tflite").read_text() == MEAN
    ledger = open_car(str(car), flags={}).ledger
    states = {entry.job.name: entry.state for entry in ledger.entries()}
    assert states.pop(best["job"]) == "installed" and set(states.values()) == {"kept aside"}
    assert sorted(os.listdir(str(car / "kept_aside"))) == sorted(states)
    code, out, err = run("models")
    assert code == 0 and out.count("kept aside") == 4, (out, err)
    code, out, err = run("train", f"--attach={rows[1]['job']}", "--install=always")
    assert code == 0 and ledger.read(rows[1]["job"]).state == "installed", (out, err)


def test_the_same_seed_tries_the_same(run, car):
    """A second run chooses as the first one did."""
    texts = []
    for _round in range(2):
        code, out, err = run(*TUNE, "--trials", "3")
        assert code == 0, (out, err)
        texts.append(sorted(row["settings"] for row in table_of(out)))
    assert texts[0] == texts[1]


def test_how_a_model_drives_decides(run, car):
    """Where the trainer has let it drive; the validation loss only ranks the others, which come last."""
    with open(str(car / "myconfig.py"), "a") as file:
        file.write('SAGEMAKER_TUNE = {"BATCH_SIZE": [30, 200]}\n')
    code, out, err = run(*TUNE, "--trials", "4")
    assert code == 0, (out, err)
    rows = table_of(out)
    times_off = [row["off/100 m"] for row in rows]
    assert times_off == sorted(times_off, key=lambda text: (text == "-", text.zfill(8)))
    assert rows[-1]["off/100 m"] == "-" and rows[-1]["trial"] == "1"


def test_a_dry_run(run, car):
    """Nothing is started."""
    code, out, err = run(*TUNE, "--dry-run")
    assert code == 0 and "12 trials, 1 at a time, on this machine" in out, err
    assert not (car / ".sagemaker" / "jobs").exists()


def test_numbers_that_make_no_sense(run, capsys):
    """They are refused before the car is opened."""
    for words, message in (
        (["--trials=0"], "argument --trials: invalid number value: '0'"),
        (["--max-cost-usd=nan"], "argument --max-cost-usd: invalid amount value: 'nan'"),
    ):
        with pytest.raises(SystemExit):
            run(*TUNE, *words)
        assert message in capsys.readouterr().err


def test_a_space_that_makes_no_sense(run, car):
    """The message says what is expected."""
    for value in ('{"LEARNING_RATE": (2, 1)}', '{"BATCH_SIZE": []}', '{"batch": [1]}', "3"):
        with open(str(car / "myconfig.py"), "a") as file:
            file.write(f"SAGEMAKER_TUNE = {value}\n")
        code, _out, err = run(*TUNE)
        assert (
            code == 2 and "must be a dict of settings, each with a list of values or a range such as" in err
        )


def test_an_interrupt_names_the_jobs_that_continue(car, tmp_path):
    """They can be stopped, or attached to, like any other."""

    def interrupt(seconds):
        raise KeyboardInterrupt

    opened = open_car(str(car), flags={})
    trials = Trials(
        LocalCloud(opened.state_path("local"), python=opened.settings.python),
        PlainUi(),
        Chooser(opened.settings.tune, seed=1),
        TrainOptions(model="models/pilot.tflite", model_type="linear", detach=True),
        open_trial=lambda values: open_car(str(car), flags={}, overrides=values),
        limits=Limits(trials=3, parallel=1),
        sleep=interrupt,
    )
    with pytest.raises(TuningInterrupted) as error:
        trials.run()
    (job,) = opened.ledger.pending()
    assert error.value.what == f"Interrupted. These jobs continue: {job.name}."


def test_options_that_are_for_aws(run, car):
    """There, the tuning goes on without this program."""
    for option, value in (("--detach", []), ("--max-cost-usd", ["2"])):
        code, _out, err = run(*TUNE, option, *value)
        assert code == 2 and err == (
            f"{option} is for tunings on AWS; on this machine, this command itself starts one trial after the"
            f" other.\nLeave out {option}.\n"
        )
