"""The proof of driving with real pilots of every type, on a drawn tub."""

import os
import re
import subprocess
import sys
import threading
from collections import deque

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 is trained by tests/project")

from donkey_sagemaker.contract import TYPES, driving_loss
from donkey_sagemaker.driving import read_driving
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from trainer.dataset import make_dataset
from trainer.driven_line import Run
from trainer.driving_proof import (
    IMPOSSIBLE,
    MOST_PLACES,
    STARTS,
    choose_runs,
    make_starts,
    prove,
    summarize_proof,
)
from trainer.driving_section import make_driving_section
from trainer.net_driver import NetDriver
from trainer.pilots import make_pilot
from trainer.reading import load_inputs
from trainer.recorded_pictures import RecordedPictures
from trainer.simulated_drive import Sight
from trainer.views import AS_RECORDED, View
from trainer_jobs import make_job

pytestmark = pytest.mark.minutes
RECORDS = 120


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    """Two sessions of 60 records, with the columns of every type."""
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = [sys.executable, os.path.join(repo_path, "demo", "draw_tub.py"), "--records", str(RECORDS)]
    subprocess.check_call([*draw, "--sessions", "2", "--extras", "--out", path])
    return path


def read(tub_path, model_type="linear", recipe="donkeycar", **config):
    job = make_job(model_type, **config)._replace(
        recipe=recipe, driving_proof=True, tub_paths={"tub": "data/x"}
    )
    inputs = load_inputs(job, {"tub": read_tub(FolderFiles(tub_path), name="tub")})
    pilot = make_pilot(job.model_type, job.config)
    return pilot, make_dataset(pilot, inputs), inputs


@pytest.mark.parametrize("model_type", [each for each in TYPES if each not in IMPOSSIBLE])
def test_each_car_is_steered_as_the_pilot_would(tub_path, model_type):
    """A batch of cars gives what the car's own drive loop gives for each one, its memory included."""
    pilot, dataset, inputs = read(tub_path, model_type)
    pictures = RecordedPictures(dataset, inputs, inputs.job.camera)
    steer = NetDriver(pilot, dataset.examples, pictures.show)
    first, views = 10, [View(0.1, 0.1), View(-0.2, 0.0)]
    drives = []
    for step in range(6):
        sights = [Sight(car, first + 7 * car + step, view) for car, view in enumerate(views)]
        drives.append(steer(sights))
    for car, view in enumerate(views):
        pilot.rewind()
        example = dataset.examples[first + 7 * car]
        for number in example.numbers[:-1]:
            pilot.predict_step(pictures.show(number, view), drive_inputs(pilot, example))
        if model_type == "memory":
            commands = [[record.angle, record.throttle] for record in example.records[:-1]]
            pilot.pilot.mem_seq = deque(commands)
        for step in range(6):
            example = dataset.examples[first + 7 * car + step]
            picture = pictures.show(example.numbers[-1], view)
            _, commands = pilot.predict_step(picture, drive_inputs(pilot, example))
            assert drives[step][car] == pytest.approx(commands[0], abs=1e-5)


def drive_inputs(pilot, example):
    return [example.inputs[name] for name in pilot.drive_inputs(example.inputs)]


@pytest.mark.parametrize("recipe", ["donkeycar", "robust"])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"TRANSFORMATIONS": ["CROP"], "POST_TRANSFORMATIONS": ["BLUR"]},
        {"TRANSFORMATIONS": ["CROP"], "POST_TRANSFORMATIONS": ["BLUR"], "AUGMENTATIONS": ["BRIGHTNESS"]},
    ],
)
def test_the_net_sees_what_it_was_trained_to_see(tub_path, recipe, config):
    """From the line, a picture is that of the training; elsewhere, what the car crops stays in place."""
    _, dataset, inputs = read(tub_path, recipe=recipe, **config)
    pictures = RecordedPictures(dataset, inputs, inputs.job.camera)
    for number in (3, 70):
        np.testing.assert_array_equal(pictures.show(number, AS_RECORDED), dataset.show_picture(number))
    moved = pictures.show(3, View(0.2, 0.1))
    assert not np.array_equal(moved, dataset.show_picture(3))
    assert (moved[:40, :5] == 0).all() == bool(config)


def test_the_proof_of_an_untrained_net(tub_path, capfd):
    """The whole way to artifact.json and the report; the log says when it begins, and how long it took."""
    pilot, dataset, inputs = read(tub_path)
    pilot.compile()
    proof = prove(pilot, dataset, inputs, stop=threading.Event())
    begun, ended, metrics = capfd.readouterr().out.splitlines()[-3:]
    assert begun == "[donkey] Letting the model drive along the tub"
    assert re.fullmatch(rf"\[donkey\] Driven {proof.metres:.0f} m along the tub in \d+ s", ended)
    summary = summarize_proof(proof, dataset.examples, inputs.job)
    driving = read_driving(summary)
    printed = re.fullmatch(r"times_off_per_100_m=(\S+) driving_loss=(\S+)", metrics)
    loss = driving_loss(driving.times_off_per_100_m, driving.mean_distance_m)
    assert [float(each) for each in printed.groups()] == pytest.approx(
        [driving.times_off_per_100_m, loss], rel=1e-3
    )
    assert driving.times_off == sum(moment.are_off.sum() for moment in proof.moments) > 0
    assert not driving.held_out and driving.starts == proof.starts > 20 and driving.latency_frames == 2
    assert 0 < driving.mean_distance_m < 0.35 and driving.metres > 20
    assert (
        0 < len(driving.places) <= MOST_PLACES
        and sum(each.times for each in driving.places) <= driving.times_off
    )
    indexes = [example.records[-1].index for example in dataset.examples]
    assert all(each.tub == "data/x" and each.record in indexes for each in driving.places)
    markup = make_driving_section(proof, dataset.examples, inputs.job)
    assert "Driving on your tub" in markup and f"{driving.times_off_per_100_m:.1f}" in markup
    assert markup.count("<figure>") == len(driving.places) and markup.count("image/webp") == 1
    assert 10**4 < len(markup) < 10**6


def test_what_cannot_be_driven(tub_path, capsys):
    """A type whose other sensors a simulated car lacks, and a stop; a setting switches it off silently."""
    pilot, dataset, inputs = read(tub_path, "imu")
    assert prove(pilot, dataset, inputs, stop=threading.Event()) is None
    reason = "The model does not drive on the tub: the gyroscope of a simulated car is not known\n"
    assert reason in capsys.readouterr().out
    pilot, dataset, inputs = read(tub_path)
    few = dataset._replace(examples=dataset.examples[::2], validation=dataset.validation[:3])
    assert prove(pilot, few, inputs, stop=threading.Event()) is None
    assert "no 25 records follow one another" in capsys.readouterr().out
    stop = threading.Event()
    stop.set()
    assert prove(pilot, dataset, inputs, stop=stop) is None
    off = inputs._replace(job=inputs.job._replace(driving_proof=False))
    assert prove(pilot, dataset, off, stop=threading.Event()) is None
    assert "drive" not in capsys.readouterr().out


def test_stretches_that_were_held_out_are_driven(tub_path):
    """Only those, if they are long enough; single validation examples are not."""
    _, dataset, _ = read(tub_path)
    runs, held_out = choose_runs(dataset)
    assert (runs, held_out) == ([Run(0, 60), Run(60, 120)], False)
    stretches = dataset._replace(validation=dataset.examples[5:59] + dataset.examples[62:110])
    assert choose_runs(stretches) == ([Run(5, 59), Run(62, 110)], True)
    short = dataset._replace(validation=dataset.examples[5:59])
    assert choose_runs(short) == (runs, False)


def test_starts_are_spread_evenly():
    """With all four kicks, and never so late that there is nothing left to drive."""
    starts = make_starts([Run(0, 30), Run(100, 1000)])
    assert len(starts) == STARTS and len({(start.shift_m, start.turn) for start in starts}) == 4
    assert all(25 <= start.end - start.place <= 50 for start in starts)
    assert {start.end <= 30 for start in starts} == {True, False}
    assert max(start.place for start in starts) == 975
    few = make_starts([Run(0, 25)])
    assert [start.place for start in few] == [0] * 4 and len(set(few)) == 4
