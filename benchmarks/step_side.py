"""One side of steps.py: the steps of a training, ours and Keras's own, epoch by epoch in turn.

    python step_side.py TYPE ROUNDS RESULT

Runs in a car's folder. Keras fits float32 arrays in memory; the trainer its feed of bytes. Both train the
same net of donkeycar on the same number of random pictures. The result is a JSON file.
"""

import json
import os
import sys
import time
from typing import Any, Callable, Dict, List, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as the trainer

import numpy as np
import tensorflow as tf
from donkeycar.config import load_config

from step_profile import measure_limits, profile
from trainer.feed import Examples, Feed
from trainer.pictures import PictureStore
from trainer.pilots import make_pilot
from trainer.tensorflow_versions import keras, run_fit

BATCH_SIZE = 128
BATCHES = 16  # of an epoch
SEQUENCES = ("rnn", "3d")


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures each epoch up to its last training step, and then lets the other side do one."""

    def __init__(self, then: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self.seconds: List[float] = []
        self.cpu_seconds: List[float] = []
        self._then = then

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = self._last = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._last = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        wall, cpu = (end - begin for begin, end in zip(self._began, self._last))
        self.seconds.append(wall)
        self.cpu_seconds.append(cpu)
        self._then()


def main(model_type: str, rounds: int, result_path: str) -> None:
    tf.random.set_seed(1)
    config = vars(load_config("config.py", "myconfig.py"))
    ours, theirs = (make_pilot(model_type, config, donkeycar=None) for _ in range(2))
    for pilot in (ours, theirs):
        pilot.compile()
    batch_size = BATCH_SIZE // 4 if model_type in SEQUENCES else BATCH_SIZE
    feed, inputs, targets = make_data(ours, examples=BATCHES * batch_size, batch_size=batch_size)
    their_clock = Clock()

    def fit_theirs() -> None:
        options = tf.config.optimizer.get_experimental_options()
        # A training in bfloat16 sets it for the whole process
        tf.config.optimizer.set_experimental_options({name: False for name in options if "bfloat16" in name})
        theirs.net.fit(
            inputs, targets, batch_size=batch_size, epochs=1, shuffle=True, verbose=0, callbacks=[their_clock]
        )
        tf.config.optimizer.set_experimental_options(options)

    our_clock = Clock(fit_theirs)
    run_fit(ours.net, feed, feed, epochs=rounds + 1, verbose=0, callbacks=[our_clock])
    step_inputs = {name: tf.constant(values[:batch_size]) for name, values in inputs.items()}
    step_targets = [tf.constant(values[:batch_size]) for values in targets]
    result: Dict[str, Any] = {
        "examples": BATCHES * batch_size,
        "ours": our_clock.seconds[1:],  # the first epoch compiles
        "theirs": their_clock.seconds[1:],
        "ours_cpu": our_clock.cpu_seconds[1:],
        "theirs_cpu": their_clock.cpu_seconds[1:],
        "profile": profile(theirs.net, step_inputs, step_targets),
        "limits": measure_limits() if model_type == "linear" else {},
    }
    with open(result_path, "w") as file:
        json.dump(result, file)


def make_data(
    pilot: Any, *, examples: int, batch_size: int
) -> Tuple[Feed, Dict[str, np.ndarray], List[np.ndarray]]:
    """The same random data as a feed, and as float32 inputs by name and targets in order."""
    random = np.random.RandomState(1)
    # A memory net's sequence is of commands; it sees one picture.
    sees_sequences = len(pilot.net.inputs[0].shape) == len(pilot.picture_shape) + 2
    length = pilot.sequence_length if sees_sequences else 1
    store = PictureStore(examples * length, pilot.picture_shape)
    for number in range(examples * length):
        store[number] = random.randint(0, 256, pilot.picture_shape).astype(np.uint8)
    numbers = np.arange(examples * length).reshape(examples, length)
    if not sees_sequences:
        numbers = numbers[:, 0]
    fed: Dict[str, np.ndarray] = {}
    inputs: Dict[str, np.ndarray] = {}
    for name, tensor in zip(pilot.net.input_names, pilot.net.inputs):
        if name in pilot.picture_inputs:
            fed[name] = numbers
            inputs[name] = store.gather(numbers).astype(np.float32) / np.float32(255)
        else:
            fed[name] = inputs[name] = random.rand(examples, *tensor.shape[1:]).astype(np.float32)
    targets = {}
    for name, tensor in zip(pilot.net.output_names, pilot.net.outputs):
        size = tensor.shape[-1]
        one_hot = np.eye(size)[random.randint(size, size=examples)]
        targets[name] = (one_hot if size > 2 else random.rand(examples, size)).astype(np.float32)
    feed = Feed(
        Examples(fed, targets),
        store,
        picture_inputs=pilot.picture_inputs,
        divisor=pilot.picture_divisor,
        batch_size=batch_size,
        shuffle_seed=1,
    )
    return feed, inputs, list(targets.values())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
