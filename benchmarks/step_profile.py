"""Where a training step of Keras takes its time, and what the machine could do."""

import glob
import os
import re
import tempfile
import time
from collections import Counter
from typing import Any, Callable, Dict

import numpy as np
import tensorflow as tf

STEPS = 3
SIZE = 2048  # of the matrices for the peak
COPIED = 2**26  # floats, far more than any cache
# What an operation of the step is for, by its name in TensorFlow's profile; the first that matches counts
PARTS = (
    ("dropout: random numbers", r"random_uniform"),
    ("dropout: everything else", r"/dropout|dropout_\d"),
    ("convolutions: gradients of the filters", r"BackpropFilter"),
    ("convolutions: gradients of the inputs", r"BackpropInput"),
    ("convolutions: forward", r"Conv[23]D"),
    ("dense layers", r"MatMul"),
    ("recurrent layers", r"lstm|LSTM|while"),
    ("activations", r"Relu|Softmax|BiasAdd"),
    ("pooling and normalization", r"Pool|batch_norm|BatchNorm"),
    ("optimizer", r"Adam|SGD|RMSprop"),
)
# Events of the profile that contain others
OUTER = re.compile(
    r"^(ExecutorState|EagerExecute|EagerLocal|EagerKernel|TFE_Py|KernelAndDevice|FunctionRun|ParallelFor"
    r"|train_step|step\b|Thread|.*::)"
)


def profile(net: Any, inputs: Dict[str, Any], targets: Any) -> Dict[str, float]:
    """The share of each of PARTS in the time of all operations of a training step."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step = tf.function(lambda: net.train_step((inputs, targets)))
    step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            step()
        tf.profiler.experimental.stop()
        (path,) = glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True)
        space = xplane_pb2.XSpace()
        with open(path, "rb") as file:
            space.ParseFromString(file.read())
    total: Counter = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if ":" in name and not OUTER.match(name):
                    part = next((part for part, pattern in PARTS if re.search(pattern, name)), "other")
                    total[part] += event.duration_ps
    return {part: picoseconds / sum(total.values()) for part, picoseconds in total.most_common()}


def measure_limits() -> Dict[str, float]:
    """GFLOP/s of products of matrices in float32 and bfloat16, and GB/s of a copy, counted both ways."""
    limits = {}
    for name, kind in (("float32 GFLOP/s", tf.float32), ("bfloat16 GFLOP/s", tf.bfloat16)):
        matrix = tf.cast(tf.random.normal((SIZE, SIZE)), kind)
        limits[name] = 2 * SIZE**3 / _best_s(lambda matrix=matrix: tf.matmul(matrix, matrix)) / 1e9
    values = tf.random.normal((COPIED,))
    limits["memory GB/s"] = 2 * values.dtype.size * COPIED / _best_s(lambda: tf.identity(-values)) / 1e9
    return limits


def _best_s(compute: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        np.asarray(compute()[:1])
        seconds.append(time.perf_counter() - began)
    return min(seconds)
