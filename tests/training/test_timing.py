"""How long a job still takes, in words, as its epochs arrive."""

import pytest

from donkey_sagemaker.cloud.forecast import Outlook
from donkey_sagemaker.contract import Progress, Step
from donkey_sagemaker.training.timing import Timing

EPOCH = Progress(epoch=1, epochs=10, loss=0.1, val_loss=0.1, best_val_loss=0.1, images=800, seconds=60.0)
STEP = Step(epoch=1, epochs=10, batch=25, batches=100, images_per_s=100.0, left_s=45.0)
KNOWN = Outlook(epochs=5, before_s=20.0, epoch_s=60.0, after_s=40.0, jobs=1)


class Clock:
    """Stands still until a test sets it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_before_the_first_job_nobody_knows(clock):
    """The first epoch shows how long the others take, at most: the training may end early."""
    timing = Timing(started=1000.0, clock=clock)
    assert timing.describe() == ""
    timing.see_step(STEP)  # a quarter took 15 s: with validation, 65 s an epoch
    assert timing.describe() == "at most 11 min of training left"
    timing.see_epoch(EPOCH, is_running=True)
    assert timing.describe() == "at most 9 min of training left"
    timing.see_epoch(EPOCH._replace(epoch=10), is_running=True)
    assert timing.describe() == ""


def test_the_last_jobs_tell_how_long_it_takes(clock):
    """From the launch to the installed model; the clock goes on between two lines."""
    timing = Timing(KNOWN, started=1000.0, clock=clock)
    clock.now = 1010.0
    assert timing.describe() == "about 6 min left"  # 20 + 5 x 60 + 40 - 10
    timing.see_epoch(EPOCH, is_running=True)
    assert timing.describe() == "about 5 min left"  # 4 x 60 + 40
    timing.see_epoch(EPOCH._replace(epoch=5), is_running=True)
    assert timing.describe() == "about 40 s left"
    clock.now += 30
    assert timing.describe() == "about 10 s left"
    clock.now += 30
    assert timing.describe() == ""  # it takes longer than the others did: no false zero


def test_more_epochs_than_the_last_jobs_had(clock):
    """Then it takes at most as long as the configuration allows."""
    timing = Timing(KNOWN, started=1000.0, clock=clock)
    timing.see_epoch(EPOCH._replace(epoch=6), is_running=True)
    assert timing.describe() == "at most 5 min left"  # 4 x 60 + 40
    timing.see_epoch(EPOCH._replace(epoch=10), is_running=True)
    assert timing.describe() == "about 40 s left"


def test_a_training_that_ended_early(clock):
    """What is left are its last steps, not the epochs that it did not need; an interrupted job has them."""
    timing = Timing(started=1000.0, clock=clock)
    timing.see_epoch(EPOCH, is_running=True)
    timing.see_last_epoch()
    assert timing.describe() == ""
    timing = Timing(KNOWN._replace(epochs=None), started=1000.0, clock=clock)
    timing.see_step(STEP)
    timing.see_epoch(EPOCH, is_running=True)
    timing.see_last_epoch()
    clock.now += 10
    assert timing.describe() == "about 30 s left"
    timing.see_epoch(EPOCH, is_running=True)
    assert timing.describe() == "at most 10 min left"  # 9 x 60 + 40


def test_a_complete_epoch_is_not_the_last_one(clock):
    """All its batches are done, and nine epochs are still to come."""
    timing = Timing(started=1000.0, clock=clock)
    timing.see_step(STEP)
    timing.see_step(STEP._replace(batch=100, left_s=0.0))
    assert timing.describe() == "at most 10 min of training left"


def test_what_it_took_is_learned(clock):
    """Before the first epoch and after the last one, unless the log was read when all was over."""
    timing = Timing(started=1000.0, clock=clock)
    clock.now = 1090.0
    timing.see_epoch(EPOCH, is_running=True)
    clock.now = 1150.0
    timing.see_epoch(EPOCH._replace(epoch=2), is_running=True)
    clock.now = 1200.0
    assert (timing.before_s, timing.after_s) == (30.0, 50.0)
    late = Timing(started=1000.0, clock=clock)
    late.see_epoch(EPOCH, is_running=False)
    assert (late.before_s, late.after_s) == (None, None)


def test_a_wait_in_a_queue_does_not_count(clock):
    """What is left, and what the launch has taken, begin when the wait has ended."""
    timing = Timing(KNOWN, started=1000.0, clock=clock)
    clock.now = 5000.0
    timing.start_again()
    assert timing.describe() == "about 6 min left"
    clock.now = 5090.0
    timing.see_epoch(EPOCH, is_running=True)
    assert timing.before_s == 30.0
