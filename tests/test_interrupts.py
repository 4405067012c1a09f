"""Ctrl-C, hang-ups and polite kills."""

import os
import signal

import pytest

from donkey_sagemaker.interrupts import interrupt_on_hangup, undisturbed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _actions():
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_stops_the_watching(number):
    """As Ctrl-C does: with KeyboardInterrupt, which the stories turn into a detach."""
    interrupt_on_hangup()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_none_cuts_a_step_in_two(number):
    """It is told after the step, and works as before from then on."""
    interrupt_on_hangup()
    with undisturbed() as came:
        os.kill(os.getpid(), number)
        done = True
    assert done and came == [number]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
