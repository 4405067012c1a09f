"""Training in bfloat16, on CPUs that multiply it faster than float32 (Intel's AMX, AMD from Zen 4 on).

TensorFlow's graph optimizer then rounds the factors of convolutions and matrix products, and what lies
between them up to the errors of a step, to bfloat16. Sums are still added up in float32, and weights and
optimizer stay in float32.
"""

import contextlib
from typing import Any, Iterator, Sequence

CPU_INFO = "/proc/cpuinfo"
_OPTION = "auto_mixed_precision_onednn_bfloat16"
_INSTRUCTIONS = {"amx_bf16", "avx512_bf16"}  # as Linux names them; other CPUs only emulate the products
_SLOW = ("Conv3D",)  # layers that made a training slower with it


def is_faster(net: Any, *, cpu_info: str = CPU_INFO) -> bool:
    """Whether this CPU was measured to train such a net faster in bfloat16 (docs/performance.md)."""
    try:
        with open(cpu_info) as file:
            multiplies = not _INSTRUCTIONS.isdisjoint(file.read().split())
    except OSError:  # not Linux
        return False
    return multiplies and not any(type(layer).__name__ in _SLOW for layer in net.layers)


@contextlib.contextmanager
def train_in_bfloat16(tensorflow: Any, keras: Any) -> Iterator[Sequence[Any]]:
    """What TensorFlow 2 runs until the context ends, except for validation, is computed in bfloat16.

    Returns:
        Callbacks for `fit`.
    """

    class FullPrecisionValidation(keras.callbacks.Callback):
        """Losses, which choose the best epoch, are those that the car's CPU would find."""

        def on_test_begin(self, logs: Any = None) -> None:
            _switch(False, tensorflow)

        def on_test_end(self, logs: Any = None) -> None:
            _switch(True, tensorflow)

    _switch(True, tensorflow)
    try:
        yield [FullPrecisionValidation()]
    finally:
        _switch(False, tensorflow)


def _switch(is_on: bool, tensorflow: Any) -> None:
    tensorflow.config.optimizer.set_experimental_options({_OPTION: is_on})
