"""The trainer against donkeycar's own pipeline: the same examples, the same numbers."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

tensorflow = pytest.importorskip(
    "tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are"
)
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 has no pipeline to compare with")

from donkeycar.config import Config  # noqa: E402
from donkeycar.pipeline.training import BatchSequence  # noqa: E402
from donkeycar.pipeline.types import TubDataset  # noqa: E402
from donkeycar.utils import load_image_sized  # noqa: E402

from donkey_sagemaker.contract import TYPES  # noqa: E402
from donkey_sagemaker.tubs.files import FolderFiles  # noqa: E402
from donkey_sagemaker.tubs.reader import read_tub  # noqa: E402
from trainer.feed import Examples, Feed  # noqa: E402
from trainer.job import Job  # noqa: E402
from trainer.optimizers import optimizer_named  # noqa: E402
from trainer.pictures import WrongShape, decode  # noqa: E402
from trainer.pilots import UnknownType, make_pilot  # noqa: E402
from trainer.pipeline_pilot import TooSmall  # noqa: E402
from trainer.samples import is_decided  # noqa: E402
from trainer.train import gather_material, make_feed  # noqa: E402

RECORDS = 40
CONFIG = {
    "IMAGE_H": 120,
    "IMAGE_W": 160,
    "IMAGE_DEPTH": 3,
    "BATCH_SIZE": 16,
    "SEQUENCE_LENGTH": 3,
    "MODEL_CATEGORICAL_MAX_THROTTLE_RANGE": 0.8,
    "BEHAVIOR_LIST": ["left", "right"],
    "NUM_LOCATIONS": 8,
    "ROI_CROP_TOP": 45,
    "ROI_CROP_BOTTOM": 0,
    "ROI_CROP_LEFT": 10,
    "ROI_CROP_RIGHT": 0,
    "BLUR_KERNEL": 5,
    "BLUR_KERNEL_Y": None,
    "BLUR_GAUSSIAN": True,
    "AUG_BRIGHTNESS_RANGE": 0.2,
    "AUG_BLUR_RANGE": (0, 3),
}


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    """A drawn tub with the columns of every type, in four sessions."""
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", str(RECORDS), "--extras"])
    return path


@pytest.fixture(scope="module")
def one_session_path(tub_path, tmp_path_factory):
    """The same tub as one session: donkeycar's own sequences go across sessions, and ours do not."""
    path = tmp_path_factory.mktemp("one") / "data"
    shutil.copytree(tub_path, str(path))
    text = (path / "catalog_0.catalog").read_text()
    sessions = sorted(set(re.findall(r'"_session_id": "([^"]*)"', text)))
    assert len(sessions) == 4 and len(set(map(len, sessions))) == 1  # the catalog's line lengths stay right
    for session in sessions[1:]:
        text = text.replace(session, sessions[0])
    (path / "catalog_0.catalog").write_text(text)
    return str(path)


def make_job(model_type="linear", **config):
    return Job(
        name="pilot",
        model_type=model_type,
        models=[],
        transfer_path=None,
        slide=config.pop("slide", 0),
        min_throttle=None,
        floor_throttle=None,
        seed=1,
        tub_paths={},
        config=dict(CONFIG, **config),
    )


def make_material(tub_path, job):
    pilot = make_pilot(job.model_type, job.config)
    tub = read_tub(FolderFiles(tub_path), name="tub")
    return pilot, gather_material(pilot, {"tub": tub}, job)


def donkeycars_batches(tub_path, pilot, config):
    """Every example as donkeycar's own training pipeline gives it, pictures already scaled."""
    own = Config()
    for name, value in config.items():
        setattr(own, name, value)
    records = TubDataset(own, [tub_path], seq_size=pilot.sequence_length).get_records()
    return list(iter(BatchSequence(pilot.pilot, own, records, is_train=False).pipeline))


@pytest.mark.parametrize(
    "model_type, transformations",
    [(model_type, chosen) for model_type in TYPES for chosen in ([], ["CROP"])]
    # In sequences donkeycar blurs what it has blurred already: compared where pictures are alone.
    + [("linear", ["CROP", "BLUR"])],
)
def test_examples_equal_donkeycars_own(one_session_path, model_type, transformations):
    """Inputs and targets of every type, value for value, transformed or not."""
    job = make_job(model_type, TRANSFORMATIONS=transformations, POST_TRANSFORMATIONS=transformations[1:])
    pilot, material = make_material(one_session_path, job)
    theirs = donkeycars_batches(one_session_path, pilot, job.config)
    ours = list(make_feed(pilot, material.examples, material.store, job, seed=None).dataset(tensorflow))
    inputs = {name: np.concatenate([batch[0][name] for batch in ours]) for name in ours[0][0]}
    assert len(theirs) == len(next(iter(inputs.values()))) > 30
    for name, values in inputs.items():
        np.testing.assert_allclose(values, [x[name] for x, _ in theirs], rtol=1e-6, atol=1e-6)
    if isinstance(ours[0][1], dict):
        for name in ours[0][1]:
            got = np.concatenate([batch[1][name] for batch in ours])
            np.testing.assert_allclose(got, [y[name] for _, y in theirs], rtol=1e-6, atol=1e-6)
    else:
        got = np.concatenate([batch[1] for batch in ours])
        expected = [next(iter(y.values())) if isinstance(y, dict) else y for _, y in theirs]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(160, 120), (80, 60)])
@pytest.mark.parametrize("depth", [1, 3])
def test_pictures_are_decoded_as_donkeycar_does(tub_path, size, depth):
    """Resized and grey ones too, byte for byte."""
    path = os.path.join(tub_path, "images", "0_cam_image_array_.jpg")
    width, height = size
    with open(path, "rb") as file:
        ours = decode(file.read(), width=width, height=height, depth=depth)
    np.testing.assert_array_equal(ours, load_image_sized(path, width, height, depth))


def test_augmentation_starts_from_the_original_each_time(tub_path):
    """Each epoch changes the recorded picture, never the last epoch's; validation is left alone."""
    job = make_job(AUGMENTATIONS=["BRIGHTNESS"])
    pilot, material = make_material(tub_path, job)
    before = material.store.pixels.copy()
    feed = make_feed(pilot, material.examples, material.store, job, seed=1)
    first, second = feed.gather(np.arange(RECORDS)), feed.gather(np.arange(RECORDS))
    assert np.any(first != before) and np.any(first != second)
    np.testing.assert_array_equal(material.store.pixels, before)
    validation = make_feed(pilot, material.examples, material.store, job, seed=None)
    np.testing.assert_array_equal(validation.gather(np.arange(RECORDS)), before)


def test_training_is_shuffled_anew_each_epoch_and_validation_never(tub_path):
    """All examples once an epoch, in the seed's own order."""
    job = make_job()
    pilot, material = make_material(tub_path, job)

    def order(feed):
        return [float(value) for _, targets in feed.dataset(tensorflow) for value in targets["n_outputs0"]]

    recorded = [float(example.targets["n_outputs0"]) for example in material.examples]
    feed = make_feed(pilot, material.examples, material.store, job, seed=1)
    dataset = feed.dataset(tensorflow)
    epochs = [[float(v) for _, targets in dataset for v in targets["n_outputs0"]] for _ in range(2)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == sorted(recorded)
    assert order(make_feed(pilot, material.examples, material.store, job, seed=None)) == recorded


def test_the_generator_of_tensorflow_1_gives_the_same_batches(tub_path):
    """The feed of old cars differs in form only."""
    job = make_job("memory")
    pilot, material = make_material(tub_path, job)
    feed = make_feed(pilot, material.examples, material.store, job, seed=None)
    for (inputs, targets), (named_inputs, named_targets) in zip(feed.batches(), feed.dataset(tensorflow)):
        for got, name in zip(inputs, feed.examples.inputs):
            np.testing.assert_allclose(got, named_inputs[name], atol=1e-6)
        for got, name in zip(targets, feed.examples.targets):
            np.testing.assert_array_equal(got, named_targets[name])


def test_records_that_lack_what_a_type_needs_are_left_out_by_reason(tub_path, tmp_path):
    """An imu pilot and a tub without a sensor: each record is counted, none raises."""
    lines = []
    with open(os.path.join(tub_path, "catalog_0.catalog")) as file:
        lines = file.read().splitlines()
    plain = tmp_path / "plain"
    plain.mkdir()
    os.symlink(os.path.join(tub_path, "images"), str(plain / "images"))
    (plain / "manifest.json").write_bytes(open(os.path.join(tub_path, "manifest.json"), "rb").read())
    stripped = [
        line.replace("imu/gyr_z", "imu/other") if number < 30 else line for number, line in enumerate(lines)
    ]
    stripped[35] = stripped[35].replace('"imu/acl_x": ', '"imu/acl_x": NaN, "x": ')
    (plain / "catalog_0.catalog").write_text("\n".join(stripped) + "\n")
    _, material = make_material(str(plain), make_job("imu"))
    assert len(material.examples) == 9
    assert material.left_out == {"imu/gyr_z missing": 30, "imu_in is not a number": 1}


def test_the_slide_counts_what_it_leaves_out(tub_path):
    """Two frames later there is no command for the last two records of each session."""
    _, material = make_material(tub_path, make_job(slide=2))
    assert material.left_out["no command 2 frames later"] == RECORDS - len(material.examples) > 0


def test_transformations_that_change_the_size_are_told(tub_path):
    """A net for 160x120 cannot take a picture of half of that."""
    job = make_job(TRANSFORMATIONS=["RESIZE"], RESIZE_WIDTH=80, RESIZE_HEIGHT=60)
    with pytest.raises(WrongShape) as refusal:
        make_material(tub_path, job)
    assert refusal.value.what == (
        "TRANSFORMATIONS make pictures of (60, 80, 3), "
        "but the model takes (120, 160, 3) (height, width, depth)."
    )


def test_a_type_that_this_donkeycar_does_not_know_is_told():
    """With those that it does."""
    with pytest.raises(UnknownType) as refusal:
        make_pilot("fastai_linear", CONFIG)
    assert refusal.value.what == "This donkeycar does not train models of type 'fastai_linear'."
    assert refusal.value.fix.startswith("Choose one of linear, categorical, inferred, ")


def test_pictures_too_small_for_the_net_are_told():
    """The convolutions of donkeycar's nets would have no pixels left."""
    with pytest.raises(TooSmall) as refusal:
        make_pilot("linear", dict(CONFIG, IMAGE_W=80, IMAGE_H=60))
    assert refusal.value.what == "donkeycar cannot build a linear net for pictures of 80x60 and 3 colours."


def test_the_owners_optimizer_is_used():
    """OPTIMIZER, LEARNING_RATE and its decay by Keras 2.0's formula, rate / (1 + decay * step)."""
    pilot = make_pilot("linear", dict(CONFIG, OPTIMIZER="sgd", LEARNING_RATE=0.5, LEARNING_RATE_DECAY=0.1))
    pilot.compile()
    assert type(pilot.net.optimizer).__name__ == "SGD"
    make = optimizer_named(pilot.keras, "adam", rate=0.5, decay=0.25)
    schedule = make.get_config()["learning_rate"]["config"]
    assert (schedule["initial_learning_rate"], schedule["decay_rate"], schedule["decay_steps"]) == (
        0.5,
        0.25,
        1,
    )


def test_close_calls_between_classes_are_not_decided():
    """Rounding may tip them on another machine; outputs that are no probabilities always count."""
    assert is_decided(np.array([0.1, 0.8, 0.1]))
    assert not is_decided(np.array([0.1, 0.447, 0.453]))
    assert is_decided(np.array([-0.5])) and is_decided(np.array([0.4, 0.4]))


def test_stacked_examples_keep_their_order():
    """Numbers stay whole, all else is float32."""
    examples = [({"img_in": np.asarray(n), "m": np.asarray([n / 2])}, {"y": np.asarray(n)}) for n in (3, 1)]
    stacked = Examples.stack(examples, picture_inputs=["img_in"])
    assert stacked.inputs["img_in"].tolist() == [3, 1] and stacked.inputs["img_in"].dtype == np.int64
    assert stacked.inputs["m"].tolist() == [[1.5], [0.5]] and stacked.targets["y"].dtype == np.float32
    feed = Feed(stacked, np.zeros((4, 2, 2, 3), np.uint8), picture_inputs=["img_in"], scale=1.0, batch_size=4)
    assert len(stacked) == 2 and feed.steps == 1
