"""sagemaker-follow: models of jobs on this machine, on AWS and on a host, each once and only if it passes."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow train and check the models")

from aws_owner import TRAIN, canned_container, is_installed, push_own_image
from donkey_sagemaker import cli
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.job import INSTALLED, Outcome
from donkey_sagemaker.commands.follow import Follower
from donkey_sagemaker.ssh.backend import SshCloud
from donkey_sagemaker.ui import PlainUi
from ended_job import JOB, leave_ended_job
from small_donkeycar import MEAN, install_small_donkeycar
from ssh_host import NAME
from validation_pictures import DEAD, add_validation

pytestmark = pytest.mark.minutes
RUN = "import sys; from donkey_sagemaker import cli; sys.exit(cli.main(sys.argv[1:]))"


@pytest.fixture
def model(small_model, tmp_path):
    """A copy of the content of an archive, for the small donkeycar."""
    path = tmp_path / "model"
    shutil.copytree(str(small_model), str(path))
    return path


@pytest.fixture
def car(tmp_path):
    path = tmp_path / "mycar"
    (path / "models").mkdir(parents=True)
    (path / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\nIMAGE_DEPTH = 3\n")
    install_small_donkeycar(path)
    return path


@pytest.fixture
def follow(car, capsys):
    """A function that looks once for models of jobs on this machine; returns the code and the output."""

    def follow(*options):
        code = cli.main(["follow", "--once", "--local", *options], car_path=str(car))
        return code, capsys.readouterr().out

    return follow


def test_a_model_is_installed_once(follow, car, model):
    """The job ended when nobody watched it; what is installed is not looked at again."""
    leave_ended_job(car, model)
    code, out = follow()
    assert code == 0 and f"Job {JOB}\n" in out and "Installed models/other." in out
    assert (car / "models" / "other.tflite").read_text() == MEAN
    assert follow() == (0, "")


def test_a_bad_model_is_kept_aside(follow, car, model):
    """The car keeps its own, and the next look does not begin again."""
    add_validation(model, summary=DEAD)
    leave_ended_job(car, model)
    code, out = follow()
    assert code == 1
    assert "Warning: The new model was not installed: its steering hardly varies" in out
    assert os.listdir(str(car / "models")) == []
    assert follow() == (0, "")


@pytest.mark.parametrize("options", [(), ("--install=always",)])
def test_a_model_that_nobody_could_check(follow, car, model, options):
    """It is kept aside, unless the owner wants it anyway."""
    leave_ended_job(car, model)
    with open(str(car / "myconfig.py"), "a") as file:
        file.write('SAGEMAKER_CAR = "donkeycar 2.2, tensorflow 1.4, h5py 2.10"\n')
    code, out = follow(*options)
    text = "nothing on this machine can drive it, so it was not checked"
    if options:
        assert code == 0 and f"Warning: installing the new model although {text}" in out
    else:
        assert (
            code == 1
            and f"Warning: The new model was not installed: {text}. Nothing in the car has changed." in out
        )
    assert os.path.exists(str(car / "models" / "other.tflite")) == bool(options)


def test_a_rejected_model_is_tried_once(car, model, capsys):
    """As long as the program runs; it may pass after an update."""
    (model / "pilot.tflite").write_text("damaged")
    leave_ended_job(car, model)
    follower = Follower(open_car(str(car), flags={"backend": "local"}), PlainUi(), days=1)
    assert follower.look() == 1
    assert f"Warning: The archive {car}/.sagemaker/incoming/" in capsys.readouterr().out
    assert follower.look() == 0
    assert capsys.readouterr().out == ""
    assert [job.name for job in open_car(str(car), flags={}).ledger.pending()] == [JOB]


def test_an_older_model_does_not_replace_a_newer_one(follow, car, model):
    """A model of the same name was trained later, and is installed already."""
    leave_ended_job(car, model)
    ledger = open_car(str(car), flags={}).ledger
    job = ledger.read(JOB).job
    ledger.write(job._replace(name="donkey-newer", started=job.started + 1), Outcome(INSTALLED))
    assert follow() == (0, f"Skipped {JOB}: models/other is the newer donkey-newer\n")
    assert os.listdir(str(car / "models")) == []


def test_it_goes_on_until_it_is_interrupted(car, model):
    """systemd ends it with SIGTERM, which is no failure."""
    leave_ended_job(car, model)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "follow", "--local"],
        cwd=str(car),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = []
    for line in iter(process.stdout.readline, b""):
        lines.append(line.decode())
        if lines[-1].startswith("  python manage.py drive"):
            break
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=60)[0].decode()
    assert lines[0] == "Following this car's jobs on this machine. Ctrl-C ends it.\n"
    assert (process.returncode, rest) == (0, "Stopped following. Jobs that are running continue.\n"), rest


def test_the_unit_runs_the_same_command(car, capsys):
    """With the options that it was printed with."""
    command = ["follow", "--unit", "--local", "--days=3", "--install=always", "--myconfig=other.py"]
    (car / "other.py").write_text("")
    assert cli.main(command, car_path=str(car)) == 0
    words = f"{sys.executable} -m donkey_sagemaker follow --local --install=always --days=3"
    assert f"\nExecStart={words} --myconfig=other.py\n" in capsys.readouterr().out


def test_a_number_of_days(car, capsys):
    """Anything else is refused before the car is opened."""
    for text in ("-1", "nan", "two"):
        with pytest.raises(SystemExit):
            cli.main(["follow", "--days", text], car_path=str(car))
        assert f"argument --days: invalid number of days value: '{text}'" in capsys.readouterr().err


def copy_car(path, target):
    """As on another machine: the same car, with neither its jobs nor its models."""
    shutil.copytree(str(path), str(target), ignore=shutil.ignore_patterns("jobs", "incoming", "data"))
    return target


def test_the_car_gets_what_a_pc_has_trained(owner, aws, image, tmp_path, capsys):
    """After days without a network; another car's model stays where it is."""
    image()
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    (job,) = re.findall(r"^Job (\S+) is running", owner.out, re.MULTILINE)
    assert aws.wait_for_job(job)["TrainingJobStatus"] == "Completed"
    pi = copy_car(owner.path, tmp_path / "pi")
    other = copy_car(owner.path, tmp_path / "other")
    (other / ".sagemaker" / "car_id").write_text("0123456789ab\n")

    follower = Follower(open_car(str(pi), flags={}), PlainUi(), days=14, sleep=lambda seconds: None)
    aws.fault("error", service="sagemaker", status=403, code="ExpiredTokenException", times=2)
    assert follower.look() == 3 and follower.look() == 3
    out = capsys.readouterr().out
    assert out.count("Warning: ") == 1 and "[ExpiredTokenException]" in out
    assert follower.look() == 0
    out = capsys.readouterr().out
    assert f"Job {job}\n" in out and "Installed models/pilot." in out and "AWS answers again.\n" in out
    assert follower.look() == 0 and capsys.readouterr().out == ""

    assert cli.main(["follow", "--once"], car_path=str(other)) == 0
    assert capsys.readouterr().out == "" and not (other / "models" / "pilot.tflite").exists()
    assert not is_installed(owner)
    assert owner.types("follow", "--once") == 0
    assert is_installed(owner)


def test_a_folder_of_its_own_is_enough(owner, aws, image, tmp_path, capsys):
    """The car and the PC share SAGEMAKER_FOLDER, which no other car may write to; their ids differ."""
    image()
    owner.configures('SAGEMAKER_FOLDER = "blue"')
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    (job,) = re.findall(r"^Job (\S+) is running", owner.out, re.MULTILINE)
    aws.wait_for_job(job)
    pi = copy_car(owner.path, tmp_path / "pi")
    shutil.rmtree(str(pi / ".sagemaker"))
    assert cli.main(["follow", "--once", "--days=0"], car_path=str(pi)) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["follow", "--once"], car_path=str(pi)) == 0
    out = capsys.readouterr().out
    assert "Installed models/pilot." in out and "another car" not in out


def test_a_failed_job_is_reported_once(owner, aws, small_model, capsys):
    """With its cause, as sagemaker-train reports it."""
    install_small_donkeycar(owner.path)
    push_own_image(aws, canned_container(small_model, "fails"))
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    (job,) = re.findall(r"^Job (\S+) is running", owner.out, re.MULTILINE)
    aws.wait_for_job(job)
    assert owner.types("follow", "--once") == 1
    assert f"Warning: The job {job} failed: The pictures are all black." in owner.out
    assert owner.types("follow", "--once") == 0 and owner.out == ""


def test_a_model_from_a_host(create_car, drawn_tub, tmp_path, ssh_host, monkeypatch, capsys):
    """The PC is switched off for a while, and the WiFi is gone."""
    monkeypatch.setattr(SshCloud, "poll_s", 0.2)
    car = create_car(tmp_path / "mycar")
    with open(str(car / "myconfig.py"), "a") as file:
        file.write(
            f'\nSAGEMAKER_BACKEND = "ssh"\nSAGEMAKER_HOST = "{NAME}"\nSAGEMAKER_DRIVING_PROOF = False\n'
            f"SAGEMAKER_PYTHON = {sys.executable!r}\nMAX_EPOCHS = 1\n"
        )
    train = ["train", "--tub", drawn_tub, "--model", "models/pilot", "--detach"]
    assert cli.main(train, car_path=str(car)) == 0
    pi = copy_car(car, tmp_path / "pi")
    code = cli.main(["follow", "--once"], car_path=str(car))
    while code == 0 and not (car / "models" / "pilot.tflite").exists():
        ssh_host.spooler("-w")  # until the job has ended
        code = cli.main(["follow", "--once"], car_path=str(car))
    out, err = capsys.readouterr()
    assert code == 0 and "Installed models/pilot." in out, (out, err)
    ssh_host.stop()
    assert cli.main(["follow", "--once"], car_path=str(pi)) == 3
    assert f"Warning: {NAME} " in capsys.readouterr().out
    ssh_host.start()
    assert cli.main(["follow", "--once"], car_path=str(pi)) == 0
    assert "Installed models/pilot." in capsys.readouterr().out
