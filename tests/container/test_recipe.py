"""The robust recipe in the feed: every type, with the car's own transformations, and in workers."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 is trained by tests/project")

from donkey_sagemaker.contract import CAMERA, TYPES, encode_hyperparameters
from trainer import dataset as datasets
from trainer.job import UnknownChoice, read_job
from trainer.opt_ml import OptMl
from trainer.pictures import find_opencv
from trainer.recovery import ONE_SIDED_TYPES, VARIANTS, steer_back
from trainer.turning import Turning
from trainer.views import AS_RECORDED, Camera, View, Viewer
from trainer.workers import can_fork
from trainer_jobs import make_job, read_dataset, read_feed

pytestmark = pytest.mark.minutes
RECORDS = 40
OWN_CAMERA = Camera(height_m=0.17, pitch_deg=22.0, fov_deg=100.0)


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    """A drawn tub with the columns of every type."""
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", str(RECORDS), "--extras"])
    return path


def make_robust_job(model_type="linear", **config):
    return make_job(model_type, **config)._replace(recipe="robust", camera=OWN_CAMERA, turning_radius_m=0.4)


def find_steering(model_type, targets):
    """The steering that a type's targets stand for, and how far a class may be from it."""
    angle = next(iter(targets.values()))
    if angle.size == 15:
        return np.argmax(angle) * 2 / 14 - 1, 1 / 14 + 1e-6
    return np.ravel(angle)[0], 1e-6


@pytest.mark.parametrize("model_type", TYPES)
def test_pictures_and_steering_belong_together(tub_path, model_type):
    """In a whole epoch of any type, every picture is the view that its steering comes from."""
    dataset = read_dataset(tub_path, make_robust_job(model_type))
    feed = dataset.feed(dataset.training, seed=5)
    assert len(feed.examples) == len(dataset.training) > 20
    viewer = Viewer(OWN_CAMERA, dataset.store.shape, cv2=find_opencv())
    order = np.arange(len(dataset.training))
    np.random.RandomState(5).shuffle(order)
    batches = feed.batches()
    kinds = set()
    for start in range(0, len(order), dataset.batch_size):
        chosen = order[start : start + dataset.batch_size]
        rows = feed.examples.choose_rows(chosen, 5)
        inputs, targets = (
            dict(zip(names, values))
            for names, values in zip((feed.examples.inputs, feed.examples.targets), next(batches))
        )
        for place, (number, row) in enumerate(zip(chosen, rows)):
            example = dataset.training[number]
            shift_m, turn, mirrored = feed.examples.views[row]
            view = View(shift_m, turn, bool(mirrored))
            kinds.add((view[:2] != AS_RECORDED[:2], view.mirrored))
            steering, close = find_steering(model_type, {name: each[place] for name, each in targets.items()})
            expected = steer_back(example.records[-1].angle, view, radius_m=0.4)
            assert steering == pytest.approx(expected, abs=close)
            frames = np.reshape(inputs["img_in"][place], (-1,) + dataset.store.shape)
            for frame, of_frame in zip(frames, example.numbers[-len(frames) :]):
                expected = viewer(dataset.store[of_frame], view)
                np.testing.assert_array_equal(frame, expected / np.float32(255))
            if model_type == "memory":
                remembered = [record.angle * (-1) ** view.mirrored for record in example.records[:-1]]
                np.testing.assert_allclose(inputs["mem_in"][place][::2], remembered, rtol=1e-6)
    assert dataset.mirror == (model_type not in ONE_SIDED_TYPES)
    may_mirror = dataset.mirror
    assert kinds == {(moved, mirrored) for moved in (False, True) for mirrored in {False, may_mirror}}


def test_a_drive_in_one_direction_is_not_mirrored(tub_path, capsys):
    """The trainer says so."""
    dataset = read_dataset(tub_path, make_robust_job())
    assert dataset.mirror and "mirrored" not in capsys.readouterr().out
    left = [each for each in dataset.examples if each.records[-1].angle < 0.1]
    assert not datasets._may_mirror(dataset.pilot, left)
    assert capsys.readouterr().out == (
        "[donkey] The bends are mostly to one side, so no pictures are shown mirrored\n"
    )


@pytest.mark.parametrize("model_type", ["linear", "memory"])
def test_both_forms_of_the_feed_show_the_same(tub_path, model_type):
    """The dataset for TensorFlow 2 and the generator for TensorFlow 1, here in the order of the records."""
    dataset = read_dataset(tub_path, make_robust_job(model_type))
    feed = dataset.feed(dataset.training, seed=5)
    feed.shuffle_seed = None
    inputs, targets = read_feed(feed)
    generated = [batch for batch, _ in zip(feed.batches(), range(feed.steps))]
    for side, names in ((0, feed.examples.inputs), (1, feed.examples.targets)):
        for place, name in enumerate(names):
            expected = np.concatenate([batch[side][place] for batch in generated])
            np.testing.assert_array_equal((inputs, targets)[side][name], expected)


@pytest.mark.parametrize("transformations", [[], ["CROP"]])
def test_validation_shows_the_recorded_pictures(tub_path, transformations):
    """So that the losses of both recipes can be compared."""
    config = {"TRANSFORMATIONS": transformations}
    plain = read_dataset(tub_path, make_job(**config))
    robust = read_dataset(tub_path, make_robust_job(**config))
    for expected, values in zip(
        read_feed(plain.feed(plain.validation)), read_feed(robust.feed(robust.validation))
    ):
        assert expected.keys() == values.keys()
        for name in expected:
            np.testing.assert_array_equal(values[name], expected[name])
    shown = [dataset.show(dataset.examples[3]) for dataset in (plain, robust)]
    np.testing.assert_array_equal(*shown)


def test_transformations_come_after_the_view(tub_path):
    """The car crops what its camera sees, wherever it is, so the cropped part stays where it is."""
    dataset = read_dataset(
        tub_path,
        make_robust_job(
            TRANSFORMATIONS=["CROP"], AUGMENTATIONS=["BRIGHTNESS"], POST_TRANSFORMATIONS=["CROP"]
        ),
    )
    pictures = read_feed(dataset.feed(dataset.training, seed=1))[0]["img_in"]
    assert not pictures[:, :45].any() and not pictures[:, :, :10].any()
    assert pictures[:, 45:, 10:].any(axis=(1, 2, 3)).all()


@pytest.mark.skipif(not can_fork(), reason="this system has no workers")
@pytest.mark.parametrize("model_type", ["linear", "rnn"])
def test_workers_make_the_same_views_as_this_process(tub_path, model_type):
    """The same seed gives the same pictures and the same steering, in any process and order."""
    dataset = read_dataset(tub_path, make_robust_job(model_type, AUGMENTATIONS=["BRIGHTNESS"]))
    feeds = [dataset.feed(dataset.training, seed=3) for _ in range(2)]
    assert feeds[0].start_workers() > 0
    try:
        with_workers = read_feed(feeds[0])
    finally:
        feeds[0].stop_workers()
    for ours, expected in zip(with_workers, read_feed(feeds[1])):
        for name, values in expected.items():
            np.testing.assert_array_equal(ours[name], values)


def test_an_epoch_shows_each_record_once_and_the_next_one_other_views(tub_path):
    """An epoch takes as many steps as with donkeycar's recipe."""
    dataset = read_dataset(tub_path, make_robust_job())
    feed = dataset.feed(dataset.training, seed=1)
    plain = read_dataset(tub_path, make_job())
    assert feed.steps == plain.feed(plain.training, seed=1).steps
    assert len(feed.examples.views) == VARIANTS * len(dataset.training)
    batches = feed.batches()
    epochs = [np.concatenate([next(batches)[1][0] for _ in range(feed.steps)]) for _ in range(2)]
    assert len(epochs[0]) == len(dataset.training)
    assert sorted(epochs[0]) != sorted(epochs[1])


def test_the_views_of_the_report(tub_path):
    """Two places of the drive, as recorded and from beside the line; none with donkeycar's recipe."""
    assert read_dataset(tub_path, make_job()).show_views() == []
    dataset = read_dataset(tub_path, make_robust_job("rnn", TRANSFORMATIONS=["CROP"]))
    shown = dataset.show_views()
    assert [where for _, _, where in shown[:6]] == [
        "as recorded",
        "30 cm further left",
        "30 cm further right",
        "turned left by 20 degrees",
        "turned right by 20 degrees",
        "30 cm further right, turned left by 20 degrees",
    ]
    assert len(shown) == 12
    example = dataset.examples[len(dataset.examples) // 4]
    np.testing.assert_array_equal(shown[0][0], dataset.show(example))
    assert [angle for _, angle, _ in shown[:2]] == [
        example.records[-1].angle,
        steer_back(example.records[-1].angle, View(shift_m=-0.3), radius_m=0.4),
    ]
    assert all(not picture[:45].any() and picture[45:].any() for picture, _, _ in shown)


def test_the_radius_is_the_owners_or_the_tubs_or_a_typical_one(tub_path, monkeypatch, capfd):
    """The log says which, and how to set another one."""
    job = make_robust_job()
    assert read_dataset(tub_path, job).radius_m == 0.4
    assert "steer" not in capfd.readouterr().out
    assert read_dataset(tub_path, job._replace(turning_radius_m=None)).radius_m == 0.5
    assert (
        "[donkey] The pictures do not show how much the car turns; it steers back as a car with a turning"
        " radius of 0.5 m. SAGEMAKER_TURNING_RADIUS_M sets another one\n"
    ) in capfd.readouterr().out
    monkeypatch.setattr(datasets, "find_turning", lambda *_: Turning(per_s=1.5, correlation=0.9, pairs=200))
    found = read_dataset(tub_path, job._replace(turning_radius_m=None)).radius_m
    assert found == pytest.approx(0.55 / 0.6 / 1.5)
    assert (
        "[donkey] At full steering the car turns by 86 degrees a second, which the pictures show; it steers"
        " back as a car with a turning radius of 0.61 m\n"
    ) in capfd.readouterr().out


def write_job(folder, **hyperparameters):
    path = folder / "input"
    (path / "data" / "car").mkdir(parents=True)
    (path / "config").mkdir()
    (path / "data" / "car" / "job.json").write_text(
        json.dumps({"name": "pilot", "type": "linear", "models": [["pilot.h5", "h5"]]})
    )
    (path / "config" / "hyperparameters.json").write_text(json.dumps(encode_hyperparameters(hyperparameters)))
    return OptMl({"SAGEMAKER_BASE_DIR": str(folder)})


def test_the_recipe_and_the_camera_of_a_job(tmp_path):
    """A job of an earlier version has neither, and a camera may be described in part."""
    job = read_job(write_job(tmp_path / "old"))
    assert (job.recipe, job.camera, job.turning_radius_m) == ("donkeycar", Camera(**CAMERA), None)
    job = read_job(write_job(tmp_path / "new", recipe="robust", camera={"pitch_deg": 30}, turning_radius_m=1))
    assert (job.recipe, job.camera, job.turning_radius_m) == (
        "robust",
        Camera(**dict(CAMERA, pitch_deg=30)),
        1.0,
    )


def test_a_recipe_of_a_later_version(tmp_path):
    """An image that is older than the car must not train something else without a word."""
    with pytest.raises(UnknownChoice) as raised:
        read_job(write_job(tmp_path, recipe="better"))
    assert raised.value.what == "This trainer does not know the recipe 'better'."
    assert raised.value.fix == (
        "Set SAGEMAKER_RECIPE to one of donkeycar, robust, or update the training image."
    )


def test_training_shows_the_throttle_of_a_whole_second(tub_path):
    """A thumb on a throttle is nervous. The mean of a second before and after is what can be learned."""
    dataset = read_dataset(tub_path, make_robust_job())
    recorded = {each.records[-1].index: each.records[-1] for each in dataset.examples}
    for example in dataset.training:
        (record,) = example.records
        near = [each.throttle for each in recorded.values() if each.session == record.session]
        assert record.throttle == pytest.approx(np.mean(near))  # sessions are shorter than a second
    shown = dataset.training_feed(seed=1).examples.targets["n_outputs1"][: len(dataset.training)]
    np.testing.assert_allclose(
        np.ravel(shown), [each.records[-1].throttle for each in dataset.training], rtol=1e-6
    )
    for example in dataset.validation:
        assert example.records[-1] is recorded[example.records[-1].index]
