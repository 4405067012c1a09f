"""How long a training is likely to take: first by this program's numbers, then by the car's own jobs."""

import pytest

from donkey_sagemaker.cloud.forecast import Forecast, Outlook, Past, Work, forecast, look_ahead, rank
from donkey_sagemaker.cloud.machines import SPEEDS
from donkey_sagemaker.cloud.prices import Price, list_price

WORK = Work("linear", records=10000, max_epochs=100, stops_early=True)
PAST = Past(
    instance_type="ml.m5.xlarge",
    is_spot=False,
    model_type="linear",
    records=10000,
    epochs=20,
    max_epochs=100,
    trained_s=400,
    took_s=500,
    billed_s=500,
)
PRICE = Price(0.36, "a test")


def likely(instance_type="ml.m5.xlarge", work=WORK, past=(), *, spot=False, count=1, keep_alive_s=0):
    return forecast(instance_type, work, past, price=PRICE, count=count, spot=spot, keep_alive_s=keep_alive_s)


def test_before_the_first_job():
    """30 epochs of 10,000 records at 640 pictures a second, and validation at three times that."""
    found = likely()
    assert found.epochs == 30 and found.jobs == 0
    assert found.seconds == pytest.approx(90 + 5 + 30 * (8000 / 640 + 2000 / (3 * 640)))
    assert found.usd == pytest.approx(found.seconds / 10000)


@pytest.mark.parametrize(
    "changes, epochs",
    [
        ({"max_epochs": 8}, 8),
        ({"max_epochs": 8, "stops_early": False}, 8),
        ({"stops_early": False}, 100),
        ({"max_epochs": 30}, 30),
    ],
)
def test_limit_of_epochs(changes, epochs):
    """MAX_EPOCHS and USE_EARLY_STOP have the same meaning as in the training."""
    assert likely(work=WORK._replace(**changes)).epochs == epochs


def test_a_larger_net_takes_longer():
    """A 3d net sees twenty pictures for each record."""
    types = ["categorical", "linear", "rnn", "3d"]
    seconds = [likely(work=WORK._replace(model_type=each)).seconds for each in types]
    assert seconds == sorted(seconds) and seconds[3] > 5 * seconds[1]


def test_job_corrects_the_forecast():
    """A similar training takes as long as the last one."""
    assert likely(past=[PAST]) == Forecast("ml.m5.xlarge", 20, pytest.approx(500), pytest.approx(0.05), 1)


def test_job_corrects_other_types():
    """The car's training is slower by a factor; the time to start is taken from the job."""
    faster = likely("ml.c5.2xlarge", past=[PAST])
    assert faster.seconds == pytest.approx(100 + 400 / 2)


def test_jobs_on_the_same_type_take_precedence():
    """Jobs on the same type are not mixed with those on others."""
    past = [PAST, PAST._replace(instance_type="ml.c5.2xlarge", trained_s=1000, took_s=1100)]
    assert likely("ml.c5.2xlarge", past=past).seconds == pytest.approx(1100)


def test_unknown_type():
    """There is no forecast for it before its first job."""
    assert likely("ml.new.xlarge") is None
    assert likely("ml.new.xlarge", past=[PAST]) is None
    past = [PAST._replace(instance_type="ml.new.xlarge")]
    assert likely("ml.new.xlarge", past=past).seconds == pytest.approx(500)


def test_several_machines():
    """They share the epochs, not what comes before; a past job counts as one machine would have trained."""
    start_s = 90 + 5
    assert likely(count=2).seconds - start_s == pytest.approx((likely().seconds - start_s) / 1.8)
    past = PAST._replace(machines=2, trained_s=400 / 1.8, took_s=100 + 400 / 1.8)
    assert likely(past=[past]).seconds == pytest.approx(500)
    assert look_ahead("ml.m5.xlarge", WORK, [past]).epoch_s is None
    epoch_s = look_ahead("ml.m5.xlarge", WORK._replace(machines=2), [past]).epoch_s
    assert epoch_s == pytest.approx(20 / 1.8)


def test_epochs_of_other_trainings_do_not_count():
    """A training of another model type or with another limit says nothing about this one."""
    past = [PAST._replace(max_epochs=1, epochs=1), PAST._replace(model_type="rnn", epochs=9)]
    assert likely(past=past).epochs == 30


def test_only_the_last_jobs_count():
    """The median of five counts, so that neither the sixth nor an outlier decides."""
    past = [PAST] * 3 + [PAST._replace(trained_s=4000, took_s=4100)] * 20
    assert likely(past=past).seconds == pytest.approx(500)


def test_spot_is_billed_for_fewer_seconds():
    """The billed share is that of the car's spot jobs, once there is one."""
    assert likely(spot=True).usd == pytest.approx(0.4 * likely().usd)
    assert likely(spot=True).seconds == likely().seconds
    past = [PAST._replace(is_spot=True, billed_s=150)]
    assert likely(spot=True, past=past).usd == pytest.approx(0.3 * likely(past=past).usd)


def test_several_instances_and_warm_pool():
    """Every instance is billed, including the seconds for which it is kept."""
    both = likely(count=2, keep_alive_s=1000)
    assert both.usd == pytest.approx(2 * (both.seconds + 1000) / 10000)


def test_the_parts_of_a_training_are_those_of_jobs_on_the_same_type():
    """What another type takes to start or for an epoch says little; the epochs are as many anywhere."""
    here = PAST._replace(before_s=60.0, after_s=20.0)
    elsewhere = PAST._replace(instance_type="ml.c5.2xlarge", before_s=600.0, after_s=200.0, trained_s=4000)
    found = look_ahead("ml.m5.xlarge", WORK, [elsewhere, here, PAST])
    assert found == Outlook(epochs=20, before_s=60.0, epoch_s=pytest.approx(20.0), after_s=20.0, jobs=2)
    assert found.whole_s == pytest.approx(60 + 20 * 20 + 20)
    assert look_ahead("ml.m5.xlarge", WORK, []).whole_s is None


def test_the_best_comes_first():
    """Types are ranked by cost or by time; those without a price are left out."""
    cheap, fast, odd = (
        Forecast("cheap", 1, 200.0, 0.01, 0),
        Forecast("fast", 1, 100.0, 0.02, 0),
        Forecast("odd", 1, 1.0, None, 0),
    )
    assert rank([odd, fast, cheap], prefer="cost") == [cheap, fast]
    assert rank([odd, fast, cheap], prefer="time") == [fast, cheap]


def test_every_known_type_has_a_price_somewhere():
    """Otherwise "auto" could never choose it."""
    assert all(list_price(each, "us-east-1") for each in SPEEDS)
