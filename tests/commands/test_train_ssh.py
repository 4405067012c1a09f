"""The verbs on a car whose jobs run on a host: the real program, sshd, task-spooler and trainer."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")

from donkey_sagemaker import cli
from donkey_sagemaker.ssh.backend import SshCloud
from ssh_host import NAME


@pytest.fixture
def car(create_car, tmp_path, ssh_host, monkeypatch):
    """A car made by `donkey createcar` that trains for one epoch on the host."""
    monkeypatch.setattr(SshCloud, "poll_s", 0.2)
    path = create_car(tmp_path / "mycar")
    with open(str(path / "myconfig.py"), "a") as file:
        file.write(
            f'\nSAGEMAKER_BACKEND = "ssh"\nSAGEMAKER_HOST = "{NAME}"\n'
            f"SAGEMAKER_PYTHON = {sys.executable!r}\nMAX_EPOCHS = 1\n"
        )
    return path


@pytest.fixture
def run(car, capsys):
    """A function that runs a verb and returns its exit code, its output and its errors."""

    def run(*arguments):
        code = cli.main(list(arguments), car_path=str(car))
        return (code, *capsys.readouterr())

    return run


def test_a_model_from_the_host(run, car, drawn_tub, ssh_host):
    """From doctor over a dry run, a detached and an attached training to the installed model."""
    code, out, err = run("doctor", "--tub", drawn_tub)
    assert code == 0, (out, err)
    found = {line.split()[1]: " ".join(line.split()[2:]) for line in out.splitlines() if line[:1] != " "}
    assert found["place"] == f"trains on {NAME}" and found["queue"] == "task-spooler, no job waits"
    assert found["python"].startswith(sys.executable + ", donkeycar ")
    assert found["network"] == "not measured: the bucket holds nothing to download yet"
    assert not (car / ".sagemaker").exists()

    train = ["train", "--tub", drawn_tub, "--model", "models/pilot"]
    code, out, err = run(*train, "--dry-run")
    assert code == 0, err
    assert "Would upload 2 of 2 shards" in out and "cars" not in os.listdir(ssh_host.root)

    code, out, err = run(*train, "--detach")
    assert code == 0, err
    (job,) = re.findall(rf"^Job (\S+) is running on {NAME}$", out, re.MULTILINE)
    assert "cost" not in out and "USD" not in out
    code, out, err = run(*train, "--detach")  # nothing is trained twice
    assert f"Job {job} already trains exactly this: attaching to it\n" in out, (out, err)
    ssh_host.wire.cut()
    code, out, err = run("train", "--attach")
    assert code == 0, (out, err)
    assert "State: Training\n" in out and "epoch 1" in out.lower()
    names = os.listdir(str(car / "models"))
    assert "pilot.tflite" in names and "pilot.html" in names
    code, out, err = run("jobs")
    (row,) = [line for line in out.splitlines() if job in line]
    assert row.split()[1] == "installed"
    code, out, err = run("doctor", "--tub", drawn_tub, "--json")
    (network,) = [each["found"] for each in json.loads(out) if each["check"] == "network"]
    assert re.fullmatch(r"downloaded .* in \d+\.\d s \(.* MB/s\)", network)


def test_a_job_that_waits_is_stopped(run, car, drawn_tub, ssh_host):
    """The watch shows its place, Ctrl-C leaves it in the queue, and sagemaker-stop removes it."""
    os.makedirs(ssh_host.root)
    ssh_host.spooler("-n", "sleep", "600")  # somebody else's
    code = "import sys; from donkey_sagemaker.cli import main; sys.exit(main(sys.argv[1:], car_path=%r))"
    command = [sys.executable, "-c", code % str(car), "train", "--tub", drawn_tub, "--model", "models/pilot"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    lines = []
    for line in iter(process.stdout.readline, b""):
        lines.append(line.decode())
        if lines[-1].startswith("State: Pending"):
            break
    assert lines and lines[-1] == "State: Pending: next in the queue\n", (lines, process.stderr.read())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to ssh as well
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^Detached\. The job \S+ continues\.$", err.decode(), re.MULTILINE), err
    code, out, err = run("stop")
    assert code == 0 and " was asked to stop.\n" in out, err
    code, out, err = run("train", "--attach")
    assert code == 1 and "was stopped before it had learned anything" in err


def test_nothing_is_sent_where_no_job_could_run(run, car, drawn_tub, ssh_host):
    """Everything that is wrong with the host is found before an upload."""
    ssh_host.uninstall("tsp")
    code, out, err = run("train", "--tub", drawn_tub)
    assert code == 3
    assert err.splitlines()[-2:] == [
        f"{NAME} has no queue for trainings: neither task-spooler nor Slurm is installed there.",
        f"Install task-spooler: `ssh {NAME} -t sudo apt-get install task-spooler`.",
    ]
    assert not os.path.exists(os.path.join(ssh_host.root, "cars"))
    code, out, err = run("doctor", "--tub", drawn_tub)
    assert code == 3 and "WRONG  queue" in out


def test_a_host_has_to_be_named(run, car):
    """Without SAGEMAKER_HOST there is nothing to connect to."""
    with open(str(car / "myconfig.py"), "a") as file:
        file.write("SAGEMAKER_HOST = None\n")
    code, out, err = run("jobs")
    assert code == 2
    assert err.splitlines() == [
        'SAGEMAKER_BACKEND is "ssh", but SAGEMAKER_HOST does not name the machine that trains.',
        'Set it in myconfig.py, for example SAGEMAKER_HOST = "me@pc.local".',
    ]
