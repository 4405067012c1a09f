"""What the trainer does about a GPU, as far as can be seen without one."""

import pytest

tensorflow = pytest.importorskip("tensorflow", reason="the trainer's tests run where a TensorFlow is")

from trainer import devices  # noqa: E402


def test_a_machine_without_a_gpu_has_its_cores():
    """None was asked for, so nothing is warned of."""
    names, has_gpu = devices.prepare_devices()
    assert len(names) == 1 and names[0].startswith("CPU, ") and not has_gpu


def test_a_gpu_has_its_name(monkeypatch):
    monkeypatch.setattr(devices, "_gpus", lambda: ["Tesla T4"])
    assert devices.prepare_devices() == (["Tesla T4"], True)


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
