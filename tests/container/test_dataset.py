"""How a job's records become its examples: which ones validate, and which ones count more than once."""

import json

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are")
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 is trained by tests/project")

from trainer.dataset import TooFewExamples
from trainer_jobs import make_job, read_dataset
from tub_factory import make_record_v2, make_v2

pytestmark = pytest.mark.minutes
FIRST, SECOND = range(40, 80), range(100, 120)  # the driver after the first and the second takeover


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory):
    """120 records of a drive in which the driver takes over twice, at 20 records a second."""
    lines = {
        index: json.dumps(
            make_record_v2(index, **{"user/mode": "local", "pilot/angle": 0.9, "pilot/throttle": 0.2})
        ).encode()
        for index in (*range(20, 40), *range(80, 100))
    }
    return make_v2(tmp_path_factory.mktemp("tub") / "data", 120, size=(160, 120), lines=lines)


def indexes(examples):
    return sorted(example.records[-1].index for example in examples)


def test_the_drivers_corrections_count_more(tub_path, capfd):
    """They are trained on so many times in each epoch, and the log says so."""
    dataset = read_dataset(tub_path, make_job()._replace(takeover_weight=3))
    corrections = [index for index in indexes(dataset.training) if index in (*FIRST, *SECOND)]
    assert indexes(dataset.repeated) == sorted(2 * corrections)
    assert len(dataset.training_feed(seed=1).examples) == len(dataset.training) + 2 * len(corrections)
    assert not set(indexes(dataset.validation)) & set(corrections)
    assert (
        "[donkey] The driver took over from the autopilot 2 times: the"
        f" {len(corrections)} examples of the 2 s after that count 3 times (SAGEMAKER_TAKEOVER_WEIGHT)\n"
    ) in capfd.readouterr().out


def test_a_weight_of_one(tub_path):
    """Then corrections count like any other record."""
    assert read_dataset(tub_path, make_job()._replace(takeover_weight=1)).repeated == []


def test_what_the_autopilot_did_before_the_takeover_is_not_learned(tub_path):
    """Its own commands may be learned, but not those that made the driver step in."""
    dataset = read_dataset(tub_path, make_job(autopilot="pilot"))
    assert dataset.left_out == {"just before the driver took over": 40}
    assert indexes(dataset.examples) == [*range(20), *FIRST, *SECOND]


@pytest.mark.parametrize("model_type", ["linear", "rnn"])
def test_stretches_validate(tub_path, model_type):
    """They are apart from what is trained on by a second, and the examples in between are counted."""
    job = make_job(model_type, autopilot="user", DRIVE_LOOP_HZ=10)._replace(validation="stretches")
    dataset = read_dataset(tub_path, job)
    training, validation = indexes(dataset.training), indexes(dataset.validation)
    assert len(validation) == len(dataset.examples) - int(0.8 * len(dataset.examples))
    assert min(abs(one - other) for one in training for other in validation) >= 10
    gap = len(dataset.examples) - len(training) - len(validation)
    assert dataset.left_out == {"beside a stretch that validates": gap}
    assert gap >= 10


def test_a_tub_too_small_for_stretches(tub_path):
    """Where the gaps leave nothing, the message names them and the setting."""
    job = make_job(autopilot="user", DRIVE_LOOP_HZ=120)._replace(validation="stretches")
    with pytest.raises(TooFewExamples) as raised:
        read_dataset(tub_path, job)
    assert raised.value.what == (
        "No examples are left to train on (left out: 96 x beside a stretch that validates)."
    )
    assert raised.value.fix == (
        "Record more, or relax TRAIN_FILTER, SAGEMAKER_MIN_THROTTLE, SAGEMAKER_SLIDE and"
        " SAGEMAKER_VALIDATION."
    )
