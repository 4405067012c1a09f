"""Batches for the net, shuffled for each epoch. Pictures stay bytes for as long as possible."""

import threading
import zlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from .pictures import PictureStore, find_opencv
from .views import Camera, View, Viewer
from .workers import Workers, can_fork, usable_cores

Arrays = Dict[str, np.ndarray]
# Changes pictures (n, height, width, depth) uint8 in place; random changes depend on the seed alone.
Change = Callable[[np.ndarray, int], None]

PREFETCHED = 2  # batches that wait for the net
MOST_AT_ONCE = 8  # batches that are prepared at a time, however many cores there are: each takes memory


class Columns:
    """Collects the inputs and targets of examples, a row each, in arrays with room for all of them.

    An array of its own for each value would take thirty times as much memory.

    Attributes:
        inputs, targets: (most rows, ...) by name; int64 for numbers of pictures, otherwise float32.
    """

    def __init__(self, most: int, *, picture_inputs: Sequence[str]) -> None:
        self.inputs: Arrays = {}
        self.targets: Arrays = {}
        self._most = most
        self._picture_inputs = picture_inputs
        self._count = 0

    def append(self, inputs: Arrays, targets: Arrays) -> int:
        """Returns the row.

        Raises:
            ValueError: an array has another shape than in the first row.
        """
        for columns, values in ((self.inputs, inputs), (self.targets, targets)):
            for name, value in values.items():
                if name not in columns:
                    kind = np.int64 if name in self._picture_inputs else np.float32
                    columns[name] = np.zeros((self._most,) + value.shape, kind)
                if columns[name].shape[1:] != value.shape:
                    raise ValueError(f"{name} has another shape")
                columns[name][self._count] = value
        self._count += 1
        return self._count - 1

    def choose(self, rows: Sequence[int]) -> "Examples":
        chosen = np.array(rows, np.int64)
        return Examples(
            {name: column[chosen] for name, column in self.inputs.items()},
            {name: column[chosen] for name, column in self.targets.items()},
        )


class Examples:
    """Examples as arrays, whose first axis is the row.

    A picture input holds numbers of pictures in the store, (rows,) or (rows, sequence); all else is float32.

    Args:
        views: (rows, 3), a View of its pictures for each row; None to show all pictures as recorded.
        variants: how many rows an example has. The first variant of all examples comes first, then the second
            of all, and so on.
    """

    def __init__(
        self, inputs: Arrays, targets: Arrays, *, views: Optional[np.ndarray] = None, variants: int = 1
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.views = views
        self.variants = variants

    def __len__(self) -> int:
        """The number of examples, not of rows."""
        return len(next(iter(self.targets.values()))) // self.variants

    def choose_rows(self, chosen: np.ndarray, seed: int) -> np.ndarray:
        """A row of each of these examples. Another batch or seed draws other variants."""
        if self.variants == 1:
            return chosen
        random = np.random.RandomState(zlib.crc32(np.ascontiguousarray(chosen).tobytes(), seed))
        rows: np.ndarray = chosen + len(self) * random.randint(self.variants, size=len(chosen))
        return rows


class Feed:
    """Batches of examples, as a tf.data.Dataset for TensorFlow 2 and as a generator for TensorFlow 1.

    Args:
        divisor: pixels are divided by this when they become floats.
        camera: took the pictures; needed for examples with views.
        change: is applied to pictures each time they are fed, for example to augment them.
        shuffle_seed: None keeps the order, for validation.
    """

    def __init__(
        self,
        examples: Examples,
        store: PictureStore,
        *,
        picture_inputs: Sequence[str],
        divisor: float,
        batch_size: int,
        camera: Optional[Camera] = None,
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
        self._random = np.random.RandomState(shuffle_seed)
        self._order = np.arange(len(examples), dtype=np.int64)  # of the present epoch
        self._viewer = Viewer(camera, store.shape, cv2=find_opencv()) if camera else None
        # The original error, which TensorFlow wraps beyond recognition
        self.failure: Optional[Exception] = None
        self._changing = threading.Lock()  # only one thread at a time draws random numbers
        self._workers: Optional[Workers] = None

    @property
    def steps(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    @property
    def batch_bytes(self) -> int:
        """The size of the pictures of one batch."""
        values = [self.examples.inputs[name] for name in self.picture_inputs]
        return (
            sum(self.batch_size * int(np.prod(each.shape[1:])) for each in values) * self.store.picture_bytes
        )

    def gather(self, numbers: np.ndarray, views: Optional[np.ndarray] = None) -> np.ndarray:
        """Pixels of pictures by number: uint8, numbers.shape + (height, width, depth).

        Args:
            views: (n, 3), one for each of the numbers or sequences of them.
        """
        pixels = self.store.gather(numbers)
        if self._viewer is not None and views is not None:
            # A sequence moves as a whole, so that what moves in it is the world.
            for pictures, (shift_m, turn, mirrored) in zip(
                pixels.reshape((len(views), -1) + self.store.shape), views
            ):
                for picture in pictures:
                    picture[...] = self._viewer(picture, View(shift_m, turn, mirrored=bool(mirrored)))
        if self.change is not None:
            # Each epoch has batches of its own. The same batch gets the same changes in any process.
            seed = zlib.crc32(np.ascontiguousarray(numbers).tobytes(), self.shuffle_seed or 0)
            with self._changing:
                self.change(pixels.reshape((-1,) + self.store.shape), seed)
        return pixels

    def start_workers(self) -> int:
        """Starts processes that make the pictures, if they do more than copy them, and returns how many."""
        if (self.change is None and self._viewer is None and not self.store.is_slow) or not can_fork():
            return 0
        count = min(usable_cores(), self.steps, MOST_AT_ONCE)
        self._workers = Workers(self.gather, largest=self.batch_bytes, count=count)
        return count

    def stop_workers(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def dataset(self, tensorflow: Any, chosen: Any = None) -> Any:
        """One epoch of batches (inputs by name, targets by name) for TensorFlow 2.

        Pictures are uint8. With `take_bytes` the net turns them into floats, on its own device.

        Args:
            chosen: a tf.data.Dataset of the numbers of the examples of each batch, in place of one epoch.
        """
        tf = tensorflow
        names = list(self.examples.inputs)
        columns = list(self.examples.inputs.values()) + list(self.examples.targets.values())
        pictures = [name in self.picture_inputs for name in names] + [False] * len(self.examples.targets)

        def fetch(chosen: np.ndarray) -> List[np.ndarray]:
            try:
                rows = self.examples.choose_rows(chosen, self.shuffle_seed or 0)
                return [
                    self._make_pictures(column, rows) if is_picture else column[rows]
                    for column, is_picture in zip(columns, pictures)
                ]
            except Exception as error:
                self.failure = error
                raise

        def load(chosen: Any) -> Tuple[Dict[str, Any], Any]:
            types = [tf.uint8 if is_picture else tf.float32 for is_picture in pictures]
            values = tf.numpy_function(fetch, [chosen], types)
            for value, column, is_picture in zip(values, columns, pictures):
                value.set_shape((None,) + column.shape[1:] + (self.store.shape if is_picture else ()))
            targets = dict(zip(self.examples.targets, values[len(names) :]))
            # Keras 3 does not accept a dict for a net with one output.
            return dict(zip(names, values)), targets if len(targets) > 1 else values[-1]

        if chosen is None:
            # TensorFlow's own shuffle holds a tensor for each example, which takes twenty times the memory.
            steps = tf.data.Dataset.range(self.steps)
            chosen = steps.map(lambda step: tf.numpy_function(self._choose, [step], tf.int64))
            chosen = chosen.map(lambda numbers: tf.ensure_shape(numbers, [None]))
        at_once = max(2, min(usable_cores(), MOST_AT_ONCE))
        return without_tuning(chosen.map(load, num_parallel_calls=at_once).prefetch(PREFETCHED), tf)

    def make_numbers(self, inputs: Dict[str, Any], tensorflow: Any) -> Dict[str, Any]:
        """The inputs of a batch of `dataset` as the net takes them: equal to donkeycar's to the bit."""
        tf = tensorflow
        pictures = {name: tf.cast(inputs[name], tf.float32) / self.divisor for name in self.picture_inputs}
        return dict(inputs, **pictures)

    def batches(self) -> Iterator[Tuple[List[np.ndarray], List[np.ndarray]]]:
        """Endless batches (inputs, targets) as floats, epoch after epoch, for TensorFlow 1."""
        while True:
            for step in range(self.steps):
                rows = self.examples.choose_rows(self._choose(step), self.shuffle_seed or 0)
                yield (
                    [self._input(name, values, rows) for name, values in self.examples.inputs.items()],
                    [values[rows] for values in self.examples.targets.values()],
                )

    def _choose(self, step: int) -> np.ndarray:
        """The numbers of the examples of a batch. The first batch of an epoch begins a new order."""
        if step == 0 and self.shuffle_seed is not None:
            self._order = self._random.permutation(self._order)
        return self._order[step * self.batch_size : (step + 1) * self.batch_size]

    def _input(self, name: str, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if name not in self.picture_inputs:
            return values[rows]
        return self._make_pictures(values, rows).astype(np.float32) / np.float32(self.divisor)

    def _make_pictures(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        views = None if self.examples.views is None else self.examples.views[rows]
        make = self._workers.run if self._workers else self.gather
        return make(numbers[rows], views)


def without_tuning(data: Any, tensorflow: Any) -> Any:
    """The tf.data.Dataset without TensorFlow's tuning, whose thread may delay its end by ten seconds."""
    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def take_bytes(net: Any, feed: Feed, tensorflow: Any) -> None:
    """Lets a Keras model of TensorFlow 2 train on a feed's datasets: its own step turns bytes into floats.

    That sends a quarter of the bytes to the device, which also does the division.
    """

    def with_numbers(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(data: Any) -> Any:
            inputs, targets = data
            return step((feed.make_numbers(inputs, tensorflow), targets))

        return run

    net.train_step = with_numbers(net.train_step)
    net.test_step = with_numbers(net.test_step)
