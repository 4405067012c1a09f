"""A new model that the car is better off without is kept aside, by every verb that installs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="training on this machine needs donkeycar and TensorFlow")

from aws_owner import TRAIN, await_epochs, canned_container, is_installed, push_own_image
from donkey_sagemaker import cli
from donkey_sagemaker.car.trained_pictures import digest_model
from ended_job import JOB, leave_ended_job
from small_donkeycar import MEAN, install_small_donkeycar
from validation_pictures import DEAD, SUMMARY, add_validation

pytestmark = pytest.mark.minutes
DEAD_TEXT = "its steering hardly varies (by 0.001 on 100 validation pictures, the driver's by 0.280)"
MANAGE = """
import sys
from donkey_sagemaker import cli
from donkey_sagemaker.car.trained_pictures import digest_model
sys.exit(cli.main([sys.argv[1].replace("sagemaker-", "")] + sys.argv[2:], car_path="."))
"""


@pytest.fixture
def model(small_model, tmp_path):
    """A copy of the content of an archive, for the small donkeycar."""
    path = tmp_path / "model"
    shutil.copytree(str(small_model), str(path))
    return path


@pytest.fixture
def car(tmp_path):
    """In a folder whose name has a space."""
    path = tmp_path / "my car"
    (path / "models").mkdir(parents=True)
    (path / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\nIMAGE_DEPTH = 3\n")
    (path / "manage.py").write_text(MANAGE)
    install_small_donkeycar(path)
    return path


def run(car, *command):
    return cli.main(list(command), car_path=str(car))


def ledger_state(car):
    return json.loads((car / ".sagemaker" / "jobs" / (JOB + ".json")).read_text())["state"]


def paste(car, message):
    """Runs the command that a message suggests, as a shell would in the car's folder."""
    (command,) = re.findall(r"`(python manage\.py sagemaker-train [^`]*)`", message)
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=str(car), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize(
    "command", [("train", "--attach"), ("train", "--attach=" + JOB), ("stop", "--install")]
)
def test_a_dead_model(car, model, capsys, command):
    """Nothing is replaced, the exit code is 1, and the suggested command installs it without the bucket."""
    add_validation(model, summary=DEAD)
    leave_ended_job(car, model)
    assert run(car, *command, "--local") == 1
    printed = capsys.readouterr()
    assert printed.err == (
        f"The new model was not installed: {DEAD_TEXT}. Nothing in the car has changed.\n"
        f"The new one is in kept_aside/{JOB}. Install it anyway with"
        f" `python manage.py sagemaker-train --attach={JOB} --install=always`.\n"
    )
    assert "Installed" not in printed.out and os.listdir(str(car / "models")) == []
    kept = car / "kept_aside" / JOB
    assert "because its steering hardly varies" in (kept / "unpacked" / "report.html").read_text()
    assert not (car / ".sagemaker" / "incoming" / JOB).exists()
    assert ledger_state(car) == "kept aside"

    # Later, other jobs have cleaned up, and the bucket is empty
    assert run(car, "train", "--attach", "--local") == 2
    assert run(car, "jobs", "--local") == 0
    assert f"{JOB}  kept aside  51 s  models/other, validation" in capsys.readouterr().out
    shutil.rmtree(str(car / ".sagemaker" / "local"))
    assert run(car, "train", "--attach=" + JOB, "--local") == 1
    assert capsys.readouterr().err == printed.err
    assert paste(car, printed.err)[0] == 0
    assert (car / "models" / "other.tflite").read_text() == MEAN
    assert "kept aside" not in (car / "models" / "other.html").read_text()
    assert ledger_state(car) == "installed"
    assert not (car / "kept_aside").exists()


def test_the_owner_installs_whatever_passes_the_check(car, model, capsys):
    """SAGEMAKER_INSTALL = "always": with a warning."""
    add_validation(model, summary=DEAD)
    leave_ended_job(car, model)
    with open(str(car / "myconfig.py"), "a") as file:
        file.write('SAGEMAKER_INSTALL = "always"\n')
    assert run(car, "train", "--attach", "--local") == 0
    out = capsys.readouterr().out
    assert f"\nWarning: installing the new model although {DEAD_TEXT}\nInstalled models/other." in out
    assert not (car / "kept_aside").exists()


def test_a_model_of_an_earlier_trainer(car, model, capsys):
    """It leaves no validation results, so it is installed as before, and that is said."""
    add_validation(model)
    leave_ended_job(car, model)
    assert run(car, "train", "--attach", "--local") == 0
    out = capsys.readouterr().out
    assert (
        "\nSteering: not judged: the image that trained the model leaves no validation results\n"
        "Verdict: not judged. It cannot be judged: the image that trained the model leaves no validation"
        " results.\nNext: Bring the training image up to date: `python manage.py sagemaker-image`.\nInst"
    ) in out


def test_a_model_that_is_worse_than_the_one_it_would_replace(car, model, capsys):
    """The one before it was installed by this program, so what it was trained on is known."""
    add_validation(model, summary=SUMMARY, off_by=0.01, trained=[1000])
    leave_ended_job(car, model)
    assert run(car, "train", "--attach", "--local") == 0
    known = set(os.listdir(str(car / ".sagemaker" / "trained")))
    assert digest_model(str(car / "models" / "other.tflite")) in known
    before = {path.name: path.read_bytes() for path in (car / "models").iterdir() if path.is_file()}
    shutil.rmtree(str(car / ".sagemaker" / "local"))
    add_validation(model, summary=SUMMARY, off_by=0.2)
    leave_ended_job(car, model)
    capsys.readouterr()
    shutil.copy(str(car / "myconfig.py"), str(car / "my other.py"))
    assert run(car, "train", "--attach", "--local", "--myconfig=my other.py") == 1
    printed = capsys.readouterr()
    name = re.search(r"^Compared with (\S+): on 100 ", printed.out, re.MULTILINE).group(1)
    assert printed.err.startswith(
        f"The new model was not installed: it steers clearly worse than {name} (on 100 validation pictures"
        " the new model's steering is off by 0.200 on average, the previous one's by 0.000). Nothing"
        " in the car has changed."
    )
    assert f"--attach={JOB} --install=always '--myconfig=my other.py'`" in printed.err
    assert before == {path.name: path.read_bytes() for path in (car / "models").iterdir() if path.is_file()}
    code, out = paste(car, printed.err)
    assert code == 0
    assert "Warning: installing the new model although it steers clearly worse than models/other." in out


def test_a_model_that_equals_the_one_that_is_there(car, model, capsys):
    """Two trainings with the same records and seed: there is nothing to replace, nor to roll back to."""
    add_validation(model, summary=SUMMARY, off_by=0.0)
    for is_first in (True, False):
        shutil.rmtree(str(car / ".sagemaker" / "local"), ignore_errors=True)
        shutil.rmtree(str(car / ".sagemaker" / "jobs"), ignore_errors=True)
        leave_ended_job(car, model)
        assert run(car, "train", "--attach", "--local") == 0
        assert ("is already exactly this model: its files stay" in capsys.readouterr().out) is not is_first
    assert run(car, "rollback") == 2


@pytest.mark.parametrize("verb", ["train", "stop"])
def test_on_aws(owner, aws, model, verb):
    """The bill is kept in the ledger, and the command that installs the model anyway pays for nothing."""
    add_validation(model, summary=DEAD)
    install_small_donkeycar(owner.path)
    push_own_image(aws, canned_container(model, "trains" if verb == "train" else "waits"))
    if verb == "train":
        assert owner.types(*TRAIN) == 1
    else:
        assert owner.types(*TRAIN, "--detach") == 0
        await_epochs(aws)
        assert owner.types("stop", "--install") == 1
    assert f"The new model was not installed: {DEAD_TEXT}." in owner.err
    assert not is_installed(owner)
    words = shlex.split(re.findall(r"`python manage\.py sagemaker-([^`]*)`", owner.err)[0])
    assert owner.types("jobs", "--sum") == 0
    assert re.search(r" 1 +\d+ s +0\.\d+ USD +0$", owner.out, re.MULTILINE)
    assert owner.types(*words) == 0, owner.err
    assert is_installed(owner)


def test_a_real_training_that_has_learned_nothing(create_car, tmp_path, repo_path, capsys):
    """The tub's pictures say nothing about its steering, so one epoch on this machine ends in a constant."""
    np = pytest.importorskip("numpy")
    draw = [sys.executable, os.path.join(repo_path, "demo", "draw_tub.py"), "--records", "400"]
    subprocess.check_call(draw + ["--out", str(tmp_path / "tub")], stdout=subprocess.DEVNULL)
    for catalog in (tmp_path / "tub").glob("catalog_*.catalog"):
        records = [json.loads(line) for line in catalog.read_text().splitlines()]
        angles = np.random.RandomState(1).uniform(-1, 1, len(records))
        for record, angle in zip(records, angles):
            record["user/angle"] = angle
        catalog.write_text("".join(json.dumps(record) + "\n" for record in records))
    car = create_car(tmp_path / "mycar")
    with open(str(car / "myconfig.py"), "a") as file:
        file.write('\nSAGEMAKER_BACKEND = "local"\nMAX_EPOCHS = 1\nSAGEMAKER_DRIVING_PROOF = False\n')
    assert run(car, "train", "--tub", str(tmp_path / "tub"), "--model", "models/pilot") == 1
    printed = capsys.readouterr()
    assert re.search(
        r"^Steering: off by 0\.\d{3} on average on 80 validation pictures; the best constant is off by 0\.\d",
        printed.out,
        re.MULTILINE,
    )
    assert printed.err.startswith("The new model was not installed: its steering hardly varies (by 0.0") or (
        printed.err.startswith("The new model was not installed: it steers no better than a constant")
    )
    assert not [name for name in os.listdir(str(car / "models")) if name.startswith("pilot")]
