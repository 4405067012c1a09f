"""The trainer compared with donkeycar's own pipeline: the same examples and the same numbers."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing

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
from trainer.feed import Columns, Feed  # noqa: E402
from trainer.pictures import (  # noqa: E402
    Decoder,
    PictureFile,
    PictureStore,
    WrongShape,
    decode,
    find_opencv,
)
from trainer.pilot import TooSmall  # noqa: E402
from trainer.pilots import UnknownType, make_pilot  # noqa: E402
from trainer.samples import is_decided  # noqa: E402
from trainer.tensorflow_versions import make_optimizer  # noqa: E402
from trainer.workers import can_fork  # noqa: E402
from trainer_jobs import CONFIG, make_job, read_dataset, read_feed  # noqa: E402

pytestmark = pytest.mark.minutes
RECORDS = 40


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


@pytest.fixture(scope="module")
def plain_dataset(tub_path):
    """The drawn tub for a linear pilot, without any option."""
    return read_dataset(tub_path, make_job())


def donkeycars_batches(tub_path, pilot, config):
    """Every example as donkeycar's own training pipeline makes it, with scaled pictures."""
    own = Config()
    for name, value in config.items():
        setattr(own, name, value)
    with closing(TubDataset(own, [tub_path], seq_size=pilot.sequence_length)) as tubs:
        records = tubs.get_records()
    return list(iter(BatchSequence(pilot.pilot, own, records, is_train=False).pipeline))


@pytest.mark.parametrize(
    "model_type, transformations",
    [(model_type, chosen) for model_type in TYPES for chosen in ([], ["CROP"])]
    # In sequences donkeycar blurs pictures that it has blurred before, so only single ones are compared.
    + [("linear", ["CROP", "BLUR"])],
)
def test_examples_equal_donkeycars_own(one_session_path, model_type, transformations):
    """Inputs and targets of every type, to the last bit, transformed or not."""
    job = make_job(model_type, TRANSFORMATIONS=transformations, POST_TRANSFORMATIONS=transformations[1:])
    dataset = read_dataset(one_session_path, job)
    theirs = donkeycars_batches(one_session_path, dataset.pilot, job.config)
    inputs, targets = read_feed(dataset.feed(dataset.examples))
    assert len(theirs) == len(dataset.examples) > 30
    for name, values in inputs.items():
        np.testing.assert_array_equal(values, np.float32([x[name] for x, _ in theirs]))
    for name, values in targets.items():
        expected = [y[name] if isinstance(y, dict) else y for _, y in theirs]
        np.testing.assert_array_equal(values, np.float32(expected))


@pytest.mark.parametrize("size", [(160, 120), (80, 60)])
@pytest.mark.parametrize("depth", [1, 3])
def test_pictures_are_decoded_as_donkeycar_does(tub_path, size, depth):
    """Byte for byte, also when resized or grey."""
    path = os.path.join(tub_path, "images", "0_cam_image_array_.jpg")
    width, height = size
    with open(path, "rb") as file:
        ours = decode(file.read(), width=width, height=height, depth=depth)
    np.testing.assert_array_equal(ours, load_image_sized(path, width, height, depth))


def test_augmentation_starts_from_the_original_each_time(tub_path):
    """Each epoch changes the recorded picture, not the last epoch's. Validation pictures stay as they are."""
    dataset = read_dataset(tub_path, make_job(AUGMENTATIONS=["BRIGHTNESS"]))
    everything = np.arange(RECORDS)
    before = dataset.store.gather(everything)
    feed = dataset.feed(dataset.examples, seed=1)
    batches = feed.dataset(tensorflow)
    first, second = (np.sort(read_feed(feed, batches)[0]["img_in"], axis=0) for _ in range(2))
    assert np.any(first != np.sort(before / np.float32(255), axis=0)) and np.any(first != second)
    np.testing.assert_array_equal(dataset.store.gather(everything), before)
    np.testing.assert_array_equal(dataset.feed(dataset.examples).gather(everything), before)


@pytest.mark.parametrize("augmentations", [["BRIGHTNESS"], ["BLUR"], ["BRIGHTNESS", "BLUR"]])
def test_augmentation_is_donkeycars_own(plain_dataset, augmentations):
    """Pictures change as often and as much as in the first pass of donkeycar's own pipeline."""
    pilot = make_pilot("linear", make_job(AUGMENTATIONS=augmentations).config)
    picture = plain_dataset.store[0]
    ours = np.repeat(picture[np.newaxis], 1500, axis=0)  # chance changes no value below by 0.07
    pilot.augment(ours, 1)
    own = BatchSequence(pilot.pilot, pilot.car_config, [], is_train=True)
    theirs = np.stack([own.image_processor(picture) for _ in range(len(ours))])

    def describe(pictures):
        changed = np.any(pictures != picture, axis=(1, 2, 3))
        brightness, sharpness = (
            pictures.mean(axis=(1, 2, 3)),
            np.abs(np.diff(pictures / 255.0, axis=2)).mean(),
        )
        return [changed.mean(), brightness.mean() / 255, brightness.std() / 255, sharpness]

    assert describe(ours) == pytest.approx(describe(theirs), abs=0.07)
    assert 0.4 < describe(ours)[0] < 0.9


@pytest.mark.skipif(not can_fork(), reason="this system has no workers")
def test_workers_make_the_same_pictures_as_this_process(tub_path):
    """The same seed gives the same changes in any process and order, also in sequences."""
    job = make_job("rnn", AUGMENTATIONS=["BRIGHTNESS", "BLUR"], POST_TRANSFORMATIONS=["BLUR"])
    dataset = read_dataset(tub_path, job)
    feeds = [dataset.feed(dataset.examples, seed=3) for _ in range(2)]
    assert feeds[0].start_workers() > 0
    try:
        with_workers = read_feed(feeds[0])[0]["img_in"]
    finally:
        feeds[0].stop_workers()
    np.testing.assert_array_equal(with_workers, read_feed(feeds[1])[0]["img_in"])


@pytest.mark.skipif(not can_fork(), reason="this system has no workers")
def test_a_transformation_that_fails_ends_the_training_with_its_own_error(plain_dataset):
    """TensorFlow would wrap it in a hundred lines of its own."""
    feed = plain_dataset.feed(plain_dataset.examples, seed=1)

    def change(pictures, seed):
        raise ValueError("the owner's own mistake")

    feed.change = change
    feed.start_workers()
    try:
        with pytest.raises(tensorflow.errors.OpError):
            read_feed(feed)
    finally:
        feed.stop_workers()
    assert repr(feed.failure) == 'ValueError("the owner\'s own mistake")'


@pytest.mark.parametrize("make_store", [PictureStore, PictureFile])
def test_the_store_returns_copies_of_what_was_put_in(make_store):
    """In memory and on the disk: one picture, a batch, and a batch of sequences."""
    random = np.random.RandomState(1)
    pictures = random.randint(0, 255, (6, 4, 5, 3)).astype(np.uint8)
    store = make_store(6, (4, 5, 3))
    for number in (3, 0, 5, 1, 4, 2):
        store[number] = pictures[number]
    for numbers in ([4], [[5, 0], [0, 5], [2, 2]]):
        np.testing.assert_array_equal(store.gather(np.array(numbers)), pictures[np.array(numbers)])
    store[2][...] = 0
    np.testing.assert_array_equal(store[2], pictures[2])


def test_an_opencv_that_differs_is_not_used(tub_path):
    """OpenCV decodes pictures only as long as its pixels are those of Pillow."""
    with open(os.path.join(tub_path, "images", "0_cam_image_array_.jpg"), "rb") as file:
        data = file.read()
    own = find_opencv()
    decoder = Decoder(width=160, height=120, depth=3, cv2=own)
    expected = decode(data, width=160, height=120, depth=3)
    np.testing.assert_array_equal(decoder(data), expected)
    assert decoder.cv2 is not None

    class Other:
        IMREAD_COLOR, IMREAD_IGNORE_ORIENTATION = own.IMREAD_COLOR, own.IMREAD_IGNORE_ORIENTATION
        COLOR_BGR2RGB, imdecode = own.COLOR_BGR2RGB, own.imdecode

        @staticmethod
        def cvtColor(picture, code):
            return picture + np.uint8(1)

    decoder = Decoder(width=160, height=120, depth=3, cv2=Other)
    np.testing.assert_array_equal(decoder(data), expected)
    assert decoder.cv2 is None
    with pytest.raises(OSError):
        Decoder(width=160, height=120, depth=3, cv2=own)(data[: len(data) // 2])


def test_training_is_shuffled_for_each_epoch_and_validation_never(plain_dataset):
    """An epoch has every example once, in an order that the seed decides."""
    dataset = plain_dataset

    def order(batches):
        return [float(value) for _, targets in batches for value in targets["n_outputs0"]]

    recorded = [float(example.targets["n_outputs0"]) for example in dataset.examples]
    batches = dataset.feed(dataset.examples, seed=1).dataset(tensorflow)
    epochs = [order(batches) for _ in range(2)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == sorted(recorded)
    assert order(dataset.feed(dataset.examples).dataset(tensorflow)) == recorded


@pytest.mark.parametrize("seed", [1, None])
def test_tensorflow_does_not_tune_the_feed(plain_dataset, seed):
    """Its tuning thread may sleep for seconds and delay the end of an epoch."""
    feed = plain_dataset.feed(plain_dataset.examples, seed=seed)
    assert feed.dataset(tensorflow).options().autotune.enabled is False


def test_the_generator_for_tensorflow_1_makes_the_same_batches(tub_path):
    """The feed of old cars differs only in its form."""
    dataset = read_dataset(tub_path, make_job("memory"))
    feed = dataset.feed(dataset.examples)
    for (inputs, targets), (named_inputs, named_targets) in zip(feed.batches(), feed.dataset(tensorflow)):
        for got, name in zip(inputs, feed.examples.inputs):
            np.testing.assert_array_equal(got, feed.make_numbers(named_inputs, tensorflow)[name])
        for got, name in zip(targets, feed.examples.targets):
            np.testing.assert_array_equal(got, named_targets[name])


def test_records_that_lack_what_a_type_needs_are_left_out_by_reason(tub_path, tmp_path):
    """An imu pilot and a tub without a sensor: each record is counted, and none raises an error."""
    lines = []
    with open(os.path.join(tub_path, "catalog_0.catalog")) as file:
        lines = file.read().splitlines()
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copytree(os.path.join(tub_path, "images"), str(plain / "images"))
    (plain / "manifest.json").write_bytes(open(os.path.join(tub_path, "manifest.json"), "rb").read())
    stripped = [
        line.replace("imu/gyr_z", "imu/other") if number < 30 else line for number, line in enumerate(lines)
    ]
    stripped[35] = stripped[35].replace('"imu/acl_x": ', '"imu/acl_x": NaN, "x": ')
    (plain / "catalog_0.catalog").write_text("\n".join(stripped) + "\n")
    dataset = read_dataset(str(plain), make_job("imu"))
    assert len(dataset.examples) == 9
    assert dataset.left_out == {"imu/gyr_z missing": 30, "imu_in is not a number": 1}


def test_records_without_a_later_command_are_counted(tub_path):
    """With a slide of two, the last two records of each session have none."""
    dataset = read_dataset(tub_path, make_job(slide=2))
    assert dataset.left_out["no command 2 frames later"] == RECORDS - len(dataset.examples) > 0


def test_transformations_that_change_the_size_are_refused(tub_path):
    """A net for 160x120 cannot take a picture of half that size."""
    job = make_job(TRANSFORMATIONS=["RESIZE"], RESIZE_WIDTH=80, RESIZE_HEIGHT=60)
    with pytest.raises(WrongShape) as raised:
        read_dataset(tub_path, job)
    assert raised.value.what == (
        "The pictures are (60, 80, 3) after TRANSFORMATIONS, "
        "but the model takes (120, 160, 3) (height, width, depth)."
    )


def test_an_unknown_type_is_refused():
    """The message lists the types that this donkeycar has."""
    with pytest.raises(UnknownType) as raised:
        make_pilot("fastai_linear", CONFIG)
    assert raised.value.what == "This donkeycar cannot train models of type 'fastai_linear'."
    assert raised.value.fix.startswith("Choose one of linear, categorical, inferred, ")


def test_pictures_that_are_too_small_for_the_net_are_refused():
    """The convolutions of donkeycar's nets would have no pixels left."""
    with pytest.raises(TooSmall) as raised:
        make_pilot("linear", dict(CONFIG, IMAGE_W=80, IMAGE_H=60))
    assert raised.value.what == (
        "donkeycar cannot build a linear net for pictures of 80x60 pixels and 3 channels."
    )


def test_the_owners_optimizer_is_used():
    """OPTIMIZER, LEARNING_RATE, and the decay of Keras 2.0, rate / (1 + decay * step)."""
    pilot = make_pilot("linear", dict(CONFIG, OPTIMIZER="sgd", LEARNING_RATE=0.5, LEARNING_RATE_DECAY=0.1))
    pilot.compile()
    assert type(pilot.net.optimizer).__name__ == "SGD"
    adam = make_optimizer({"OPTIMIZER": "adam", "LEARNING_RATE": 0.5, "LEARNING_RATE_DECAY": 0.25})
    schedule = adam.get_config()["learning_rate"]["config"]
    assert (schedule["initial_learning_rate"], schedule["decay_rate"], schedule["decay_steps"]) == (
        0.5,
        0.25,
        1,
    )


def test_close_calls_between_classes_are_not_decided():
    """Rounding on another machine may change them. Outputs that are not probabilities always count."""
    assert is_decided(np.array([0.1, 0.8, 0.1]))
    assert not is_decided(np.array([0.1, 0.447, 0.453]))
    assert is_decided(np.array([-0.5])) and is_decided(np.array([0.4, 0.4]))


def test_columns_of_examples():
    """Numbers of pictures are integers, everything else is float32, and a row of another shape is refused."""
    columns = Columns(9, picture_inputs=["img_in"])
    for number in (3, 7, 1):
        inputs = {"img_in": np.asarray(number), "m": np.asarray([number / 2])}
        assert columns.append(inputs, {"y": np.asarray(number)}) == {3: 0, 7: 1, 1: 2}[number]
        with pytest.raises(ValueError, match="m has another shape"):
            columns.append({"img_in": np.asarray(9), "m": np.zeros(2)}, {"y": np.asarray(9)})
    stacked = columns.choose([0, 2])
    assert stacked.inputs["img_in"].tolist() == [3, 1] and stacked.inputs["img_in"].dtype == np.int64
    assert stacked.inputs["m"].tolist() == [[1.5], [0.5]] and stacked.targets["y"].dtype == np.float32
    feed = Feed(stacked, PictureStore(4, (2, 2, 3)), picture_inputs=["img_in"], divisor=1.0, batch_size=4)
    assert len(stacked) == 2 and feed.steps == 1
