"""From the picture store into the net: batches of float32, shuffled each epoch, pictures cast on the way."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

Arrays = Dict[str, np.ndarray]


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
        pixels: (pictures, height, width, depth) uint8.
        scale: pixels are multiplied by it.
        change: what is done to a picture each time it is fed (augmentation), or None.
        shuffle_seed: None keeps the order (validation).
    """

    def __init__(
        self,
        examples: Examples,
        pixels: np.ndarray,
        *,
        picture_inputs: Sequence[str],
        scale: float,
        batch_size: int,
        change: Optional[Callable[[np.ndarray], np.ndarray]] = None,
        shuffle_seed: Optional[int] = None,
    ) -> None:
        self.examples = examples
        self.pixels = pixels
        self.picture_inputs = [name for name in picture_inputs if name in examples.inputs]
        self.scale = scale
        self.batch_size = batch_size
        self.change = change
        self.shuffle_seed = shuffle_seed

    @property
    def steps(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Pixels of pictures by number: uint8, numbers.shape + (height, width, depth)."""
        pixels = self.pixels[numbers]
        if self.change is not None:
            flat = pixels.reshape((-1,) + self.pixels.shape[1:])
            for position, picture in enumerate(flat):
                flat[position] = self.change(picture).reshape(picture.shape)
        return pixels

    def dataset(self, tensorflow: Any) -> Any:
        """A dataset of (inputs by name, targets) batches, one epoch long, for tf.keras of TensorFlow 2."""
        tf = tensorflow
        data = tf.data.Dataset.from_tensor_slices((self.examples.inputs, self._targets()))
        if self.shuffle_seed is not None:
            data = data.shuffle(len(self.examples), seed=self.shuffle_seed, reshuffle_each_iteration=True)

        def load(inputs: Dict[str, Any], targets: Any) -> Tuple[Dict[str, Any], Any]:
            loaded = dict(inputs)
            for name in self.picture_inputs:
                pixels = tf.numpy_function(self.gather, [inputs[name]], tf.uint8)
                pixels.set_shape(inputs[name].shape.concatenate(self.pixels.shape[1:]))
                loaded[name] = tf.cast(pixels, tf.float32) * self.scale
            return loaded, targets

        return (
            data.batch(self.batch_size)
            .map(load, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )

    def batches(self) -> Iterator[Tuple[List[np.ndarray], List[np.ndarray]]]:
        """The same for `fit_generator` of Keras 2.0 and TensorFlow 1: epoch after epoch without an end."""
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
        return self.gather(values).astype(np.float32) * np.float32(self.scale)

    def _targets(self) -> Any:
        """By name, but the bare array for a net with one output: Keras 3 takes no dict there."""
        targets = self.examples.targets
        return targets if len(targets) > 1 else next(iter(targets.values()))
