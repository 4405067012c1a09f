"""From the picture store into the net: batches, shuffled each epoch, pictures as bytes as long as can be."""

import threading
import zlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from .pictures import PictureStore
from .workers import Workers, can_fork, usable_cores

Arrays = Dict[str, np.ndarray]
# Changes pictures (n, height, width, depth) in place; what it draws at random, it draws from the seed.
Change = Callable[[np.ndarray, int], None]

PREFETCHED = 2  # batches that wait for the net
MOST_AT_ONCE = 8  # batches that are made at a time, however many cores there are: each takes memory


class Examples:
    """All examples of one kind (training or validation) as arrays over the examples.

    `inputs[name]` of a picture input holds numbers into the store, (n,) or (n, sequence);
    every other array is float32 with the example as its first axis.
    """

    def __init__(self, inputs: Arrays, targets: Arrays) -> None:
        self.inputs = inputs
        self.targets = targets

    def __len__(self) -> int:
        return len(next(iter(self.targets.values())))

    @classmethod
    def stack(cls, examples: Sequence[Tuple[Arrays, Arrays]], *, picture_inputs: Sequence[str]) -> "Examples":
        def column(side: int, name: str) -> np.ndarray:
            values = np.stack([example[side][name] for example in examples])
            return values.astype(np.int64 if name in picture_inputs else np.float32)

        inputs, targets = examples[0]
        return cls({name: column(0, name) for name in inputs}, {name: column(1, name) for name in targets})


class Feed:
    """Batches of examples, as a tf.data.Dataset where Keras reads one, else as a generator.

    Args:
        divisor: of a pixel, where it becomes a number.
        change: what is done to pictures each time they are fed (augmentation), or None.
        shuffle_seed: None keeps the order (validation).
    """

    def __init__(
        self,
        examples: Examples,
        store: PictureStore,
        *,
        picture_inputs: Sequence[str],
        divisor: float,
        batch_size: int,
        change: Optional[Change] = None,
        shuffle_seed: Optional[int] = None,
    ) -> None:
        self.examples = examples
        self.store = store
        self.picture_inputs = [name for name in picture_inputs if name in examples.inputs]
        self.divisor = divisor
        self.batch_size = batch_size
        self.change = change
        self.shuffle_seed = shuffle_seed
        self.failure: Optional[Exception] = None  # TensorFlow wraps it beyond recognition
        self._changing = threading.Lock()  # random numbers are drawn by one thread at a time
        self._workers: Optional[Workers] = None

    @property
    def steps(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    @property
    def batch_bytes(self) -> int:
        """Of the pictures of one batch."""
        values = [self.examples.inputs[name] for name in self.picture_inputs]
        return (
            sum(self.batch_size * int(np.prod(each.shape[1:])) for each in values) * self.store.picture_bytes
        )

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Pixels of pictures by number: uint8, numbers.shape + (height, width, depth)."""
        pixels = self.store.gather(numbers)
        if self.change is not None:
            # An epoch has no batch of another: the same job draws the same, whichever process does it.
            seed = zlib.crc32(np.ascontiguousarray(numbers).tobytes(), self.shuffle_seed or 0)
            with self._changing:
                self.change(pixels.reshape((-1,) + self.store.shape), seed)
        return pixels

    def start_workers(self) -> int:
        """Lets processes of their own change the pictures, where that can be; returns how many."""
        if self.change is None or not can_fork():
            return 0
        count = min(usable_cores(), self.steps, MOST_AT_ONCE)
        self._workers = Workers(self.gather, largest=self.batch_bytes, count=count)
        return count

    def stop_workers(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def dataset(self, tensorflow: Any) -> Any:
        """A dataset of (inputs by name, targets) batches, one epoch long, for tf.keras of TensorFlow 2.

        Pictures are uint8: `take_bytes` has the net make numbers of them, on its device.
        """
        tf = tensorflow
        names = list(self.examples.inputs)
        columns = list(self.examples.inputs.values()) + list(self.examples.targets.values())
        pictures = [name in self.picture_inputs for name in names] + [False] * len(self.examples.targets)

        def fetch(numbers: np.ndarray) -> List[np.ndarray]:
            try:
                return [
                    self._make_pictures(column[numbers]) if is_picture else column[numbers]
                    for column, is_picture in zip(columns, pictures)
                ]
            except Exception as error:
                self.failure = error
                raise

        def load(numbers: Any) -> Tuple[Dict[str, Any], Any]:
            types = [tf.uint8 if is_picture else tf.float32 for is_picture in pictures]
            values = tf.numpy_function(fetch, [numbers], types)
            for value, column, is_picture in zip(values, columns, pictures):
                value.set_shape((None,) + column.shape[1:] + (self.store.shape if is_picture else ()))
            targets = dict(zip(self.examples.targets, values[len(names) :]))
            # Keras 3 takes no dict for a net with one output.
            return dict(zip(names, values)), targets if len(targets) > 1 else values[-1]

        data = tf.data.Dataset.range(len(self.examples))
        if self.shuffle_seed is not None:
            data = data.shuffle(len(self.examples), seed=self.shuffle_seed, reshuffle_each_iteration=True)
        at_once = max(2, min(usable_cores(), MOST_AT_ONCE))
        # Nothing is left to tune, and the thread that would do it may hold up an epoch's end for seconds.
        options = tf.data.Options()
        options.autotune.enabled = False
        data = data.batch(self.batch_size).map(load, num_parallel_calls=at_once).prefetch(PREFETCHED)
        return data.with_options(options)

    def make_numbers(self, inputs: Dict[str, Any], tensorflow: Any) -> Dict[str, Any]:
        """What the net takes of a batch of `dataset`: pictures are donkeycar's to the bit."""
        tf = tensorflow
        pictures = {name: tf.cast(inputs[name], tf.float32) / self.divisor for name in self.picture_inputs}
        return dict(inputs, **pictures)

    def batches(self) -> Iterator[Tuple[List[np.ndarray], List[np.ndarray]]]:
        """The same as numbers, epoch after epoch without an end: for Keras 2.0 and TensorFlow 1."""
        random = np.random.RandomState(self.shuffle_seed)
        order = np.arange(len(self.examples))
        while True:
            if self.shuffle_seed is not None:
                random.shuffle(order)
            for start in range(0, len(order), self.batch_size):
                chosen = order[start : start + self.batch_size]
                yield (
                    [self._input(name, values[chosen]) for name, values in self.examples.inputs.items()],
                    [values[chosen] for values in self.examples.targets.values()],
                )

    def _input(self, name: str, values: np.ndarray) -> np.ndarray:
        if name not in self.picture_inputs:
            return values
        return self._make_pictures(values).astype(np.float32) / np.float32(self.divisor)

    def _make_pictures(self, numbers: np.ndarray) -> np.ndarray:
        return self._workers.run(numbers) if self._workers else self.gather(numbers)


def take_bytes(net: Any, feed: Feed, tensorflow: Any) -> None:
    """Has a Keras model of TensorFlow 2 train on a feed's datasets: its own step makes numbers of the bytes.

    A quarter of the bytes goes to the device so, and it is the one that divides.
    """

    def with_numbers(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(data: Any) -> Any:
            inputs, targets = data
            return step((feed.make_numbers(inputs, tensorflow), targets))

        return run

    net.train_step = with_numbers(net.train_step)
    net.test_step = with_numbers(net.test_step)
