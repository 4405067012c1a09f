"""A training computes in bfloat16 only where that is faster, and never what its losses are judged by."""

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", minversion="2.15", reason="older ones train in float32")

from trainer import tensorflow_versions  # noqa: E402
from trainer.bfloat16 import CPU_INFO, is_faster  # noqa: E402
from trainer.feed import Examples, Feed  # noqa: E402
from trainer.pictures import PictureStore  # noqa: E402
from trainer.tensorflow_versions import keras, run_fit  # noqa: E402

pytestmark = pytest.mark.minutes
SHAPE, EXAMPLES = (20, 24, 3), 64


def make_net(convolution="Conv2D"):
    """A small net of pictures, with a convolution that donkeycar's nets have."""
    shape = SHAPE if convolution == "Conv2D" else (4, *SHAPE)
    inputs = keras.layers.Input(shape=shape, name="img_in")
    hidden = getattr(keras.layers, convolution)(8, 3, activation="relu")(inputs)
    hidden = keras.layers.Dropout(0.2)(hidden)
    outputs = keras.layers.Dense(1, name="out")(keras.layers.Flatten()(hidden))
    net = keras.models.Model(inputs, outputs)
    net.compile(optimizer="adam", loss="mse")
    return net


def make_feed():
    random = np.random.RandomState(1)
    store = PictureStore(EXAMPLES, SHAPE)
    for number in range(EXAMPLES):
        store[number] = random.randint(0, 256, SHAPE).astype(np.uint8)
    examples = Examples({"img_in": np.arange(EXAMPLES)}, {"out": random.rand(EXAMPLES, 1).astype(np.float32)})
    return Feed(examples, store, picture_inputs=["img_in"], divisor=255, batch_size=32, shuffle_seed=1)


def is_on():
    options = tensorflow.config.optimizer.get_experimental_options()
    return options.get("auto_mixed_precision_onednn_bfloat16", False)


class Watch(keras.callbacks.Callback):
    """Notes the option during each batch; it comes first, so it sees what the last callback has set."""

    def __init__(self):
        super().__init__()
        self.training, self.validation = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.training.append(is_on())

    def on_test_batch_end(self, batch, logs=None):
        self.validation.append(is_on())


@pytest.mark.parametrize(
    "flags, convolution, expected",
    [
        ("fpu avx512_vnni amx_bf16 amx_tile", "Conv2D", True),
        ("fpu avx512_vnni avx512_bf16", "Conv2D", True),
        ("fpu avx512_bf16 amx_bf16 amx_tile", "Conv3D", False),  # measured slower
        ("fpu avx512_vnni", "Conv2D", False),
        ("fpu avx2", "Conv2D", False),
        ("fpu xamx_bf16", "Conv2D", False),
    ],
)
def test_the_cpu_and_the_net_decide(tmp_path, flags, convolution, expected):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    assert is_faster(make_net(convolution), cpu_info=str(path)) is expected


def test_a_system_without_cpuinfo_trains_in_float32(tmp_path):
    assert is_faster(make_net(), cpu_info=str(tmp_path / "missing")) is False


@pytest.mark.parametrize("chosen", [True, False])
def test_only_training_steps_use_it(monkeypatch, chosen):
    monkeypatch.setattr(tensorflow_versions, "is_faster", lambda net: chosen)
    watch = Watch()
    run_fit(make_net(), make_feed(), make_feed(), epochs=2, verbose=0, callbacks=[watch])
    assert watch.training == [chosen] * 4 and watch.validation == [False] * 4
    assert not is_on()


def test_it_ends_with_a_training_that_fails(monkeypatch):
    class Failing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyError(is_on())

    monkeypatch.setattr(tensorflow_versions, "is_faster", lambda net: True)
    with pytest.raises(KeyError, match="True"):
        run_fit(make_net(), make_feed(), make_feed(), epochs=1, verbose=0, callbacks=[Failing()])
    assert not is_on()


@pytest.mark.skipif(not is_faster(make_net()), reason=f"{CPU_INFO} has no bf16")
def test_it_rounds_training_and_not_validation(monkeypatch):
    """The weights differ from those of float32, and the losses are exactly what float32 finds."""

    def train(in_bfloat16):
        monkeypatch.setattr(tensorflow_versions, "is_faster", lambda net: in_bfloat16)
        tensorflow_versions.set_seeds(3)
        net, feed = make_net(), make_feed()
        run_fit(net, feed, make_feed(), epochs=2, verbose=0, callbacks=[])
        validation = make_feed().dataset(tensorflow)
        return net.get_weights(), net.history.history["val_loss"][-1], net.evaluate(validation, verbose=0)

    (rounded, loss, evaluated), (exact, *_) = train(True), train(False)
    assert any((one != other).any() for one, other in zip(rounded, exact))
    for one, other in zip(rounded, exact):
        np.testing.assert_allclose(one, other, atol=0.02)
    assert loss == pytest.approx(evaluated, rel=1e-6)
