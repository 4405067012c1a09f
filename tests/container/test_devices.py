"""How the trainer treats a GPU, as far as it can be tested without one."""

from types import SimpleNamespace

import pytest

tensorflow = pytest.importorskip("tensorflow", reason="the trainer's tests run where a TensorFlow is")

from trainer.samples import make_samples  # noqa: E402
from trainer.tensorflow_versions import full_precision  # noqa: E402


def test_samples_are_computed_as_exactly_as_on_the_car():
    """TensorFloat-32 is off while samples are made, and on before and after, for training."""
    is_rounded = tensorflow.config.experimental.tensor_float_32_execution_enabled
    seen = []

    def predict_step(picture, others):
        seen.append(is_rounded())
        raise KeyError

    pilot = SimpleNamespace(rewind=lambda: None, predict_step=predict_step)
    for _ in range(2):
        assert is_rounded()
        with pytest.raises(KeyError):
            make_samples(pilot, [None], [[]])
    assert seen == [False, False] and is_rounded()


def test_older_tensorflows_have_no_such_switch(monkeypatch):
    """1.4.1 has no tensorflow.config at all."""
    monkeypatch.delattr(tensorflow, "config")
    with full_precision():
        pass
