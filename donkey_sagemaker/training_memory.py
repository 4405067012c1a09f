"""How much memory the training of one of donkeycar's nets takes, from the car's config alone.

The car asks before it starts a job, without TensorFlow, and the trainer before its net exists. Once the net
exists, the trainer computes the same from its layers.
"""

from typing import Any, Iterator, Mapping, Tuple

BATCHES = 26  # at most: 8 done, 8 in the workers, 2 waiting, and 2 in training, which are float32
OVERHEAD_BYTES = 640 * 2**20  # TensorFlow's compilers, allocators and writers; see docs/performance.md
PROCESS_BYTES = 600 * 10**6  # of Python with TensorFlow and the records, before the training begins

_PICTURE = {"IMAGE_W": 160, "IMAGE_H": 120, "IMAGE_DEPTH": 3}  # where the config lacks them
_SEQUENCES = ("rnn", "3d")  # types whose net sees several pictures at a time
# (filters, kernel, stride) of each convolution; all types that are not here have the linear one's
_CONVOLUTIONS = {
    "linear": ((24, 5, 2), (32, 5, 2), (64, 5, 2), (64, 3, 1), (64, 3, 1)),
    "categorical": ((24, 5, 2), (32, 5, 2), (64, 5, 2), (64, 3, 2), (64, 3, 1)),
    "rnn": ((24, 5, 2), (32, 5, 2), (32, 3, 2), (32, 3, 1)),
}
_FILTERS_3D = (16, 32, 64, 128)


def training_bytes(*, batch_size: int, outputs: int, batch_bytes: int, weights: int) -> int:
    """An upper bound for what a training adds to the process.

    Args:
        outputs: how many numbers all layers of the net give for one example.
        batch_bytes: of the pictures of one batch.
        weights: how many numbers the net has learned.
    """
    # Each layer's output, its gradient, and what the kernels need in between.
    return 3 * 4 * batch_size * outputs + BATCHES * batch_bytes + 8 * 4 * weights


def estimate_bytes(config: Mapping[str, Any], model_type: str, *, batch_size: int = 0) -> int:
    """The trainer's memory without the pictures, which go to the disk where they do not fit.

    Args:
        config: the car's.
        model_type: without a tflite_ or tensorrt_ prefix.
        batch_size: another one than the config's.
    """
    batch_size = batch_size or batch_size_of(config)
    width, height, depth = (_whole(config, name, usual) for name, usual in _PICTURE.items())
    length = _whole(config, "SEQUENCE_LENGTH", 3)
    pictures = length if model_type in _SEQUENCES else 1
    records = {"rnn": length, "3d": length, "memory": length + 1}.get(model_type, 1)
    outputs, last = _count_outputs(model_type, width, height)
    outputs += width * height * depth + last
    dense = 256 if model_type == "3d" else 100
    weights = last * dense * (pictures if model_type == "3d" else 1) + 500_000
    training = training_bytes(
        batch_size=batch_size,
        outputs=outputs * pictures,
        batch_bytes=batch_size * records * width * height * depth,
        weights=weights,
    )
    return PROCESS_BYTES + OVERHEAD_BYTES + training


def batch_size_of(config: Mapping[str, Any]) -> int:
    return _whole(config, "BATCH_SIZE", 128)


def _count_outputs(model_type: str, width: int, height: int) -> Tuple[int, int]:
    """(numbers that the layers for pictures give for one picture, those of the last of these layers)."""
    sizes = list(_layer_sizes(model_type, width, height))
    return sum(sizes), sizes[-1] if sizes else 0


def _layer_sizes(model_type: str, width: int, height: int) -> Iterator[int]:
    if model_type == "3d":
        width, height = -(-width // 3), -(-height // 3)
        for filters in _FILTERS_3D:
            yield width * height * filters
            width, height = width // 2, height // 2
            yield width * height * filters
        return
    for filters, kernel, stride in _CONVOLUTIONS.get(model_type, _CONVOLUTIONS["linear"]):
        width, height = ((max(size, kernel) - kernel) // stride + 1 for size in (width, height))
        yield width * height * filters
        yield width * height * filters  # dropout
    if model_type == "rnn":
        yield (width // 2) * (height // 2) * filters


def _whole(config: Mapping[str, Any], name: str, usual: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and value > 0 else usual
