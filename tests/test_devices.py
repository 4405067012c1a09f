"""What the trainer does about a GPU, as far as can be seen without one."""

import pytest

tensorflow = pytest.importorskip("tensorflow", reason="the trainer's tests run where a TensorFlow is")

from trainer import devices  # noqa: E402


def test_samples_are_computed_as_exactly_as_on_the_car():
    """TensorFloat-32 is off as long as that takes, and training has it before and after."""
    experimental = tensorflow.config.experimental
    assert experimental.tensor_float_32_execution_enabled()
    with pytest.raises(KeyError), devices.full_precision():
        assert not experimental.tensor_float_32_execution_enabled()
        raise KeyError
    assert experimental.tensor_float_32_execution_enabled()


def test_older_tensorflows_have_nothing_to_switch(monkeypatch):
    """As 1.4.1, which has no tensorflow.config at all."""
    monkeypatch.delattr(tensorflow, "config")
    with devices.full_precision():
        pass
