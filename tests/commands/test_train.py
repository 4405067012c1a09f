"""sagemaker-train on a car of `donkey createcar`: real shards, a real job, the real trainer and check."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("PIL")

from clocked_ui import ClockedUi
from donkey_sagemaker import cli
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.cloud import open_cloud
from donkey_sagemaker.cloud.cloud import CarId
from donkey_sagemaker.commands.train import train
from donkey_sagemaker.training.detach import Detached
from donkey_sagemaker.training.plan import TrainOptions
from donkey_sagemaker.ui import PlainUi
from footage_factory import drive_late, write_tub
from shared_cars import RECORDS


@pytest.fixture
def tub(drawn_tub):
    """A drawn tub that all tests share. Nothing may write to it."""
    return drawn_tub


@pytest.fixture
def car(create_car, tmp_path):
    """A car made by `donkey createcar` that trains for one epoch on this machine."""
    path = create_car(tmp_path / "mycar")
    configure(path, '\nSAGEMAKER_BACKEND = "local"\nMAX_EPOCHS = 1\nSAGEMAKER_DRIVING_PROOF = False')
    return path


def configure(car, line):
    with open(str(car / "myconfig.py"), "a") as file:
        file.write(line + "\n")


def models_of(car):
    return sorted(os.listdir(str(car / "models")))


def drive_path(out):
    """The model's path and type in the command to drive it."""
    match = re.search(r"^  python manage.py drive --model (\S+) --type (\S+)$", out, re.MULTILINE)
    assert match, out
    return match.groups()


def test_a_tub_goes_in_and_a_driving_model_comes_back(car, tub, capsys, monkeypatch):
    """The whole way, twice: the second run uploads nothing, replaces the model and keeps the old model.

    It prints something at least every 5 seconds, and the second run knows how long it takes.
    """
    command = ["train", "--tub", tub, "--model", "models/pilot", "--comment", "first"]
    proof = ["--set", "SAGEMAKER_DRIVING_PROOF=True"]
    ui = ClockedUi(monkeypatch)
    assert cli.main(command + proof, car_path=str(car)) == 0
    assert ui.longest_silence() < 5, ui.lines
    monkeypatch.undo()
    out = capsys.readouterr().out
    times = re.search(
        r"^On your own tub, it would leave the line (\d+\.\d) times in 100 m, and", out, re.MULTILINE
    )
    (entry,) = open_car(str(car), flags={}).ledger.entries()
    assert f"{entry.outcome.times_off_per_100_m:.1f}" == times.group(1)
    assert 0 < entry.outcome.mean_distance_m < 0.35
    model, model_type = drive_path(out)
    assert model_type == "tflite_linear"  # it takes a tenth of the time
    assert f"{RECORDS} good records\n" in out
    assert "128 examples to train, 32 to validate; left out: none\n" in out
    names = {os.path.basename(model), "pilot.tflite", "pilot.png", "pilot.html", "pilot.history.json"}
    assert names < set(models_of(car))
    report = (car / "models" / "pilot.html").read_text(encoding="utf-8")
    assert "<h2>Driving on your tub</h2>" in report and "data:image/webp" in report
    assert "<h2>On this car</h2>" in report and "ms a picture" in report and "<td>first</td>" in report
    with open(str(car / "models" / "database.json")) as file:
        (entry,) = json.load(file)
    assert (entry["Name"], entry["Number"], entry["Type"]) == ("pilot", 0, "linear")
    assert (entry["Comment"], entry["Tubs"], entry["Transfer"]) == ("first", tub, None)
    assert len(entry["History"]["val_loss"]) == 1 and entry["Config"]["MAX_EPOCHS"] == 1

    before = (car / "models" / "pilot.tflite").read_bytes()
    configure(car, "SAGEMAKER_SEED = 2")
    assert cli.main(command[:-1] + ["second"], car_path=str(car)) == 0
    out = capsys.readouterr().out
    assert "Nothing to pack: all 2 shards are there already\n" in out
    likely = r"Likely \d+ (s|min) until the model is installed \(1 epoch, judging by the last training here\)"
    assert re.search(f"^{likely}$", out, re.MULTILINE), out
    assert (car / "models" / "pilot.tflite").read_bytes() != before
    kept = list((car / ".sagemaker" / "previous" / "pilot").glob("*/pilot.tflite"))
    assert [path.read_bytes() for path in kept] == [before]
    assert cli.main(["jobs"], car_path=str(car)) == 0
    head, *jobs = capsys.readouterr().out.splitlines()
    assert head.split() == ["job", "state", "took", "model"]
    assert len(jobs) == 2 and all("installed" in line and "models/pilot" in line for line in jobs)


def test_detached_and_attached_again(car, tub, capsys):
    """--detach returns at once; --attach installs the model, and then no job is pending any more.

    Until then the same command finds the running job and does not start another. By default the tub is data/,
    and the model gets donkeycar's own name, pilot_YY-MM-DD_N.
    """
    os.rmdir(str(car / "data"))
    os.symlink(tub, str(car / "data"))
    detach = ["train", "--detach"]
    assert cli.main(detach, car_path=str(car)) == 0
    assert "Attach to it with `python manage.py sagemaker-train --attach`" in capsys.readouterr().out
    assert cli.main(detach, car_path=str(car)) == 0
    assert re.search(
        r"^Job donkey-pilot-\S+ already trains exactly this: attaching to it$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert len(os.listdir(str(car / ".sagemaker" / "local" / "jobs"))) == 1
    assert cli.main(["train", "--attach"], car_path=str(car)) == 0
    assert any(name.endswith(".tflite") for name in models_of(car))
    model, _ = drive_path(capsys.readouterr().out)
    assert re.fullmatch(r"models/pilot_\d\d-\d\d-\d\d_0\.\w+", model)
    assert cli.main(["train", "--attach"], car_path=str(car)) == 2
    assert (
        capsys.readouterr().err
        == "This car has no pending job.\n`python manage.py sagemaker-jobs` lists its jobs.\n"
    )


def test_a_dry_run_sends_nothing(car, tub, capsys):
    """It prints what a real run would do, in some ten lines; with --debug what it would send as well."""
    command = ["train", "--tub", tub, "--model", "models/pilot", "--dry-run"]
    (car / "models" / "pilot.tflite").write_text("the old model")
    assert cli.main(command, car_path=str(car)) == 0
    out = capsys.readouterr().out
    for line in (
        rf"training  linear, {RECORDS} records, at most 1 epochs?",
        r"where     on this machine, stopped after 4\.0 h",
        r"stores    \S+ MB in \.sagemaker/local, \S+ MB of it records",
        r"costs     nothing",
        r"model     models/pilot\.(savedmodel|keras), models/pilot\.tflite",
        r"replaces  models/pilot\.tflite \(`sagemaker-rollback` brings it back\)",
        r"This was a dry run: nothing was sent or changed\. Add --debug to see the request and every file\.",
    ):
        assert re.search(f"^{line}$", out, re.MULTILINE), (line, out)
    assert "s3://" not in out and len(out.splitlines()) <= 12
    assert cli.main([*command, "--debug", "--json"], car_path=str(car)) == 0
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[-1])["state"] == "planned"
    request, end = json.JSONDecoder().raw_decode(out[out.index("{") :])
    assert request["TrainingJobName"].startswith("donkey-pilot-")
    assert (
        "Would pack 2 of 2 shards" in out and len(re.findall(r"  donkeycar/shards/\w{64}\.zip\n", out)) == 2
    )
    assert re.search(r"\n +\S+ kB  donkeycar/jobs/donkey-pilot-\S+/car/config\.py\n", out)
    assert not (car / ".sagemaker" / "local").exists() and not (car / ".sagemaker" / "jobs").exists()


def test_the_slide_is_measured_if_it_is_auto(car, tub, tmp_path, capsys):
    """Only where the evidence is strong; the request has the number, and the verdict is one line."""
    pictures, angles = drive_late(4)
    throttles = 0.3 + 0.1 * angles
    late_tub = write_tub(tmp_path / "late", pictures, angles=angles, throttles=throttles)
    configure(car, 'SAGEMAKER_SLIDE = "auto"')
    for path, line, review in (
        (tub, "0: no strong evidence that the commands are late", "nothing suspicious in 160 records"),
        (
            late_tub,
            r"4: a picture explains the steering 4 frames later \d\d% better than its own",
            r"jittery steering \(\d+\), of a sample of 500 records: "
            "look at them with `python manage.py sagemaker-tubs`",
        ),
    ):
        assert cli.main(["train", "--tub", path, "--dry-run", "--debug"], car_path=str(car)) == 0
        out = capsys.readouterr().out
        assert re.search(rf"^Review: {review}\nSAGEMAKER_SLIDE = {line}$", out, re.MULTILINE), out
        request, _ = json.JSONDecoder().raw_decode(out[out.index("{") :])
        assert request["HyperParameters"]["with_slide"] == line[0]


def test_a_model_that_does_not_fit_the_car_is_rejected(car, tub, capsys):
    """The size of the car's pictures has changed: nothing is replaced, and the archive is kept."""
    assert cli.main(["train", "--tub", tub, "--model", "models/pilot", "--detach"], car_path=str(car)) == 0
    (car / "models" / "pilot.tflite").write_text("the old model")
    configure(car, "IMAGE_H = 96\nIMAGE_W = 128")
    assert cli.main(["train", "--attach"], car_path=str(car)) == 1
    error = capsys.readouterr().err
    assert (
        "it was trained with IMAGE_W = 160, but this car's config has IMAGE_W = 128. "
        "Nothing in the car has changed.\n"
    ) in error
    assert (car / "models" / "pilot.tflite").read_text() == "the old model"
    archive = re.search(r"^The archive was kept so that you can inspect it: (\S+)$", error, re.MULTILINE)
    assert archive and os.path.exists(archive.group(1))


def test_a_failed_job_is_explained_and_changes_nothing(car, tub, capsys):
    """First the cause that the trainer gave, then the last lines of its log."""
    configure(car, "def TRAIN_FILTER(record):\n    return False")
    before = models_of(car)
    assert cli.main(["train", "--tub", tub], car_path=str(car)) == 1
    error = capsys.readouterr().err
    assert re.match(
        r"The job donkey-pilot-\S+ failed: No examples are left to train on "
        rf"\(left out: {RECORDS} x TRAIN_FILTER\)\. Record more, or relax TRAIN_FILTER",
        error,
    )
    assert models_of(car) == before


def test_ctrl_c_detaches_and_the_job_continues(car, tub):
    """The exit code is 130, and --attach installs the model later."""
    command = [sys.executable, "-m", "donkey_sagemaker", "train", "--tub", tub, "--model", "models/pilot"]
    watching = subprocess.Popen(command, cwd=str(car), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in watching.stdout:
        if b"is running on this machine" in line:
            break
    watching.send_signal(signal.SIGINT)
    _, error = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert re.fullmatch(
        r"Detached\. The job (donkey-pilot-\S+) continues\.\nAttach to it with "
        r"`python manage.py sagemaker-train --attach`, or end it with `python manage.py sagemaker-stop`\.\n",
        error.decode(),
    )
    assert cli.main(["train", "--attach"], car_path=str(car)) == 0
    assert "pilot.tflite" in models_of(car)


class InterruptedUi(PlainUi):
    """Ctrl-C is pressed just when the start of the job is printed."""

    def print(self, text, **style):
        super().print(text, **style)
        if " is running " in text:
            raise KeyboardInterrupt


def test_ctrl_c_right_after_the_start_names_the_job(car, tub):
    """The job runs, so the message must not suggest otherwise."""
    opened = open_car(str(car), flags={})
    car_id = CarId(lambda: opened.id, opened.ensure_id)
    cloud = open_cloud(opened.settings, opened.state_path("local"), car_id=car_id, trains=True)
    with pytest.raises(Detached) as caught:
        train(opened, cloud, InterruptedUi(), TrainOptions(tub=tub))
    (job,) = [state.name for state in cloud.list_jobs()]
    assert caught.value.what == f"Detached. The job {job} continues."
    assert cli.main(["stop"], car_path=str(car)) == 0


def test_a_tub_without_a_good_record_is_reported_with_its_reasons(car, tmp_path, capsys):
    """Before a job is started."""
    tub = tmp_path / "bad"
    (tub / "images").mkdir(parents=True)
    (tub / "manifest.json").write_text('[]\n[]\n{}\n{}\n{"paths": ["catalog_0.catalog"]}\n')
    record = {"_index": 0, "cam/image_array": "0.jpg", "user/angle": 0.0, "user/throttle": 0.5}
    (tub / "catalog_0.catalog").write_text(json.dumps(record) + "\n")
    (tub / "images" / "0.jpg").write_bytes(b"")
    assert cli.main(["train", "--tub", str(tub)], car_path=str(car)) == 2
    assert capsys.readouterr().err == (
        f"{tub} holds no record to train on (1 x picture empty).\n"
        "Choose a tub with good records: --tub=PATH.\n"
    )
    assert not (car / ".sagemaker" / "jobs").exists()


@pytest.mark.parametrize(
    "options, line, error",
    [
        (
            ["--transfer", "models/none.h5"],
            "",
            "There is no model models/none.h5 to transfer from.\n"
            "Give --transfer the path of a model that exists.\n",
        ),
        (
            ["--transfer", "models/a.tflite"],
            "",
            "models/a.tflite cannot be trained further: a .tflite can only drive.\n"
            "Give --transfer the Keras model of the same name.\n",
        ),
        (
            [],
            'SAGEMAKER_PYTHON = "/no/such/python"',
            "SAGEMAKER_PYTHON = '/no/such/python' is not a program that can be run.\n"
            "Set it to the path of a Python, such as ~/env/bin/python.\n",
        ),
        (
            [],
            "SAGEMAKER_SLIDE = -1",
            "Some settings are invalid:\n"
            '  SAGEMAKER_SLIDE = -1 (myconfig.py): must be "auto" or a whole number of frames from 0 to 100\n'
            "Correct them where they are set, and run the command again.\n",
        ),
    ],
)
def test_bad_input_is_reported_before_any_work(car, tub, capsys, options, line, error):
    """The exit code is 2, the message has one fix, and nothing was uploaded."""
    configure(car, line)
    assert cli.main(["train", "--tub", tub] + options, car_path=str(car)) == 2
    assert capsys.readouterr().err == error
    assert not (car / ".sagemaker" / "local").exists()
