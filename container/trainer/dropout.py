"""Dropout whose random numbers cost next to nothing on a CPU.

There, Keras spends about a quarter of a training step on them: a new number for each activation, in each
step. Here, all Dropout layers of a net with the same rate cut their masks out of one pool, each at a random
place, and the pools are drawn anew for each epoch. Every activation is dropped as often as in Keras, and
within a step those of one layer are dropped independently of each other.
"""

import contextlib
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np

# Rows of 64 bytes of bfloat16: TensorFlow then gives a part of a pool without copying it.
_ROW = 32
_PLACES = 2**15  # where the mask of the largest layer can begin, in rows


@contextlib.contextmanager
def use_mask_pools(
    net: Any, *, batch_size: int, tensorflow: Any, dtype: str = "float32"
) -> Iterator[Callable[[], None]]:
    """Makes a Keras model of TensorFlow 2 take its dropout masks from pools, until the context ends.

    Args:
        batch_size: of the largest batch.
        dtype: of the masks: the one that the activations are computed in, so that no step converts a pool.
    Returns:
        A function that draws the pools anew, for each epoch.
    """
    layers = dict(_find_dropouts(net))
    pools: Dict[float, Any] = {}
    for rate in {layer.rate for layer in layers}:
        largest = max(count for layer, count in layers.items() if layer.rate == rate)
        rows = _PLACES + -(-batch_size * largest // _ROW)
        pools[rate] = tensorflow.Variable(_draw(rows, rate, dtype, tensorflow), trainable=False)

    def redraw() -> None:
        for rate, pool in pools.items():
            pool.assign(_draw(pool.shape[0], rate, dtype, tensorflow))

    for layer in layers:
        layer.call = _make_call(layer.call, pools[layer.rate], tensorflow)
    try:
        yield redraw
    finally:
        for layer in layers:
            del layer.call  # that of its class comes back


def _find_dropouts(net: Any) -> Iterator[Tuple[Any, int]]:
    """Its Dropout layers, and how many activations of one example each of them sees."""
    for layer in net.layers:
        inner = layer.layer if type(layer).__name__ == "TimeDistributed" else layer
        if type(inner).__name__ == "Dropout" and 0 < inner.rate < 1 and inner.noise_shape is None:
            yield inner, int(np.prod(layer.output.shape[1:]))


def _draw(rows: int, rate: float, dtype: str, tensorflow: Any) -> Any:
    """Masks (rows, _ROW): 0, or what the activations that stay are multiplied by."""
    stays = tensorflow.random.uniform((rows, _ROW)) >= rate  # as Keras decides it
    return tensorflow.cast(tensorflow.cast(stays, tensorflow.float32) / (1 - rate), dtype)


def _make_call(call: Any, pool: Any, tensorflow: Any) -> Any:
    tf = tensorflow

    def call_with_mask(inputs: Any, training: Any = None) -> Any:
        if training is not True:
            return call(inputs, training=training)
        size = tf.size(inputs)
        rows = -(-size // _ROW)
        first = tf.random.uniform((), maxval=pool.shape[0] - rows + 1, dtype=tf.int32)
        mask = tf.reshape(tf.slice(pool, [first, 0], [rows, _ROW]), [-1])[:size]
        return inputs * tf.cast(tf.reshape(mask, tf.shape(inputs)), inputs.dtype)

    return call_with_mask
