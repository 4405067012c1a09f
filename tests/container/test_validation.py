"""What an archive says about the model on pictures that it was not trained on."""

import json
import os
import subprocess
import sys
import zlib

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 has neither these types nor v2 tubs")

from donkey_sagemaker.car.compare_child import decode, read_validation_pictures  # noqa: E402
from donkey_sagemaker.contract import TYPES  # noqa: E402
from donkey_sagemaker.quality import read_validation  # noqa: E402
from donkey_sagemaker.tubs.files import FolderFiles  # noqa: E402
from donkey_sagemaker.tubs.reader import read_tub  # noqa: E402
from trainer import validation  # noqa: E402
from trainer.dataset import make_dataset  # noqa: E402
from trainer.job import Job  # noqa: E402
from trainer.pilots import make_pilot  # noqa: E402
from trainer.reading import load_inputs  # noqa: E402
from trainer.validation import MOST_LATE, Checksums, ValidationSet, find_later, summarize, summarize_steering  # noqa: E402

RECORDS = 60
CONFIG = {
    "IMAGE_H": 120,
    "IMAGE_W": 160,
    "IMAGE_DEPTH": 3,
    "BATCH_SIZE": 8,
    "SEQUENCE_LENGTH": 3,
    "MODEL_CATEGORICAL_MAX_THROTTLE_RANGE": 0.8,
    "BEHAVIOR_LIST": ["left", "right"],
    "NUM_LOCATIONS": 8,
    "ROI_CROP_TOP": 45,
    "ROI_CROP_BOTTOM": 0,
    "ROI_CROP_LEFT": 10,
    "ROI_CROP_RIGHT": 0,
    "AUG_BRIGHTNESS_RANGE": 0.2,
}


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path):
    """A drawn tub with the columns of every type."""
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([sys.executable, draw, "--out", path, "--records", str(RECORDS), "--extras"])
    return path


def make_set(tub_path, model_type, **config):
    """The validation set of a net that was not trained, with its pilot and its dataset."""
    job = Job(
        name="pilot",
        model_type=model_type,
        models=[],
        transfer_path=None,
        slide=0,
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        seed=1,
        tub_paths={},
        config=dict(CONFIG, **config),
    )
    tubs = {"tub": read_tub(FolderFiles(tub_path), name="tub")}
    pilot = make_pilot(model_type, job.config)
    dataset = make_dataset(pilot, load_inputs(job, tubs))
    return ValidationSet(pilot, dataset, checksums=Checksums(tubs)), pilot, dataset


@pytest.mark.minutes
@pytest.mark.parametrize(
    "model_type, config",
    [(each, {}) for each in TYPES if each != "memory"]
    + [
        ("linear", {"TRANSFORMATIONS": ["CROP"], "AUGMENTATIONS": ["BRIGHTNESS"]}),
        ("linear", {"POST_TRANSFORMATIONS": ["CROP"], "AUGMENTATIONS": ["BRIGHTNESS"]}),
        ("linear", {"IMAGE_DEPTH": 1}),
    ],
)
def test_the_car_drives_the_same(tub_path, tmp_path, model_type, config):
    """Its pilot, one picture after the other, gives the commands in the archive for the pictures there."""
    validation_set, pilot, _ = make_set(tub_path, model_type, **config)
    summary, content = validation_set.measure(1)
    (tmp_path / "validation.npz").write_bytes(content)
    arrays = read_validation_pictures(str(tmp_path / "validation.npz"))
    others = [arrays[name] for name in sorted(arrays) if name.startswith("other_")]
    sequence = arrays["sizes"].shape[1]
    assert sequence == (3 if model_type in ("rnn", "3d") else 1)
    assert bool(others) == (model_type in ("imu", "behavior"))
    ends = np.cumsum(arrays["sizes"].ravel())
    for place in (0, len(arrays["driven"]) - 1):
        for number in range(place * sequence, (place + 1) * sequence):
            jpeg = arrays["jpegs"][ends[number] - arrays["sizes"].ravel()[number] : ends[number]].tobytes()
            picture = decode(jpeg, pilot.picture_shape)
            _, commands = pilot.predict_step(picture, [other[place] for other in others])
        assert commands[:2] == pytest.approx(arrays["predicted"][place], abs=1e-4)
        record = validation_set.examples[place].records[-1]
        assert tuple(arrays["driven"][place]) == (record.angle, record.throttle)
    assert summary["pictures"] == len(arrays["driven"]) == len(validation_set.examples)
    assert read_validation(json.loads(json.dumps(summary))).pictures == summary["pictures"]
    assert validation_set.measure(2)[1] == content  # nothing piles up from one epoch to the next


@pytest.mark.minutes
def test_a_memory_model_is_measured_but_cannot_be_compared(tub_path):
    """In training it sees the driver's last commands, on the car its own."""
    summary, content = make_set(tub_path, "memory")[0].measure(1)
    assert content is None and summary["angle"]["error"] > 0


@pytest.mark.minutes
def test_the_net_of_an_epoch_is_measured_once(tub_path):
    """The best one is delivered again at the end."""
    validation_set, pilot, _ = make_set(tub_path, "linear")
    summary, _ = validation_set.measure(1)
    pilot.net.set_weights([0 * weights for weights in pilot.net.get_weights()])
    assert validation_set.measure(1)[0] is summary
    assert validation_set.measure(2)[0] != summary


def test_which_pictures_were_trained_on(tub_path):
    """Those of the recorded files, none of which is a validation picture."""
    validation_set, _, dataset = make_set(tub_path, "linear", TRANSFORMATIONS=["CROP"])
    trained = np.frombuffer(validation_set.trained(), "<u4").tolist()
    names = [record.image for example in dataset.training for record in example.records]
    contents = [open(os.path.join(tub_path, name), "rb").read() for name in names]
    assert trained == sorted({zlib.crc32(content) for content in contents})


def test_the_pictures_are_bounded_and_spread(tub_path, monkeypatch):
    """Large pictures and long sequences are fewer."""
    _, _, dataset = make_set(tub_path, "linear")
    order = [id(example) for example in dataset.examples]
    every = validation.choose(dataset)
    assert [id(example) for example in every] == sorted(map(id, dataset.validation), key=order.index)
    monkeypatch.setattr(validation, "MAX_EXAMPLES", 5)
    assert [id(each) for each in validation.choose(dataset)] == [id(every[n]) for n in (0, 2, 5, 8, 11)]
    monkeypatch.setattr(validation, "MAX_PIXELS", 2.5 * 120 * 160)
    assert [id(each) for each in validation.choose(dataset)] == [id(every[0]), id(every[-1])]


def no_later(count):
    """As of examples after each of which a record is missing."""
    return np.full((count, MOST_LATE + 1), np.nan)


def test_the_summary():
    """The best constant is the median for the mean error, and the mean for the squared error."""
    driven = np.array([[-1.0, 0.5], [0.0, 0.5], [0.0, 0.5], [0.0, 0.5], [0.5, 0.5]] * 40)
    predicted = np.zeros_like(driven)
    summary = summarize(driven, predicted, later=no_later(200))
    angle = summary["angle"]
    assert (summary["pictures"], angle["predicted_std"]) == (200, 0)
    assert (angle["error"], angle["constant_error"], angle["gain"]) == (0.3, 0.3, 0)
    assert angle["driven_std"] == pytest.approx(driven[:, 0].std())
    assert angle["squared_gain"] == pytest.approx(-0.01)
    assert read_validation(summary).why_dead().startswith("its steering hardly varies")
    assert read_validation(summarize(driven, driven, later=no_later(200))).why_dead() is None
    shuffled = driven[np.random.RandomState(1).permutation(200)]
    assert (
        read_validation(summarize(driven, shuffled, later=no_later(200)))
        .why_dead()
        .startswith("it steers no better than")
    )


def test_where_the_steering_is_wrong():
    """To the right by 0.1 on straights and by 0.3 in bends, three of four of which go to the left."""
    driven = np.array([0.0, 0.05, -0.5, -0.5, -0.5, 0.5])
    steering = summarize_steering(driven, driven + [0.1, 0.1, 0.3, 0.3, 0.3, 0.3], no_later(6))
    assert (steering["bends"], steering["left_bends"]) == (pytest.approx(4 / 6), 0.75)
    assert (steering["straight_error"], steering["bend_error"]) == (0.1, 0.3)
    assert steering["bias"] == pytest.approx(1.4 / 6)
    assert (steering["late_frames"], steering["late_error"], steering["late_error_without"]) == (0, 0, 0)


def test_a_track_of_bends_alone_and_one_without():
    """There is nothing to average, which JSON cannot express."""
    for driven in (np.full(5, 0.5), np.zeros(5)):
        json.dumps(summarize_steering(driven, driven + 0.1, no_later(5)), allow_nan=False)


def test_late_commands():
    """The model steers as the driver does three frames later."""
    angles = np.sin(np.arange(100) / 5)
    later = np.array([angles[place : place + MOST_LATE + 1] for place in range(80)])
    steering = summarize_steering(angles[:80], angles[3:83], later)
    assert (steering["late_frames"], steering["late_error"]) == (3, 0)
    assert steering["late_error_without"] == pytest.approx(np.abs(angles[3:83] - angles[:80]).mean())


def test_what_the_driver_does_later(tub_path):
    """Up to the end of the drive, or to a record that is missing."""
    _, _, dataset = make_set(tub_path, "linear")
    examples = dataset.examples
    angles = [example.records[-1].angle for example in examples]
    first, last = find_later(examples, [examples[0], examples[-1]])
    assert first.tolist() == angles[: MOST_LATE + 1]
    assert last[0] == angles[-1] and np.isnan(last[1:]).all()
    (row,) = find_later(examples[:3] + examples[4:], [examples[0]])
    assert row[:3].tolist() == angles[:3] and np.isnan(row[3:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_net_whose_commands_are_not_numbers(value):
    """JSON has no word for them, and the car's check rejects the model anyway."""
    assert summarize(np.zeros((5, 2)), np.full((5, 2), value), later=no_later(5)) == {}
