"""Dropout from pools of masks does what Keras's does."""

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", minversion="2", reason="the pools are for TensorFlow 2")

from trainer.dropout import use_mask_pools  # noqa: E402
from trainer.tensorflow_versions import keras  # noqa: E402

pytestmark = pytest.mark.minutes
BATCH, UNITS, DRAWS = 32, 333, 400  # units that fill no row of a pool


def make_net():
    """Outputs are 1 for what stays in both layers, 2 rates."""
    inputs = keras.layers.Input(shape=(UNITS,), name="in")
    first = keras.layers.Dropout(0.2, name="first")(inputs)
    return keras.models.Model(inputs, [first, keras.layers.Dropout(0.2, name="second")(inputs)])


@pytest.fixture(scope="module")
def drawn():
    """What the two layers make of ones in training: (2, DRAWS, BATCH, UNITS)."""
    tensorflow.random.set_seed(1)
    net, ones = make_net(), tensorflow.ones((BATCH, UNITS))
    outputs = np.empty((2, DRAWS, BATCH, UNITS), np.float32)
    with use_mask_pools(net, batch_size=BATCH, tensorflow=tensorflow) as redraw:
        step = tensorflow.function(lambda: net(ones, training=True))
        for draw in range(DRAWS):
            if draw % 20 == 0:
                redraw()
            outputs[:, draw] = step()
    return outputs


def test_the_rate(drawn):
    """Of all activations, of each unit and of each example: 0, or divided by what stays."""
    assert sorted(np.unique(drawn)) == [0, 1.25]
    dropped = drawn == 0
    for axes in ((0, 1, 2, 3), (0, 1, 2), (1, 3)):
        share = dropped.mean(axis=axes)
        spread = np.sqrt(0.2 * 0.8 / (dropped.size / max(1, share.size)))
        assert abs(share - 0.2).max() < 5 * spread


def test_nothing_is_dropped_together(drawn):
    """Neighbours, the same unit of two examples, of two steps, and of two layers."""
    dropped = (drawn == 0) - 0.2
    pairs = [
        (dropped[..., 1:], dropped[..., :-1]),
        (dropped[..., 16:], dropped[..., :-16]),
        (dropped[:, :, 1:], dropped[:, :, :-1]),
        (dropped[:, 1:], dropped[:, :-1]),
        (dropped[0], dropped[1]),
    ]
    for one, other in pairs:
        assert abs((one * other).mean() / 0.16) < 5 / np.sqrt(one.size)


def test_steps_differ_and_a_seed_repeats_them():
    def draw():
        tensorflow.random.set_seed(7)
        net = make_net()
        with use_mask_pools(net, batch_size=BATCH, tensorflow=tensorflow) as redraw:
            redraw()
            step = tensorflow.function(lambda: net(tensorflow.ones((BATCH, UNITS)), training=True))
            return np.array([step() for _ in range(3)])

    first, again = draw(), draw()
    assert (first == again).all()
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any()


def test_the_gradient_flows_through_what_stays():
    net = make_net()
    values = tensorflow.Variable(tensorflow.random.normal((BATCH, UNITS)))
    with use_mask_pools(net, batch_size=BATCH, tensorflow=tensorflow), tensorflow.GradientTape() as tape:
        first, _ = net(values, training=True)
    gradient = tape.gradient(first, values)
    np.testing.assert_allclose(gradient, np.where(first == 0, 0, 1.25))


def test_a_smaller_batch_and_a_sequence():
    """The last batch of an epoch; layers that Keras applies to each picture of a sequence."""
    inputs = keras.layers.Input(shape=(3, 5, 7), name="in")
    outputs = keras.layers.TimeDistributed(keras.layers.Dropout(0.5))(inputs)
    net = keras.models.Model(inputs, outputs)
    with use_mask_pools(net, batch_size=64, tensorflow=tensorflow):
        for examples in (64, 3):
            seen = np.array(net(tensorflow.ones((examples, 3, 5, 7)), training=True))
            assert set(np.unique(seen)) == {0, 2} and len({step.tobytes() for step in seen[:2]}) == 2


def test_masks_of_another_precision():
    """The outputs keep theirs, and bfloat16 rounds the factor of what stays by less than a hundredth."""
    inputs = keras.layers.Input(shape=(UNITS,))
    net = keras.models.Model(inputs, keras.layers.Dropout(0.3)(inputs))
    with use_mask_pools(net, batch_size=BATCH, dtype="bfloat16", tensorflow=tensorflow):
        seen = net(tensorflow.ones((BATCH, UNITS)), training=True)
    assert seen.dtype == tensorflow.float32
    dropped, factor = np.unique(seen)
    assert dropped == 0 and factor == pytest.approx(1 / 0.7, rel=0.004) and factor != np.float32(1 / 0.7)


def test_layers_are_given_back():
    """Validation, the car's check and the export see Keras's own."""
    net = make_net()
    with use_mask_pools(net, batch_size=BATCH, tensorflow=tensorflow):
        ones = np.ones((BATCH, UNITS), np.float32)
        assert (np.array(net(ones, training=False)) == 1).all()
    for layer in net.layers:
        assert "call" not in vars(layer)
    assert (np.array(net(ones, training=True)) == 0).any()
