"""Ctrl-C, hang-ups and polite kills; and detaching from a job."""

import os
import signal

import pytest

from donkey_sagemaker.interrupts import deferred_interrupts, interrupt_on_hangup, raise_late_interrupt
from donkey_sagemaker.training.detach import Detached, detach_on_interrupt

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _actions():
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_signal_interrupts(number):
    """As Ctrl-C does: with KeyboardInterrupt, which a command turns into a detach."""
    interrupt_on_hangup()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_deferred_signal_does_not_cut_a_step_in_two(number):
    """It is reported after the step, and interrupts again from then on."""
    interrupt_on_hangup()
    with deferred_interrupts() as arrived:
        os.kill(os.getpid(), number)
        done = True
    assert done and arrived == [number]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    with pytest.raises(KeyboardInterrupt):
        raise_late_interrupt()
    raise_late_interrupt()  # once


def test_ctrl_c_detaches_once_a_job_runs():
    """Before that it interrupts as usual."""
    with pytest.raises(KeyboardInterrupt), detach_on_interrupt():
        raise KeyboardInterrupt
    with pytest.raises(Detached) as detached, detach_on_interrupt() as detaching:
        detaching.job = "donkey-pilot-1"
        detaching.bill = " and is billed until it ends, at most 1.03 USD"
        raise KeyboardInterrupt
    assert (detached.value.what, detached.value.fix, detached.value.exit_code) == (
        "Detached. The job donkey-pilot-1 continues and is billed until it ends, at most 1.03 USD.",
        "Attach to it with `python manage.py sagemaker-train --attach`, or end it with "
        "`python manage.py sagemaker-stop`.",
        130,
    )


def test_an_ignored_signal_stays_ignored():
    """nohup has SIGHUP ignored, so that the command outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt_on_hangup()
    os.kill(os.getpid(), signal.SIGHUP)
    with deferred_interrupts() as arrived:
        os.kill(os.getpid(), signal.SIGHUP)
    assert arrived == [] and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
