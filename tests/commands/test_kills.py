"""Power cuts: sagemaker-train is killed at random moments, and the same command then completes the training.

It prints the moments of its run; docs/faults.md shows those of one.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from aws_fixture import AwsStandIn
from killing import RUN, Scene, configure_account

pytestmark = [
    pytest.mark.generations,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to kill"),
]
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KILLS = 20
SEED = 11
# What the command does, in order, and the words that it prints before it starts with each
PHASES = (
    ("preflight", "Training a "),
    ("pack and upload", " an hour"),
    ("launch", "Uploaded "),
    ("watch", " is running "),
    ("download", "Billed "),
    ("check", "Trained "),
    ("swap", "Driven by "),
)
END = "Installed "
TRAIN = ("train", "--model", "models/pilot")


class AwsScene(Scene):
    """A car that only has TensorFlow Lite, an account, and a container that delivers a finished model."""

    def __init__(self, folder, *, template, trained, aws: AwsStandIn, python):
        super().__init__(folder, python=python, environment=aws.environment, code=RUN)
        shutil.copytree(str(template), str(self.car))
        (self.car / "models" / "pilot.tflite").write_bytes(b"the old model")
        configure_account(self.car, aws)
        script = os.path.join(HERE, "canned_container.py")
        uri = aws.push_image("donkey-sagemaker", "dk53-cpu")
        aws.image(uri, command=[sys.executable, script, str(trained), "trains"])
        aws.set(upload_bytes_per_s=5e5, download_bytes_per_s=4e6)


@pytest.fixture(scope="module")
def template(tmp_path_factory, create_car, drawn_tub, generation_python):
    path = create_car(tmp_path_factory.mktemp("template") / "mycar", python=generation_python("dk53lite"))
    os.rmdir(str(path / "data"))
    shutil.copytree(drawn_tub, str(path / "data"))
    return path


@pytest.fixture(scope="module")
def trained(template, tmp_path_factory, generation_python):
    """The content of the archive that the real trainer delivers for that car."""
    car = tmp_path_factory.mktemp("trained") / "mycar"
    shutil.copytree(str(template), str(car))
    with open(str(car / "myconfig.py"), "a") as file:
        file.write("\nMAX_EPOCHS = 1\nSAGEMAKER_DRIVING_PROOF = False\n")
        file.write("SAGEMAKER_PYTHON = {!r}\n".format(generation_python("dk53")))
    python = generation_python("dk53lite")
    command = [python, "-m", "donkey_sagemaker", "train", "--local", "--model", "models/pilot"]
    subprocess.check_call(command, cwd=str(car))
    (archive,) = (car / ".sagemaker" / "local" / "buckets").glob("**/model.tar.gz")
    folder = tmp_path_factory.mktemp("model")
    subprocess.check_call(["tar", "xzf", str(archive), "-C", str(folder)])
    return folder


def measure_phases(scene):
    """The duration of each phase in seconds, in a run without a kill."""
    process = scene.start(*TRAIN)
    moments = []
    for words in [words for _, words in PHASES] + [END]:
        scene.wait_for(words, process)
        moments.append(time.monotonic())
    assert process.wait() == 0, scene.output()
    return {phase: end - start for (phase, _), start, end in zip(PHASES, moments, moments[1:])}


def test_after_a_kill_at_any_moment_the_same_command_ends_with_one_correct_model(
    tmp_path_factory, template, trained, aws, generation_python, capsys
):
    """One job, one model, one entry in the database, the old model in the backup, and no forgotten files."""

    def make_scene():
        aws.reset()
        folder = tmp_path_factory.mktemp("scene")
        python = generation_python("dk53lite")
        return AwsScene(folder, template=template, trained=trained, aws=aws, python=python)

    model = (trained / "pilot.tflite").read_bytes()
    scene = make_scene()
    lengths = measure_phases(scene)
    dice = random.Random(SEED)
    rows = ["| killed during | after | last line | jobs | model |", "|---|---|---|---|---|"]
    for phase, words in sorted((PHASES * KILLS)[-KILLS:], key=PHASES.index):
        moment = dice.triangular(
            0.0, lengths[phase], 0.0
        )  # mostly early, because a phase may be shorter this time
        scene = make_scene()
        victim = scene.start(*TRAIN)
        scene.wait_for(words, victim)
        scene.kill(victim, after=moment)
        last_line = scene.last_line()
        was_done = any(entry["state"] == "installed" for entry in scene.ledger())
        assert (scene.car / "models" / "pilot.tflite").read_bytes() in (b"the old model", model), last_line
        if not was_done:
            assert scene.run(*TRAIN) == 0, scene.output()
        assert (scene.car / "models" / "pilot.tflite").read_bytes() == model, last_line
        jobs = [each for each in aws.requests("sagemaker", "CreateTrainingJob") if each["status"] == 200]
        assert len(jobs) == 1, last_line
        assert [entry["state"] for entry in scene.ledger()] == ["installed"], last_line
        entries = json.loads((scene.car / "models" / "database.json").read_text())
        assert [entry["Name"] for entry in entries] == ["pilot"], last_line
        kept = list((scene.car / ".sagemaker" / "previous" / "pilot").glob("*/pilot.tflite"))
        assert [path.read_bytes() for path in kept] == [b"the old model"], last_line
        assert was_done or scene.leftovers() == [], last_line
        rows.append(f"| {phase} | {moment:.2f} s | {last_line[:60]} | {len(jobs)} | correct |")
    with capsys.disabled():
        print("\n" + "\n".join(rows))
