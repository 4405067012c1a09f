"""What the trainer does about a GPU, as far as can be seen without one."""

from types import SimpleNamespace

import pytest

tensorflow = pytest.importorskip("tensorflow", reason="the trainer's tests run where a TensorFlow is")

from trainer import devices  # noqa: E402
from trainer.samples import make_samples  # noqa: E402


def test_samples_are_computed_as_exactly_as_on_the_car():
    """TensorFloat-32 is off as long as that takes, each time, and training has it before and after."""
    is_rounded = tensorflow.config.experimental.tensor_float_32_execution_enabled
    seen = []

    def drive(picture, others):
        seen.append(is_rounded())
        raise KeyError

    pilot = SimpleNamespace(rewind=lambda: None, drive=drive)
    for _ in range(2):
        assert is_rounded()
        with pytest.raises(KeyError):
            make_samples(pilot, [None], [[]])
    assert seen == [False, False] and is_rounded()


def test_older_tensorflows_have_nothing_to_switch(monkeypatch):
    """As 1.4.1, which has no tensorflow.config at all."""
    monkeypatch.delattr(tensorflow, "config")
    with devices.full_precision():
        pass
